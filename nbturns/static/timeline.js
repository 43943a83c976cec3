// @ts-check
/* The timeline of a Run: a tab for each Turn, with its changes and bars for tokens, cost and time. */

import { attributes, formatCount, duration, element, plural } from "./elements.js";

/**
 * @typedef {import("./run_source.js").TurnEntry} TurnEntry
 * A lane of bars: its name, the values stacked in it from the bottom, and the format of a value.
 * @typedef {{name: string, parts: [string, (turn: TurnEntry) => number | undefined][], format: (value: number) => string}} Lane
 */

/** @type {Lane[]} */
const LANES = [
  {
    name: "tokens",
    parts: [
      ["output", (turn) => turn.output],
      ["input", (turn) => (turn.input === undefined ? undefined : turn.input - (turn.cached ?? 0))],
      ["cached", (turn) => turn.cached],
    ],
    format: formatCount,
  },
  { name: "cost", parts: [["cost", (turn) => turn.cost]], format: formatDollars },
  { name: "time", parts: [["time", (turn) => turn.ms]], format: duration },
];
const MAX_TURNS = 2000; // only the last Turns of a longer Run are drawn
const MAX_WIDE_TURNS = 12; // with few Turns, the tabs are wide enough for the prompt

/** State of a Turn → its symbol and word. @type {Record<string, [string, string]>} */
export const STATES = {
  ok: ["", ""],
  cut: ["⚠", "cut"],
  failed: ["✗", "failed"],
  stopped: ["■", "stopped"],
  waiting: ["…", "calls pending"],
  running: ["▶", "running"],
  pausing: ["▶", "pausing"],
  paused: ["❚❚", "paused"],
};

/** @param {number} value USD */
export function formatDollars(value) {
  return `$${value.toFixed(value && value < 0.01 ? 4 : 3)}`;
}

/** Return the changes since the previous Turn, like "+3 ~1". @param {TurnEntry} turn */
export function changeSymbols(turn) {
  const parts = [];
  if (turn.added) parts.push(`+${formatCount(turn.added)}`);
  if (turn.edited) parts.push(`~${formatCount(turn.edited)}`);
  if (turn.moved) parts.push(`↕${formatCount(turn.moved)}`);
  if (turn.removed) parts.push(`−${formatCount(turn.removed)}`);
  return parts.join(" ") || "±0";
}

/** Return the parts of a sentence about a Turn. @param {TurnEntry} turn */
export function summaryParts(turn) {
  const parts = [plural(turn.blocks, "block")];
  for (const change of /** @type {("added" | "edited" | "moved" | "removed")[]} */ (["added", "edited", "moved", "removed"])) {
    if (turn[change]) parts.push(`${formatCount(turn[change] ?? 0)} ${change}`);
  }
  if (turn.calls) parts.push(plural(turn.calls, "model call"));
  if (turn.input !== undefined) parts.push(`${formatCount(turn.input)} → ${formatCount(turn.output ?? 0)} tokens`);
  if (turn.cached) parts.push(`${formatCount(turn.cached)} from cache`);
  if (turn.cost !== undefined) parts.push(formatDollars(turn.cost));
  if (turn.ms) parts.push(duration(turn.ms));
  return parts;
}

