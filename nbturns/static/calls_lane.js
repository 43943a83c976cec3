// @ts-check
/* The lane of a Run: a heading for each Turn, and for each model call bars of its tokens, cost and time. */

import { CallsOverview } from "./calls_overview.js";
import { attributes, duration, element } from "./elements.js";
import { LaneScale, callDescription, laneSlots } from "./lane_calls.js";
import { STATES, formatDollars, summaryParts } from "./turn_states.js";

/**
 * @typedef {import("./run_source.js").TurnEntry} TurnEntry
 * @typedef {import("./lane_calls.js").Slot} Slot
 */

const MAX_SLOTS = 64; // model calls drawn at once; an overview chooses those of a longer Run
const MAX_NUMBERED = 24; // with more calls, only every fourth has its number
const TOKEN_HEIGHT = 66; // px
const SMALL_TOKEN_HEIGHT = 30; // px, below an overview
const BAR_HEIGHT = 12; // px of a bar of cost or time
const SMALL_BAR_HEIGHT = 8;
const NUMBER_HEIGHT = 19; // px
const HEADING_HEIGHT = 20; // px
const MARK_HEIGHT = 14; // px

export class CallsLane {
  /** @param {{controls: string, onTurn: (index: number) => void, onCall: (slot: Slot) => void, onSelect: (slot: Slot | undefined) => void, nameOf: (turn: number, index: number) => string}} options */
  constructor(options) {
    this.options = options;
    /** @type {TurnEntry[]} */
    this.turns = [];
    /** @type {Slot[]} */
    this.slots = [];
    this.scale = new LaneScale([]);
    this.from = 0; // first displayed slot
    this.selectedTurn = -1;
    this.selected = -1; // slot of the selected call
    this.axis = attributes(element("div", "nbt-axis"), { "aria-hidden": true });
    this.tabs = attributes(element("div", "nbt-turns"), { role: "tablist", "aria-label": "Turns" });
    this.bars = attributes(element("div", "nbt-call-bars"), { role: "group", "aria-label": "Model calls" });
    this.tip = attributes(element("div", "nbt-lane-tip"), { "aria-hidden": true });
    this.plot = element("div", "nbt-plot", this.bars, this.tabs, this.tip);
    this.lane = element("div", "nbt-lane", this.axis, this.plot);
    this.overview = new CallsOverview((from) => this.moveTo(from));
    this.legend = laneLegend();
    this.element = element("div", "nbt-calls-lane", this.overview.element, this.lane, this.legend);
    this.tabs.addEventListener("keydown", (event) => this.onTabKey(event));
    this.bars.addEventListener("keydown", (event) => this.onBarKey(event));
    this.bars.addEventListener("click", (event) => this.onClick(event));
    for (const type of ["pointerover", "focusin"]) this.bars.addEventListener(type, (event) => this.showTip(event));
    for (const type of ["pointerleave", "focusout"]) this.bars.addEventListener(type, () => (this.tip.hidden = true));
    this.tip.hidden = true;
  }

  /** @param {TurnEntry[]} turns @param {number} selectedTurn */
  show(turns, selectedTurn) {
    this.turns = turns;
    this.slots = laneSlots(turns);
    this.scale = new LaneScale(this.slots);
    this.selectedTurn = selectedTurn;
    if (!this.slots[this.selected]?.call) this.selected = this.slots.findIndex(({ turn, call }) => call && turn.index === selectedTurn);
    this.overview.show(this.slots, this.scale, MAX_SLOTS);
    const selectedSlot = this.slotOfTurn(selectedTurn);
    this.from = Math.max(0, Math.min(this.from, this.slots.length - MAX_SLOTS));
    if (selectedSlot < this.from || selectedSlot >= this.from + MAX_SLOTS) this.from = this.startFor(selectedSlot);
    this.draw();
  }

  /** The displayed slots. */
  get shown() {
    return this.slots.slice(this.from, this.from + MAX_SLOTS);
  }

  /** Return the first slot of a Turn. @param {number} index */
  slotOfTurn(index) {
    return this.slots.findIndex(({ turn }) => turn.index === index);
  }

  /** Return the start at which a slot is displayed a quarter from the left. @param {number} slot */
  startFor(slot) {
    return Math.max(0, Math.min(slot - MAX_SLOTS / 4, this.slots.length - MAX_SLOTS));
  }

  /** Display the calls from a slot on. @param {number} from */
  moveTo(from) {
    if (from === this.from) return;
    this.from = from;
    this.draw();
  }

