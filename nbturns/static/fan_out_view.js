// @ts-check
/* The grid of the branches of a fan-out: what each changed, its blocks, outcome, tokens, cost and time. */

import { actionButton } from "./debug_controls.js";
import { DebugSource } from "./debug_source.js";
import { attributes, dollars, duration, element, formatCount } from "./elements.js";
import { comparisonElement } from "./look_panel.js";

const STATE_SIGNS = /** @type {Record<string, [string, string]>} */ ({ done: ["✓", "good"], failed: ["✗", "bad"], stopped: ["■", "wait"] });

const NUMBERS = [0, 5, 6, 7]; // columns

class FanOutView {
  /** @param {DebugSource} source @param {HTMLElement} container */
  constructor(source, container) {
    this.source = source;
    this.opened = -1;
    this.stopButton = actionButton("Stop", () => void source.ask("stop"), { tip: "branches.stop()", classes: "nbt-stop" });
    this.progress = attributes(element("progress"), { "aria-label": "Branches that have ended" });
    this.status = attributes(element("span", "nbt-status"), { role: "status", "aria-live": "polite" });
    this.totals = element("span", "nbt-totals");
    this.body = element("tbody");
    this.message = attributes(element("span", "nbt-message"), { "aria-live": "polite" });
    const names = ["branch", "engine", "changed", "blocks", "outcome", "tokens in → out", "cost", "time", ""];
    const head = element("tr", "", ...names.map((name, n) => attributes(element("th", NUMBERS.includes(n) ? "nbt-number" : "", name || element("span", "nbt-visually-hidden", "compare")), { scope: "col" })));
    const table = element("table", "nbt-grid-table", element("thead", "", head), this.body);
    const scroll = attributes(element("div", "nbt-grid-scroll", table), { tabindex: 0, role: "region", "aria-label": "Branches", "data-lm-suppress-shortcuts": true });
    this.inset = element("div");
    const bar = element("div", "nbt-toolbar nbt-bar", this.stopButton, this.progress, this.status, element("span", "nbt-spacer"), this.totals);
    this.debug = element("div", "nbt-debug nbt-fan-out", bar, scroll, this.inset, element("div", "nbt-foot", this.message));
    this.root = attributes(element("div", "nbt-view tex2jax_ignore mathjax_ignore", this.debug), { role: "region", "aria-label": "Fan-out" });
    this.root.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
    });
    container.append(this.root);
    this.watcher = () => this.draw();
    source.watchers.add(this.watcher);
    this.draw();
  }

  close() {
    this.source.watchers.delete(this.watcher);
  }

  draw() {
    const { state } = this.source;
    if (!state.rows) return;
    const isOver = state.ended === state.total;
    this.progress.max = state.total;
    this.progress.value = state.ended;
    this.stopButton.disabled = isOver;
    const text = `${formatCount(state.ended)} of ${formatCount(state.total)} branches ended`;
    if (this.status.textContent !== text) this.status.textContent = text;
    const budget = state.budget === null ? "" : ` of $${state.budget}`;
    const spent = state.cost || !state.unpriced || budget ? dollars(state.cost) : "cost —";
    this.totals.textContent = `${spent}${budget}${state.unpriced ? ` · ${formatCount(state.unpriced)} model calls without a known price` : ""}`;
    const focused = this.body.contains(document.activeElement) ? document.activeElement?.getAttribute("aria-label") : "";
    this.body.replaceChildren(...state.rows.map((/** @type {any} */ row) => this.row(row)));
    if (focused) /** @type {HTMLElement | null} */ (this.body.querySelector(`[aria-label="${CSS.escape(focused)}"]`))?.focus();
  }

  /** @param {any} row */
  row(row) {
    const cell = (/** @type {string} */ classes, /** @type {(Node | string)[]} */ ...content) => element("td", classes, ...content);
    const changed = [row.edit && `edit ${row.edit}`, row.params].filter(Boolean).join(", ") || "nothing";
    const leading = [attributes(element("th", "nbt-number", String(row.index)), { scope: "row" }), cell("", row.engine), cell("nbt-changed", changed)];
    if (row.state !== "ended") return element("tr", "", ...leading, attributes(cell("nbt-dim", row.state === "running" ? "● running…" : "waiting"), { colspan: 6 }));
    const [sign, kind] = STATE_SIGNS[row.status] ?? ["", "dim"];
    const compare = actionButton(row.index ? "Compare" : "Changes", () => void this.compare(row.index), { classes: "nbt-quiet", tip: row.index ? "Compare with branch 0: nt.compare(branches[0].turn, …)" : "Compare with the start" });
    compare.setAttribute("aria-label", row.index ? `Compare branch ${row.index} with branch 0` : "Changes of branch 0");
    const tokens = row.input === null ? "—" : `${formatCount(row.input)} → ${formatCount(row.output ?? 0)}`;
    return element(
      "tr", row.index === this.opened ? "nbt-here" : "", ...leading, cell("", this.strip(row)),
      cell("nbt-outcome", element("span", `nbt-as-${kind}`, sign ? `${sign}\ufe0e ` : ""), row.text || row.status),
      cell("nbt-number", tokens), cell("nbt-number", row.cost === null ? "—" : dollars(row.cost)), cell("nbt-number", duration(row.ms ?? undefined) || "—"), cell("", compare),
    );
  }

  /** Show a sign for each block, and mark the first that differs from branch 0. @param {any} row */
  strip(row) {
    const strip = element("span", "nbt-strip", ...(row.strip_from ? ["…"] : []));
    row.strip.forEach((/** @type {string} */ sign, /** @type {number} */ n) => {
      const isFirst = row.divergence === row.strip_from + n;
      strip.append(element("span", isFirst ? "nbt-first-difference" : "", sign));
    });
    const words = row.divergence === null || row.divergence === undefined ? `${row.blocks} blocks` : `${row.blocks} blocks; the first that differs is ${row.divergence}`;
    attributes(strip, { role: "img", "aria-label": words });
    strip.title = words;
    return row.divergence === null || row.divergence === undefined ? strip : element("span", "", strip, element("span", "nbt-dim", ` differs at #${row.divergence}`));
  }

  /** @param {number} index */
  async compare(index) {
    try {
      const answer = await this.source.ask("compare", { branch: index });
      this.opened = index;
      this.inset.replaceChildren(element("div", "nbt-inset", comparisonElement(answer)));
      this.draw();
    } catch (error) {
      this.message.textContent = error instanceof Error ? error.message : String(error);
    }
  }
}

export default () => {
  /** @type {DebugSource | undefined} */
  let source;
  return {
    /** @param {{model: any}} context */
    initialize({ model }) {
      source = new DebugSource(model);
      return () => source?.close();
    },
    /** @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      const view = new FanOutView((source ??= new DebugSource(model)), el);
      return () => view.close();
    },
  };
};
