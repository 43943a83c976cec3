// @ts-check
/* Two Turns or Runs side by side, with what to look for: only changes, the next one, the one before. */

import { ComparisonTable, SIGNS } from "./comparison_table.js";
import { attributes, button, counted, element } from "./elements.js";

/** @typedef {import("./run_source.js").Model} Model */

const MOVES = { n: 1, ArrowDown: 1, j: 1, p: -1, ArrowUp: -1, k: -1 };

export class CompareView {
  /** @param {Model} model @param {HTMLElement} place */
  constructor(model, place) {
    this.model = model;
    this.table = new ComparisonTable({ label: "comparison", onSelect: (number) => this.selected(number) });
    this.sums = element("span", "nbt-sums");
    this.only = button("", "changes only", "leave out what is the same (c)", () => this.onlyChanges());
    this.before = button("", "‹", "change before (p, ↑)", () => this.step(-1));
    this.next = button("", "›", "next change (n, ↓)", () => this.step(1));
    this.where = attributes(element("span", "nbt-dim"), { role: "status", "aria-live": "polite" });
    this.rest = button("nbt-rest", "", "", () => this.more());
    const group = element("span", "nbt-group", this.before, this.next);
    this.bar = attributes(element("div", "nbt-tools", group, this.only, this.where, element("span", "nbt-spring"), this.sums), { role: "toolbar", "aria-label": "changes" });
    this.scroller = attributes(element("div", "nbturns nbt-scroll nbt-pairs", this.table.element, this.rest), { role: "region", "aria-label": "blocks side by side", tabindex: 0, "data-lm-suppress-shortcuts": true });
    this.root = element("div", "nbt-view nbt-compare-view tex2jax_ignore mathjax_ignore", this.bar, this.scroller);
    this.root.addEventListener("keydown", (event) => this.key(event));
    place.append(this.root);
    this.onStart = () => this.draw();
    this.onSelected = () => this.table.select(this.model.get("selected"), false);
    /** @param {any} message */
    this.onMessage = (message) => this.came(message);
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
    this.table.name(`A · ${start.heads[0]}`, `B · ${start.heads[1]}`);
    const said = Object.entries(start.counts).map(([what, count]) => `${SIGNS[what]} ${counted(count)} ${what === "same" ? "the same" : what}`);
    this.sums.textContent = said.join(" · ") || "nothing with nothing";
    this.table.active = this.model.get("selected");
    this.table.show([...start.pairs]);
    this.drawBar();
  }

  drawBar() {
    const changes = this.table.changes;
    const place = changes.indexOf(this.table.active);
    const all = Object.entries(this.counts).reduce((sum, [what, count]) => sum + (what === "same" ? 0 : count), 0);
    this.before.disabled = this.next.disabled = !changes.length;
    this.where.textContent = all ? (place < 0 ? `${counted(all)} change${all === 1 ? "" : "s"}` : `change ${counted(place + 1)} of ${counted(all)}`) : "no change";
    attributes(this.only, { "aria-pressed": this.table.changesOnly });
    this.only.classList.toggle("nbt-on", this.table.changesOnly);
    const left = this.total - this.table.pairs.length;
    this.rest.hidden = left <= 0;
    this.rest.textContent = `show ${counted(Math.min(left, 500))} of ${counted(left)} more rows`;
  }

  onlyChanges() {
    this.table.changesOnly = !this.table.changesOnly;
    this.table.draw();
    this.drawBar();
  }

  more() {
    this.rest.textContent = "waiting for the kernel …";
    this.model.send({ want: "pairs", from: this.table.pairs.length });
  }

  /** @param {any} message */
  came(message) {
    if (!Array.isArray(message.pairs) || message.from !== this.table.pairs.length) return;
    this.table.show([...this.table.pairs, ...message.pairs]);
    this.drawBar();
  }

  /** @param {number} step */
  step(step) {
    const changes = this.table.changes;
    if (!changes.length) return;
    const place = changes.indexOf(this.table.active);
    const next = place < 0 ? (step > 0 ? 0 : changes.length - 1) : (place + step + changes.length) % changes.length;
    this.table.select(changes[next]);
  }

  /** @param {number} number */
  selected(number) {
    this.model.set("selected", number);
    this.model.save_changes();
    this.drawBar();
  }

  /** A key without Ctrl is for this view: the notebook would take "b" for a new cell. @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    const step = MOVES[/** @type {keyof typeof MOVES} */ (event.key)];
    if (step) this.step(step);
    else if (event.key === "c") this.onlyChanges();
    else return;
    event.preventDefault();
  }
}

export default {
  /** @param {{model: any, el: HTMLElement}} given */
  render({ model, el }) {
    const view = new CompareView(model, el);
    return () => view.close();
  },
};
