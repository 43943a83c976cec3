// @ts-check
/* The head of the view of a Run: its name, how it ended, and its totals. */

import { element, formatCount } from "./elements.js";
import { callTokens, shortCount } from "./lane_calls.js";

/** @typedef {import("./run_source.js").RunSource} RunSource */

/** State of an outcome → its sign. @type {Record<string, string>} */
const OUTCOME_SIGNS = { passed: "✓", failed: "✗", limit: "■" };

/** Return the name of a Run with its outcome, labels and activity. @param {RunSource} run @returns {HTMLElement[]} */
export function runTitle(run) {
  const { outcome } = run;
  const nodes = [element("b", "nbt-run-title", run.name)];
  nodes[0].title = run.name;
  if (run.file) nodes.push(element("span", "nbt-run-file", run.file));
  if (outcome) nodes.push(element("span", `nbt-badge nbt-outcome nbt-is-${outcome.state || "plain"}`, `${OUTCOME_SIGNS[outcome.state] ?? ""} ${outcome.text}`.trim()));
  nodes.push(...run.labels.map((label) => element("span", "nbt-badge nbt-label", `# ${label}`)));
  if (run.activity) nodes.push(element("span", "nbt-badge", run.activity));
  return nodes;
}

/** Return the totals of a Run, each with its number in bold. @param {RunSource} run @returns {HTMLElement[]} */
export function runTotals(run) {
  const parts = run.head ? run.head.split(" · ") : [];
  const sum = (/** @type {"input" | "cached"} */ name) => run.turns.reduce((total, turn) => total + (turn[name] ?? 0), 0);
  if (sum("cached")) parts.push(`${Math.round((100 * sum("cached")) / sum("input"))} % from cache`);
  const peak = run.turns.reduce((largest, { lane }) => (lane ?? []).reduce((tokens, call) => Math.max(tokens, callTokens(call)), largest), 0);
  const contextWindow = Math.max(0, ...run.turns.map((turn) => turn.window ?? 0));
  if (peak && contextWindow >= peak) parts.push(`${shortCount(peak)} of ${shortCount(contextWindow)} context used`);
  return parts.map((part) => {
    const [, number, words] = /** @type {RegExpMatchArray} */ (part.match(/^(\d+ min.*|.*[\d—]\+?)?(.*)$/s));
    return /^\S*[\d$≈≥]/.test(number ?? "") && !/ context used$/.test(part) ? element("span", "", element("b", "", number), words) : element("span", "", part);
  });
}

/** Return the changes of a Turn since the previous one in words. @param {import("./run_source.js").TurnEntry} entry */
export function changeDescription(entry) {
  return /** @type {("edited" | "moved" | "removed" | "added")[]} */ (["edited", "moved", "removed", "added"])
    .flatMap((change) => (entry[change] ? [`${formatCount(entry[change] ?? 0)} ${change}`] : []))
    .join(", ");
}