  // Drawing.

  draw() {
    const focusedTab = this.tabs.contains(document.activeElement);
    const focusedBar = this.bars.contains(document.activeElement);
    const { shown, scale } = this;
    const hasTokens = scale.peak > 0;
    this.tokenHeight = !hasTokens ? 0 : this.overview.isShown ? SMALL_TOKEN_HEIGHT : TOKEN_HEIGHT;
    this.barHeight = this.overview.isShown ? SMALL_BAR_HEIGHT : BAR_HEIGHT;
    this.timeBottom = NUMBER_HEIGHT;
    this.costBottom = this.timeBottom + (scale.ms ? this.barHeight + 2 : 0);
    this.tokenBottom = this.costBottom + (scale.cost ? this.barHeight + 2 : 0) + 1;
    const height = HEADING_HEIGHT + (scale.hasCalls ? this.tokenBottom + this.tokenHeight + (this.overview.isShown || !hasTokens ? MARK_HEIGHT : 5) : 2);
    this.plot.style.height = `${height}px`;
    this.lane.classList.toggle("nbt-dense", shown.length > MAX_NUMBERED);
    this.lane.classList.toggle("nbt-long-numbers", this.slots.length > 99 && shown.length > 12);
    this.legend.classList.toggle("nbt-no-tokens", !hasTokens);
    this.overview.move(this.from);
    this.drawAxis(height);
    this.tabs.replaceChildren(...this.headings());
    const windowLine = hasTokens && scale.tokens === scale.window ? [attributes(element("span", "nbt-window-line"), { "aria-hidden": true })] : [];
    for (const line of windowLine) line.style.bottom = `${this.tokenBottom + this.tokenHeight}px`;
    this.bars.replaceChildren(...windowLine, ...shown.flatMap((slot, n) => (slot.call ? [this.bar(slot, n)] : [])));
    this.bars.hidden = !scale.hasCalls;
    this.markSelected();
    if (focusedTab) this.tabOf(this.selectedTurn)?.focus({ preventScroll: true });
    if (focusedBar) this.barAt(this.selected)?.focus({ preventScroll: true });
  }

  /** @param {number} height */
  drawAxis(height) {
    const { scale } = this;
    const caption = (/** @type {number} */ top, /** @type {(Node | string)[]} */ ...content) => {
      const line = element("span", "", ...content);
      line.style.top = `${top}px`;
      return line;
    };
    const lines = [caption(3, "turn")];
    if (scale.peak) {
      const top = HEADING_HEIGHT - 3;
      lines.push(caption(top, scale.caption));
      if (!this.overview.isShown) lines.push(...[["output", "output"], ["input", "fresh"], ["cached", "from cache"]].map(([name, text], n) => caption(top + 20 + 15 * n, legendKey(name), text)));
    }
    const { barHeight = BAR_HEIGHT } = this;
    const captionTop = (/** @type {number | undefined} */ bottom) => height - (bottom ?? 0) - (barHeight + 15) / 2;
    if (scale.cost) lines.push(caption(captionTop(this.costBottom), `cost ≤ ${formatDollars(scale.cost)}`));
    if (scale.ms) lines.push(caption(captionTop(this.timeBottom), `time ≤ ${duration(scale.ms)}`));
    if (scale.hasCalls) lines.push(caption(height - 17, "call"));
    this.axis.replaceChildren(...lines);
  }

  /** @returns {HTMLElement[]} */
  headings() {
    const { shown } = this;
    /** @type {HTMLElement[]} */
    const tabs = [];
    for (let n = 0; n < shown.length; ) {
      const { turn } = shown[n];
      let end = n + 1;
      while (end < shown.length && shown[end].turn === turn) end++;
      const tab = this.heading(turn);
      tab.style.insetInlineStart = `${(100 * n) / shown.length}%`;
      tab.style.width = `${(100 * (end - n)) / shown.length}%`;
      tabs.push(tab);
      n = end;
    }
    return tabs;
  }

  /** @param {TurnEntry} turn */
  heading(turn) {
    const [symbol, word] = STATES[turn.state] ?? ["", turn.state];
    const tab = element("button", "nbt-turn", element("b", "", String(turn.index)));
    if (symbol) tab.append(element("span", `nbt-status-text nbt-${turn.state}`, ` ${symbol}`));
    tab.append(element("span", "nbt-turn-title", turn.title));
    tab.type = "button";
    tab.dataset.turn = String(turn.index);
    tab.title = [`Turn ${turn.index}${turn.title ? `: ${turn.title}` : ""}`, summaryParts(turn).join(" · "), word].filter(Boolean).join("\n");
    attributes(tab, { role: "tab", "aria-controls": this.options.controls, "data-lm-suppress-shortcuts": true });
    tab.setAttribute("aria-label", [`Turn ${turn.index}`, word, turn.title, ...summaryParts(turn)].filter(Boolean).join(", "));
    tab.addEventListener("click", () => this.options.onTurn(turn.index));
    return tab;
  }