export class Timeline {
  /** @param {{controls: string, onSelect: (index: number) => void}} options */
  constructor(options) {
    this.options = options;
    this.selected = -1;
    /** @type {TurnEntry[]} */
    this.turns = [];
    this.lanes = LANES;
    this.firstIndex = 0;
    this.tabs = attributes(element("div", "nbt-turns"), { role: "tablist", "aria-label": "Turns" });
    this.laneNames = element("div", "nbt-lanes");
    this.laneNames.setAttribute("aria-hidden", "true");
    this.element = element("div", "nbt-timeline", this.laneNames, this.tabs);
    this.tabs.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** @param {TurnEntry[]} turns @param {number} selected */
  show(turns, selected) {
    this.turns = turns;
    this.firstIndex = Math.max(0, turns.length - MAX_TURNS);
    const displayedTurns = turns.slice(this.firstIndex);
    this.lanes = LANES.filter((lane) => displayedTurns.some((turn) => lane.parts.some(([, valueOf]) => valueOf(turn) !== undefined)));
    const maximums = this.lanes.map((lane) => Math.max(...displayedTurns.map((turn) => laneTotal(lane, turn)), 0));
    this.laneNames.replaceChildren(
      element("div", "nbt-turn-head", "turn"),
      ...this.lanes.map((lane, n) => element("div", "nbt-lane", element("span", "", lane.name), element("small", "", `≤ ${lane.format(maximums[n])}`.replace("≤ <", "<")))),
      element("div", "nbt-turn-foot", "blocks"),
    );
    const focused = this.tabs.contains(document.activeElement);
    this.element.classList.toggle("nbt-wide", displayedTurns.length <= MAX_WIDE_TURNS);
    this.tabs.replaceChildren(...displayedTurns.map((turn) => this.tab(turn, maximums)));
    this.selected = -1;
    this.select(selected, focused);
  }

  /** @param {TurnEntry} turn @param {number[]} maximums */
  tab(turn, maximums) {
    const [symbol, word] = STATES[turn.state] ?? ["", turn.state];
    const head = element("span", "nbt-turn-head", element("b", "", String(turn.index)));
    if (symbol) head.append(element("span", `nbt-status-text nbt-${turn.state}`, ` ${symbol}`));
    head.append(element("span", "nbt-turn-title", turn.title));
    const result = element("button", "nbt-turn", head, ...this.lanes.map((lane, n) => bars(lane, turn, maximums[n])), element("span", "nbt-turn-foot", changeSymbols(turn)));
    result.type = "button";
    result.title = [`Turn ${turn.index}${turn.title ? `: ${turn.title}` : ""}`, summaryParts(turn).join(" · "), word].filter(Boolean).join("\n");
    attributes(result, { role: "tab", "aria-selected": false, tabindex: -1, "aria-controls": this.options.controls, "data-lm-suppress-shortcuts": true });
    result.setAttribute("aria-label", [`Turn ${turn.index}`, word, turn.title, ...summaryParts(turn)].filter(Boolean).join(", "));
    result.addEventListener("click", () => this.options.onSelect(turn.index));
    return result;
  }

  /** @param {number} index @param {boolean} [focus] */
  select(index, focus = false) {
    const oldTab = this.tabAt(this.selected);
    if (oldTab) attributes(oldTab, { "aria-selected": false, tabindex: -1 });
    this.selected = index;
    const newTab = this.tabAt(index);
    if (!newTab) return;
    attributes(newTab, { "aria-selected": true, tabindex: 0 });
    const { left, right } = this.tabs.getBoundingClientRect();
    const tabBox = newTab.getBoundingClientRect();
    if (tabBox.left < left) this.tabs.scrollLeft -= left - tabBox.left;
    else if (tabBox.right > right) this.tabs.scrollLeft += tabBox.right - right;
    if (focus) newTab.focus({ preventScroll: true });
  }

  /** @param {number} index */
  tabAt(index) {
    return /** @type {HTMLElement | undefined} */ (this.tabs.children[index - this.firstIndex]);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const direction = getComputedStyle(this.tabs).direction === "rtl" ? -1 : 1;
    const last = this.turns.length - 1;
    /** @type {Record<string, number>} */
    const targets = { ArrowRight: this.selected + direction, ArrowLeft: this.selected - direction, Home: this.firstIndex, End: last };
    if (!(event.key in targets)) return;
    event.preventDefault();
    this.options.onSelect(Math.max(this.firstIndex, Math.min(targets[event.key], last)));
    this.tabAt(this.selected)?.focus({ preventScroll: true });
  }
}

/** @param {Lane} lane @param {TurnEntry} turn */
function laneTotal(lane, turn) {
  return lane.parts.reduce((total, [, valueOf]) => total + (valueOf(turn) ?? 0), 0);
}

/** @param {Lane} lane @param {TurnEntry} turn @param {number} maximum */
function bars(lane, turn, maximum) {
  const result = element("span", "nbt-lane");
  result.setAttribute("aria-hidden", "true");
  if (lane.parts.every(([, valueOf]) => valueOf(turn) === undefined)) return result;
  for (const [name, valueOf] of lane.parts) {
    const value = valueOf(turn) ?? 0;
    if (!value || !maximum) continue;
    const bar = element("span", `nbt-amount nbt-is-${name}`);
    bar.style.height = `${Math.max(2, (value / maximum) * 100)}%`;
    result.prepend(bar);
  }
  result.append(element("span", "nbt-amount-label", lane.format(laneTotal(lane, turn))));
  return result;
}
