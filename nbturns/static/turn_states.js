// @ts-check
/* The state and the totals of a Turn in words. */

import { formatCount, plural } from "./elements.js";

/** @typedef {import("./run_source.js").TurnEntry} TurnEntry */

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

/** Return the parts of a sentence about a Turn. @param {TurnEntry} turn */
export function summaryParts(turn) {
  const parts = [plural(turn.blocks, "block")];
  for (const change of /** @type {("added" | "edited" | "moved" | "removed")[]} */ (["added", "edited", "moved", "removed"])) {
    if (turn[change]) parts.push(`${formatCount(turn[change] ?? 0)} ${change}`);
  }
  parts.push(...(turn.phrases ?? []));
  if (turn.cached) parts.push(`${formatCount(turn.cached)} from cache`);
  return parts;
}
