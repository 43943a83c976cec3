// @ts-check
/* The view of a comparison: two Turns or Runs side by side, with navigation between changes. */

import { ComparisonTable, SIGNS } from "./comparison_table.js";
import { attributes, button, formatCount, element } from "./elements.js";

/** @typedef {import("./run_source.js").Model} Model */

const STEP_KEYS = { n: 1, ArrowDown: 1, j: 1, p: -1, ArrowUp: -1, k: -1 };

export class CompareView {
  /** @param {Model} model @param {HTMLElement} container */
  constructor(model, container) {
    this.model = model;
    this.table = new ComparisonTable({ label: "Comparison", onSelect: (number) => this.onPairSelected(number) });
    this.totals = element("span", "nbt-totals");
    this.changesOnlyButton = button("", "Changes only", "Hide equal blocks (c)", () => this.toggleChangesOnly());
    this.previousButton = button("", "‹", "Previous change (p, ↑)", () => this.goToChange(-1));
    this.nextButton = button("", "›", "Next change (n, ↓)", () => this.goToChange(1));
    this.positionText = attributes(element("span", "nbt-dim"), { role: "status", "aria-live": "polite" });
    this.moreButton = button("nbt-load-more", "", "", () => this.loadMore());
    const group = element("span", "nbt-group", this.previousButton, this.nextButton);
    this.bar = attributes(element("div", "nbt-toolbar", group, this.changesOnlyButton, this.positionText, element("span", "nbt-spacer"), this.totals), { role: "toolbar", "aria-label": "Changes" });
    this.scroller = attributes(element("div", "nbturns nbt-scroll nbt-pairs", this.table.element, this.moreButton), { role: "region", "aria-label": "Blocks side by side", tabindex: 0, "data-lm-suppress-shortcuts": true });
    this.root = element("div", "nbt-view nbt-compare-view tex2jax_ignore mathjax_ignore", this.bar, this.scroller);
    this.root.addEventListener("keydown", (event) => this.key(event));
    container.append(this.root);
    this.onStart = () => this.draw();
    this.onSelected = () => this.table.select(this.model.get("selected"), false);
    /** @param {any} message */
    this.onMessage = (message) => this.addPairs(message);
    model.on("change:start", this.onStart);
    model.on("change:selected", this.onSelected);
    model.on("msg:custom", this.onMessage);
    this.draw();
  }

  close() {
    this.model.off("change:start", this.onStart);
    this.model.off("change:selected", this.onSelected);
    this.model.off("msg:custom", this.onMessage);
  }

  draw() {
    const start = this.model.get("start");
    this.total = start.total;
    this.counts = start.counts;
    this.table.setHeaders(`A · ${start.heads[0]}`, `B · ${start.heads[1]}`);
    const parts = Object.entries(start.counts).map(([change, count]) => `${SIGNS[change]} ${formatCount(count)} ${change === "same" ? "equal" : change}`);
    this.totals.textContent = parts.join(" · ") || "Nothing to compare";
    this.table.active = this.model.get("selected");
    this.table.show([...start.pairs]);
    this.drawBar();
  }

  drawBar() {
    const changes = this.table.changes;
    const changeNumber = changes.indexOf(this.table.active);
    const changeCount = Object.entries(this.counts).reduce((sum, [change, count]) => sum + (change === "same" ? 0 : count), 0);
    this.previousButton.disabled = this.nextButton.disabled = !changes.length;
    this.positionText.textContent = changeCount ? (changeNumber < 0 ? `${formatCount(changeCount)} change${changeCount === 1 ? "" : "s"}` : `Change ${formatCount(changeNumber + 1)} of ${formatCount(changeCount)}`) : "No changes";
    attributes(this.changesOnlyButton, { "aria-pressed": this.table.changesOnly });
    this.changesOnlyButton.classList.toggle("nbt-pressed", this.table.changesOnly);
    const remaining = this.total - this.table.pairs.length;
    this.moreButton.hidden = remaining <= 0;
    this.moreButton.textContent = `Show ${formatCount(Math.min(remaining, 500))} of ${formatCount(remaining)} more rows`;
  }

  toggleChangesOnly() {
    this.table.changesOnly = !this.table.changesOnly;
    this.table.draw();
    this.drawBar();
  }

  loadMore() {
    this.moreButton.textContent = "Waiting for the kernel …";
    this.model.send({ request: "pairs", from: this.table.pairs.length });
  }

  /** @param {any} message */
  addPairs(message) {
    if (!Array.isArray(message.pairs) || message.from !== this.table.pairs.length) return;
    this.table.show([...this.table.pairs, ...message.pairs]);
    this.drawBar();
  }

  /** @param {number} step */
  goToChange(step) {
    const changes = this.table.changes;
    if (!changes.length) return;
    const changeNumber = changes.indexOf(this.table.active);
    const nextNumber = changeNumber < 0 ? (step > 0 ? 0 : changes.length - 1) : (changeNumber + step + changes.length) % changes.length;
    this.table.select(changes[nextNumber]);
  }

  /** @param {number} number */
  onPairSelected(number) {
    this.model.set("selected", number);
    this.model.save_changes();
    this.drawBar();
  }

  /** Handle keys without Ctrl, and keep them from the notebook, which adds a cell on "b". @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    const step = STEP_KEYS[/** @type {keyof typeof STEP_KEYS} */ (event.key)];
    if (step) this.goToChange(step);
    else if (event.key === "c") this.toggleChangesOnly();
    else return;
    event.preventDefault();
  }
}

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el }) {
    const view = new CompareView(model, el);
    return () => view.close();
  },
};