  /** Create the bars of a call. @param {Slot} slot @param {number} n its place among the displayed ones */
  bar(slot, n) {
    const { scale, shown } = this;
    const call = /** @type {import("./lane_calls.js").LaneCall} */ (slot.call);
    const { tokenHeight = 0, tokenBottom = 0, barHeight = BAR_HEIGHT } = this;
    const result = element("button", "nbt-call-bar");
    result.type = "button";
    result.style.insetInlineStart = `${(100 * n) / shown.length}%`;
    result.style.width = `${100 / shown.length}%`;
    let bottom = tokenBottom;
    const fresh = (call.input ?? 0) - (call.cached ?? 0);
    for (const [name, value] of /** @type {[string, number][]} */ ([["cached", call.cached ?? 0], ["input", fresh], ["output", call.output ?? 0]])) {
      if (!(value > 0) || !scale.tokens) continue;
      const height = Math.max(name === "output" ? 2 : 1, (value / scale.tokens) * tokenHeight);
      result.append(amount(name, bottom, height));
      bottom += height;
    }
    if (call.cost) result.append(amount("cost", this.costBottom ?? 0, Math.max(1, (call.cost / scale.cost) * barHeight)));
    if (call.ms) result.append(amount("time", this.timeBottom ?? 0, Math.max(1, (call.ms / scale.ms) * barHeight)));
    const mark = scale.mark(call);
    if (mark) {
      const sign = element("span", `nbt-lane-mark${mark.failed ? " nbt-is-failed" : ""}`, `${mark.sign}\ufe0e`, ...(mark.text ? [element("span", "nbt-mark-text", ` ${mark.text}`)] : []));
      sign.style.bottom = `${Math.min(bottom + 1, tokenBottom + tokenHeight)}px`;
      result.append(sign);
    }
    const isFourth = slot.number % 4 === 0;
    if (isFourth || shown.length <= MAX_NUMBERED) result.append(element("span", `nbt-call-number${isFourth ? " nbt-fourth" : ""}`, String(slot.number)));
    result.dataset.slot = String(this.from + n);
    return attributes(result, { "aria-label": callDescription(slot, scale, this.options.nameOf).join(", "), tabindex: -1, "data-lm-suppress-shortcuts": true });
  }

  markSelected() {
    this.options.onSelect(this.slots[this.selected]);
    for (const tab of /** @type {Iterable<HTMLElement>} */ (this.tabs.children)) {
      const isSelected = Number(tab.dataset.turn) === this.selectedTurn;
      attributes(tab, { "aria-selected": isSelected, tabindex: isSelected ? 0 : -1 });
    }
    let hasStop = false;
    for (const bar of /** @type {Iterable<HTMLElement>} */ (this.bars.querySelectorAll("button"))) {
      const isSelected = Number(bar.dataset.slot) === this.selected;
      hasStop ||= isSelected;
      attributes(bar, { "aria-current": isSelected ? "true" : undefined, tabindex: isSelected ? 0 : -1 });
    }
    const firstBar = this.bars.querySelector("button");
    if (!hasStop && firstBar) firstBar.tabIndex = 0;
    const firstTab = /** @type {HTMLElement | null} */ (this.tabs.firstElementChild);
    if (firstTab && !this.tabOf(this.selectedTurn)) firstTab.tabIndex = 0;
  }

  /** Mark a Turn as displayed, and move to it. @param {number} index */
  selectTurn(index) {
    this.selectedTurn = index;
    const slot = this.slotOfTurn(index);
    const lastSlot = this.slots.findLastIndex(({ turn }) => turn.index === index);
    if (this.slots[this.selected]?.turn.index !== index && this.slots[slot]?.call) this.selected = slot;
    if (lastSlot < this.from || slot >= this.from + MAX_SLOTS) this.from = this.startFor(slot);
    this.draw();
  }

  /** Mark a call as selected, and move to it. @param {number} slot */
  selectSlot(slot) {
    if (slot === this.selected || !this.slots[slot]?.call) return;
    this.selected = slot;
    if (slot < this.from || slot >= this.from + MAX_SLOTS) {
      this.from = this.startFor(slot);
      this.draw();
    } else this.markSelected();
  }

