// @ts-check
/* The model calls of a Run for the lane and its overview: their figures, their marks and their description. */

import { dollars, duration, formatCount } from "./elements.js";

/**
 * A model call, as created by `render/calls_lane.py`; unknown values are left out. `first` is the index of its first block.
 * @typedef {{first: number, empty?: boolean, input?: number, output?: number, cached?: number, cost?: number, estimated?: boolean, ms?: number,
 *   wait?: number, state?: "failed" | "cut" | "refused", grew?: [number, number], again?: number, differs?: number}} LaneCall
 *
 * A place in the lane: a model call with its number in the Run, from 1; or a Turn without model calls.
 * @typedef {{turn: import("./run_source.js").TurnEntry, call?: LaneCall, number: number}} Slot
 *
 * The mark of a call: its sign, a short text, and its description.
 * @typedef {{sign: string, text: string, words: string, failed?: boolean}} LaneMark
 */

const MARKED_GROWTH = 0.1; // of the height of the lane
const MIN_BILLED_AGAIN = 1000; // tokens
const MIN_WAIT = 30_000; // ms
const MARKED_WAIT = 4; // times the median

/** Return the places of the lane, in order. @param {import("./run_source.js").TurnEntry[]} turns @returns {Slot[]} */
export function laneSlots(turns) {
  /** @type {Slot[]} */
  const slots = [];
  let number = 0;
  for (const turn of turns) {
    for (const call of turn.lane ?? []) slots.push({ turn, call, number: ++number });
    if (!turn.lane?.length) slots.push({ turn, number: 0 });
  }
  return slots;
}

/** Return the tokens of a call, input and output. @param {LaneCall | undefined} call */
export function callTokens(call) {
  return (call?.input ?? 0) + (call?.output ?? 0);
}

/** The scale of a lane, the same for all of its calls. */
export class LaneScale {
  /** @param {Slot[]} slots */
  constructor(slots) {
    const calls = slots.flatMap(({ call }) => (call ? [call] : []));
    this.peak = maximum(calls.map(callTokens));
    this.cost = maximum(calls.map((call) => call.cost ?? 0));
    this.ms = maximum(calls.map((call) => call.ms ?? 0));
    const knownWindow = maximum(slots.map(({ turn }) => turn.window ?? 0));
    this.window = knownWindow >= this.peak ? knownWindow : 0;
    this.tokens = this.window && this.peak > this.window / 4 ? this.window : this.peak; // small Runs are shown against their peak
    const times = calls.flatMap((call) => (call.ms === undefined ? [] : [call.ms])).sort((a, b) => a - b);
    this.medianTime = times[Math.floor(times.length / 2)] ?? 0;
    this.hasCalls = calls.length > 0;
  }

  /** The caption of the height of the token bars. */
  get caption() {
    if (this.window && this.tokens === this.window) return `window ${shortCount(this.window)}`;
    const share = this.window ? `, ${percentText(this.peak / this.window)} of ${shortCount(this.window)}` : "";
    return `peak ${shortCount(this.peak)}${share}`;
  }

  /** Return the most important mark of a call, if any. @param {LaneCall} call @returns {LaneMark | undefined} */
  mark(call) {
    if (call.state === "failed") return { sign: "✗", text: "", words: "failed", failed: true };
    if (call.again && call.again >= Math.max(MIN_BILLED_AGAIN, (call.input ?? 0) / 2)) return { sign: "↺", text: shortCount(call.again), words: `${formatCount(call.again)} tokens billed again` };
    if (call.state) return { sign: "⚠", text: "", words: call.state === "cut" ? "cut off" : "refused" };
    const wait = call.wait ?? call.ms ?? 0;
    if (wait >= MIN_WAIT && wait >= MARKED_WAIT * this.medianTime) return { sign: "⚠", text: duration(wait).replace(/\.\d+ s/, " s"), words: "long wait" };
    if (call.grew && call.grew[0] >= MARKED_GROWTH * this.tokens) return { sign: "▲", text: shortCount(call.grew[0]), words: "grew" };
    return undefined;
  }
}

/** @param {number[]} values */
function maximum(values) {
  return values.reduce((largest, value) => Math.max(largest, value), 0);
}

/** Format a number of tokens in a few characters, like 940, 38.4k or 1.2M. @param {number} count */
export function shortCount(count) {
  if (count < 1000) return String(count);
  const [divisor, unit] = count < 999_500 ? [1000, "k"] : [1_000_000, "M"];
  return `${(count / divisor).toFixed(count / divisor < 99.95 ? 1 : 0).replace(/\.0$/, "")}${unit}`;
}

/** Return the figures of a call in words, one part per figure. @param {Slot} slot @param {LaneScale} scale @param {(turn: number, index: number) => string} nameOf name of a block, "" if unknown */
export function callDescription({ turn, call, number }, scale, nameOf) {
  if (!call) return [`Turn ${turn.index}, no model call`];
  const parts = [`Call ${number}`];
  if (call.input !== undefined) parts.push(`${formatCount(call.input)} tokens in${call.cached === undefined ? "" : `, ${formatCount(call.cached)} from the cache`}`);
  if (call.output !== undefined) parts.push(`${formatCount(call.output)} out`);
  if (call.input === undefined && call.output === undefined) parts.push("tokens unknown");
  if (call.cost !== undefined) parts.push(dollars(call.cost, call.estimated));
  if (call.ms !== undefined) parts.push(duration(call.ms));
  if (call.grew) {
    const [growth, index] = call.grew;
    const name = nameOf(turn.index, index);
    parts.push(`+${formatCount(growth)}, mostly by #${index}${name ? ` ${name}` : ""}`);
  }
  const mark = scale.mark(call);
  if (mark && mark.sign !== "▲") parts.push(mark.words);
  return parts;
}

/** @param {number} share */
function percentText(share) {
  return share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`;
}
