// @ts-check
/* The Turns of a Run along a line: what each added, and bars of what it took. */

import { attributes, counted, duration, element, plural } from "./elements.js";

/**
 * @typedef {import("./run_source.js").TurnEntry} TurnEntry
 * A lane of bars: its name, what is added up in it, from below, and how a value is said.
 * @typedef {{name: string, parts: [string, (turn: TurnEntry) => number | undefined][], said: (value: number) => string}} Lane
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
    said: counted,
  },
  { name: "cost", parts: [["cost", (turn) => turn.cost]], said: dollars },
  { name: "time", parts: [["time", (turn) => turn.ms]], said: duration },
];
const MOST_TURNS = 2000; // Turns drawn; of more, the last
const WIDE = 12; // Turns up to which the line has room for what was asked

/** How a Turn ended, in a sign and in words. @type {Record<string, [string, string]>} */
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
export function dollars(value) {
  return `$${value.toFixed(value && value < 0.01 ? 4 : 3)}`;
}

/** What a Turn did to the one before. @param {TurnEntry} turn */
export function differences(turn) {
  const said = [];
  if (turn.added) said.push(`+${counted(turn.added)}`);
  if (turn.edited) said.push(`~${counted(turn.edited)}`);
  if (turn.moved) said.push(`↕${counted(turn.moved)}`);
  if (turn.removed) said.push(`−${counted(turn.removed)}`);
  return said.join(" ") || "±0";
}

/** @param {TurnEntry} turn */
export function inWords(turn) {
  const said = [plural(turn.blocks, "block")];
  for (const what of /** @type {("added" | "edited" | "moved" | "removed")[]} */ (["added", "edited", "moved", "removed"])) {
    if (turn[what]) said.push(`${counted(turn[what] ?? 0)} ${what}`);
  }
  if (turn.calls) said.push(plural(turn.calls, "model call"));
  if (turn.input !== undefined) said.push(`${counted(turn.input)} → ${counted(turn.output ?? 0)} tokens`);
  if (turn.cached) said.push(`${counted(turn.cached)} from cache`);
  if (turn.cost !== undefined) said.push(dollars(turn.cost));
  if (turn.ms) said.push(duration(turn.ms));
  return said;
}

export class Timeline {
  /** @param {{controls: string, onSelect: (index: number) => void}} options */
  constructor(options) {
    this.options = options;
    this.selected = -1;
    /** @type {TurnEntry[]} */
    this.turns = [];
    this.lanes = LANES;
    this.first = 0;
    this.tabs = attributes(element("div", "nbt-turns"), { role: "tablist", "aria-label": "turns" });
    this.names = element("div", "nbt-lanes");
    this.names.setAttribute("aria-hidden", "true");
    this.element = element("div", "nbt-timeline", this.names, this.tabs);
    this.tabs.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {TurnEntry[]} turns @param {number} selected */
  show(turns, selected) {
    this.turns = turns;
    this.first = Math.max(0, turns.length - MOST_TURNS);
    const shown = turns.slice(this.first);
    this.lanes = LANES.filter((lane) => shown.some((turn) => lane.parts.some(([, of]) => of(turn) !== undefined)));
    const tops = this.lanes.map((lane) => Math.max(...shown.map((turn) => sum(lane, turn)), 0));
    this.names.replaceChildren(
      element("div", "nbt-turn-head", "turn"),
      ...this.lanes.map((lane, n) => element("div", "nbt-lane", element("span", "", lane.name), element("small", "", `≤ ${lane.said(tops[n])}`.replace("≤ <", "<")))),
      element("div", "nbt-turn-foot", "blocks"),
    );
    const focused = this.tabs.contains(document.activeElement);
    this.element.classList.toggle("nbt-wide", shown.length <= WIDE);
    this.tabs.replaceChildren(...shown.map((turn) => this.tab(turn, tops)));
    this.selected = -1;
    this.select(selected, focused);
  }

  /** @param {TurnEntry} turn @param {number[]} tops */
  tab(turn, tops) {
    const [sign, word] = STATES[turn.state] ?? ["", turn.state];
    const head = element("span", "nbt-turn-head", element("b", "", String(turn.index)));
    if (sign) head.append(element("span", `nbt-state nbt-${turn.state}`, ` ${sign}`));
    head.append(element("span", "nbt-asked", turn.title));
    const made = element("button", "nbt-turn", head, ...this.lanes.map((lane, n) => bars(lane, turn, tops[n])), element("span", "nbt-turn-foot", differences(turn)));
    made.type = "button";
    made.title = [`turn ${turn.index}${turn.title ? `: ${turn.title}` : ""}`, inWords(turn).join(" · "), word].filter(Boolean).join("\n");
    attributes(made, { role: "tab", "aria-selected": false, tabindex: -1, "aria-controls": this.options.controls, "data-lm-suppress-shortcuts": true });
    made.setAttribute("aria-label", [`turn ${turn.index}`, word, turn.title, ...inWords(turn)].filter(Boolean).join(", "));
    made.addEventListener("click", () => this.options.onSelect(turn.index));
    return made;
  }

  /** @param {number} index @param {boolean} [focus] */
  select(index, focus = false) {
    const before = this.at(this.selected);
    if (before) attributes(before, { "aria-selected": false, tabindex: -1 });
    this.selected = index;
    const now = this.at(index);
    if (!now) return;
    attributes(now, { "aria-selected": true, tabindex: 0 });
    const { left, right } = this.tabs.getBoundingClientRect();
    const own = now.getBoundingClientRect();
    if (own.left < left) this.tabs.scrollLeft -= left - own.left;
    else if (own.right > right) this.tabs.scrollLeft += own.right - right;
    if (focus) now.focus({ preventScroll: true });
  }

  /** @param {number} index */
  at(index) {
    return /** @type {HTMLElement | undefined} */ (this.tabs.children[index - this.first]);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = getComputedStyle(this.tabs).direction === "rtl" ? -1 : 1;
    const last = this.turns.length - 1;
    /** @type {Record<string, number>} */
    const to = { ArrowRight: this.selected + way, ArrowLeft: this.selected - way, Home: this.first, End: last };
    if (!(event.key in to)) return;
    event.preventDefault();
    this.options.onSelect(Math.max(this.first, Math.min(to[event.key], last)));
    this.at(this.selected)?.focus({ preventScroll: true });
  }
}

/** @param {Lane} lane @param {TurnEntry} turn */
function sum(lane, turn) {
  return lane.parts.reduce((all, [, of]) => all + (of(turn) ?? 0), 0);
}

/** @param {Lane} lane @param {TurnEntry} turn @param {number} top */
function bars(lane, turn, top) {
  const made = element("span", "nbt-lane");
  made.setAttribute("aria-hidden", "true");
  if (lane.parts.every(([, of]) => of(turn) === undefined)) return made;
  for (const [name, of] of lane.parts) {
    const value = of(turn) ?? 0;
    if (!value || !top) continue;
    const bar = element("span", `nbt-amount nbt-is-${name}`);
    bar.style.height = `${Math.max(2, (value / top) * 100)}%`;
    made.prepend(bar);
  }
  made.append(element("span", "nbt-amount-said", lane.said(sum(lane, turn))));
  return made;
}
