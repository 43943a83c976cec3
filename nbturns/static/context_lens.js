// @ts-check
/* The context of a model call: what share each block has in its request, and where the request differs from the one before. */

import { attributes, button, element, formatCount, plural } from "./elements.js";

/**
 * The context of a call, as created by `frames/context_lens.py`. A part is the index of its first block, the number of
 * its blocks and their tokens.
 * @typedef {{tokens: number, is_counted: boolean, window?: number, rebilled?: number, parts: [number, number, number][],
 *   largest: {index: number, name: string, tokens: number, share: number}[], others: [number, number],
 *   differs?: {index: number, was?: string, now?: string, text?: string}}} Lens
 *
 * @typedef {import("./lane_calls.js").Slot} Slot
 */

const LABELED_SHARE = 0.07; // of the strip, from which on a part has a label

export class ContextLens {
  /** @param {{ask: (turn: number, first: number) => Promise<Lens>, onBlock: (turn: number, index: number) => void, onStep: (offset: 1 | -1) => void, canAsk: boolean}} options */
  constructor(options) {
    this.options = options;
    /** @type {Slot | undefined} */
    this.slot = undefined;
    this.openButton = attributes(button("nbt-toggle", "Context", "", () => this.toggle()), { "aria-expanded": false, "data-kernel": true });
    this.openButton.disabled = !options.canAsk;
    this.openButton.title = options.canAsk ? "Show what the request of the selected call consists of: nt.context(run)" : "The context of a call needs a running kernel";
    this.title = element("b", "", "Context");
    this.figures = attributes(element("span", "nbt-dim"), { role: "status", "aria-live": "polite" });
    this.previousButton = button("nbt-quiet", "◂", "Context of the previous call", () => options.onStep(-1));
    this.nextButton = button("nbt-quiet", "▸", "Context of the next call", () => options.onStep(1));
    this.body = element("div", "nbt-lens-body");
    const steps = element("span", "nbt-group", this.previousButton, this.nextButton);
    const head = element("div", "nbt-run-panel-head", this.title, this.figures, steps);
    this.element = attributes(element("div", "nbt-run-panel nbt-lens", head, this.body), { role: "group", "aria-label": "Context of a model call" });
    this.element.hidden = true;
    this.shownKey = "";
  }

  toggle() {
    this.element.hidden = !this.element.hidden;
    attributes(this.openButton, { "aria-expanded": !this.element.hidden });
    void this.load();
  }

  /** Show a call, if the panel is open. @param {Slot | undefined} slot */
  select(slot) {
    this.slot = slot;
    this.openButton.hidden = !slot?.call;
    this.openButton.textContent = slot ? `Context of call ${formatCount(slot.number)}` : "Context";
    void this.load();
  }

  async load() {
    const { slot } = this;
    if (this.element.hidden || !slot?.call) return;
    const key = `${slot.number} ${slot.turn.index} ${slot.call.first} ${slot.call.input ?? ""}`;
    if (key === this.shownKey) return;
    this.shownKey = key;
    this.title.textContent = `Context of call ${formatCount(slot.number)}`;
    this.figures.textContent = "Waiting for the kernel …";
    try {
      if (slot.call.empty) throw new Error("Nothing is known of this request: the call has no blocks");
      const lens = await this.options.ask(slot.turn.index, slot.call.first);
      if (this.slot?.number === slot.number) this.draw(lens, slot);
    } catch (error) {
      if (this.slot?.number !== slot.number) return;
      this.figures.textContent = error instanceof Error ? error.message : String(error);
      this.body.replaceChildren();
    }
  }

  /** @param {Lens} lens @param {Slot} slot */
  draw(lens, slot) {
    const total = `${lens.is_counted ? "" : "≈ "}${formatCount(lens.tokens)}${lens.window ? ` of ${formatCount(lens.window)}` : ""} tokens`;
    this.figures.textContent = `${total}, shares estimated${lens.rebilled ? `; ↺\ufe0e ≈ ${formatCount(lens.rebilled)} billed again` : ""}`;
    const goTo = (/** @type {number} */ index) => this.options.onBlock(slot.turn.index, index);
    this.body.replaceChildren(lensStrip(lens, slot.number, goTo), ...differenceLine(lens, slot.number, goTo), lensTable(lens, goTo));
  }
}