  /** Return the slot of the call that a block belongs to, or the last call before it; before the first call of a Turn, the first. @param {number} turn @param {number} index of the block */
  slotOfBlock(turn, index) {
    const slot = this.slots.findLastIndex((slot) => slot.call && slot.turn.index === turn && slot.call.first <= index);
    const first = this.slots.findIndex((slot) => slot.call && slot.turn.index === turn);
    return slot >= 0 ? slot : first >= 0 ? first : this.slots.findLastIndex((slot) => slot.call && slot.turn.index < turn);
  }

  /** @param {number} index */
  tabOf(index) {
    return /** @type {HTMLElement | null} */ (this.tabs.querySelector(`[data-turn="${index}"]`));
  }

  /** @param {number} slot */
  barAt(slot) {
    return /** @type {HTMLElement | null} */ (this.bars.querySelector(`[data-slot="${slot}"]`));
  }

  // Actions of the reader.

  /** @param {Event} event */
  showTip(event) {
    const bar = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest(".nbt-call-bar"));
    const slot = bar && this.slots[Number(bar.dataset.slot)];
    this.tip.hidden = !slot;
    if (!slot || !bar) return;
    this.tip.textContent = callDescription(slot, this.scale, this.options.nameOf).join(" · ");
    const isLate = bar.offsetLeft > this.plot.clientWidth / 2;
    this.tip.style.left = isLate ? "" : `${bar.offsetLeft}px`;
    this.tip.style.right = isLate ? `${this.plot.clientWidth - bar.offsetLeft - bar.offsetWidth}px` : "";
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const bar = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest(".nbt-call-bar"));
    if (bar) this.press(Number(bar.dataset.slot));
  }

  /** Select a call as the reader does. @param {number} slot */
  press(slot) {
    if (!this.slots[slot]?.call) return;
    this.selectSlot(slot);
    this.options.onCall(this.slots[slot]);
  }

  /** Select the next or the previous call as the reader does. @param {1 | -1} offset */
  step(offset) {
    let slot = this.selected + offset;
    while (this.slots[slot] && !this.slots[slot].call) slot += offset;
    this.press(slot);
  }

  /** @param {KeyboardEvent} event */
  onBarKey(event) {
    const calls = this.slots.flatMap(({ call }, slot) => (call ? [slot] : []));
    const place = calls.indexOf(this.selected);
    const target = arrowTarget(event, this.bars, place, 0, calls.length - 1);
    if (target === undefined) return;
    this.press(calls[target]);
    this.barAt(calls[target])?.focus({ preventScroll: true });
  }

  /** @param {KeyboardEvent} event */
  onTabKey(event) {
    const target = arrowTarget(event, this.tabs, this.selectedTurn, 0, this.turns.length - 1);
    if (target === undefined) return;
    this.options.onTurn(target);
    this.tabOf(target)?.focus({ preventScroll: true });
  }
}

/** Return the place that an arrow key, Home or End leads to. @param {KeyboardEvent} event @param {HTMLElement} container @param {number} place @param {number} first @param {number} last */
export function arrowTarget(event, container, place, first, last) {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const direction = getComputedStyle(container).direction === "rtl" ? -1 : 1;
  /** @type {Record<string, number>} */
  const targets = { ArrowRight: place + direction, ArrowLeft: place - direction, Home: first, End: last };
  if (!Object.hasOwn(targets, event.key)) return undefined;
  event.preventDefault();
  return Math.max(first, Math.min(targets[event.key], last));
}

/** @param {string} name @param {number} bottom px @param {number} height px */
function amount(name, bottom, height) {
  const bar = element("span", `nbt-amount nbt-is-${name}`);
  bar.style.bottom = `${bottom}px`;
  bar.style.height = `${height}px`;
  return bar;
}

/** @param {string} name */
function legendKey(name) {
  return element("i", `nbt-legend-key nbt-is-${name}`);
}

/** Create the legend that narrow views show below the lane. */
function laneLegend() {
  const keys = [["input", "fresh"], ["cached", "from cache"], ["output", "output"], ["window", "context window"]].map(([name, text]) => element("span", "nbt-token-key", legendKey(name), text));
  const marks = ["▲ grew most", "↺ billed again", "✗ failed", "⚠ look here"].map((text) => element("span", "", text));
  return element("div", "nbt-legend", ...keys, ...marks);
}