/** Create the strip of the blocks in the order of the request. @param {Lens} lens @param {number} number of the call @param {(index: number) => void} goTo */
function lensStrip(lens, number, goTo) {
  const strip = attributes(element("div", "nbt-lens-strip"), { role: "group", "aria-label": `Blocks of the request of call ${number}, in order` });
  let start = 0;
  const names = new Map(lens.largest.map(({ index, name }) => [index, name]));
  for (const [index, count, tokens] of lens.parts) {
    const share = tokens / Math.max(lens.tokens, 1);
    const name = count > 1 ? `#${index} to #${index + count - 1}` : `#${index} ${names.get(index) ?? ""}`.trim();
    const words = `${name}, ≈ ${plural(tokens, "token")}, ${percent(share)}`;
    const part = button(`nbt-lens-part${count > 1 ? " nbt-is-small" : ""}`, share >= LABELED_SHARE ? `${name} ${percent(share)}` : "", "", () => goTo(index));
    part.title = words;
    part.style.flex = `${Math.max(tokens, 1)} 0 0`;
    strip.append(attributes(part, { "aria-label": words }));
  }
  const { differs } = lens;
  if (differs) {
    for (const [index, , tokens] of lens.parts) if (index < differs.index) start += tokens;
    const line = attributes(element("span", "nbt-lens-break"), { "aria-hidden": true });
    line.style.insetInlineStart = `${Math.min(100, (100 * start) / Math.max(lens.tokens, 1))}%`;
    strip.append(line);
  }
  return strip;
}

/** Say where the request differs from the one before. @param {Lens} lens @param {number} number of the call @param {(index: number) => void} goTo @returns {HTMLElement[]} */
function differenceLine({ differs }, number, goTo) {
  if (!differs) return [];
  const jump = button("nbt-link", `#${differs.index}`, "", () => goTo(differs.index));
  attributes(jump, { "aria-label": `Go to block ${differs.index}` });
  const change = differs.text ?? `“${differs.was}” → “${differs.now}”`;
  return [element("div", "nbt-lens-difference", `↺\ufe0e differs from call ${number - 1} at `, jump, ": ", element("bdi", "", change))];
}

/** Create the table of the largest blocks. @param {Lens} lens @param {(index: number) => void} goTo */
function lensTable(lens, goTo) {
  const head = element("tr", "", ...["#", "block", "tokens ≈", "share"].map((text, n) => attributes(element("th", n === 1 ? "" : "nbt-number", text), { scope: "col" })));
  head.append(element("td", "nbt-lens-bar"));
  const largest = Math.max(...lens.largest.map(({ tokens }) => tokens), 1);
  const rows = lens.largest.map(({ index, name, tokens, share }) => {
    const jump = button("nbt-link", String(index), "", () => goTo(index));
    attributes(jump, { "aria-label": `Go to block ${index}` });
    const bar = element("i", "nbt-is-input");
    bar.style.width = `${(100 * tokens) / largest}%`;
    const block = element("td", "nbt-lens-block", name);
    block.title = name;
    return element("tr", "", element("td", "nbt-number", jump), block, element("td", "nbt-number", formatCount(tokens)), element("td", "nbt-number", percent(share)), attributes(element("td", "nbt-lens-bar", bar), { "aria-hidden": true }));
  });
  const [count, tokens] = lens.others;
  if (count) rows.push(element("tr", "", element("td"), element("td", "nbt-lens-block nbt-dim", plural(count, "more block")), element("td", "nbt-number", formatCount(tokens)), element("td", "nbt-number", percent(tokens / Math.max(lens.tokens, 1))), element("td", "nbt-lens-bar")));
  return attributes(element("table", "nbt-lens-table", element("thead", "", head), element("tbody", "", ...rows)), { "aria-label": "Largest blocks of the request" });
}

/** @param {number} share */
function percent(share) {
  return share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`;
}
