// @ts-check
/* The kinds of problems: a sign, a word and the rule by which each is found. */

/**
 * A problem, as created by `frames/problem_entries.py`; one of a whole Turn has no `index`.
 * @typedef {{kind: string, turn: number, index?: number, message: string}} Problem
 *
 * The rules: patterns of a result that looks failed, and limits.
 * @typedef {{patterns: string[], repeats: number, gap_seconds: number, near_limit: number}} ProblemRules
 *
 * @typedef {{failed: boolean, word: string, rule: string}} ProblemKind
 */

/** @type {Record<string, ProblemKind>} */
export const PROBLEM_KINDS = {
  tool_error: { failed: true, word: "tool error", rule: "A tool reported an error, or was interrupted" },
  failed_result: { failed: true, word: "failed result", rule: "A result looks failed" },
  model_error: { failed: true, word: "model error", rule: "A model call failed" },
  run_error: { failed: true, word: "run error", rule: "An error or a limit ended the Run" },
  unanswered_call: { failed: false, word: "no result", rule: "A call has no result" },
  invalid_arguments: { failed: false, word: "arguments", rule: "The arguments of a call are not a JSON object" },
  repeated_call: { failed: false, word: "repeated", rule: "The same call had the same result" },
  truncated: { failed: false, word: "cut off", rule: "A reply was cut off at the token limit" },
  refused: { failed: false, word: "refused", rule: "The model refused, or a filter stopped it" },
  context_near_limit: { failed: false, word: "context", rule: "The context was nearly full" },
  long_gap: { failed: false, word: "long gap", rule: "Nothing happened for a long time" },
};

/** Return the kind of a problem; unknown kinds are shown by their name. @param {string} kind @returns {ProblemKind} */
export function problemKind(kind) {
  return Object.hasOwn(PROBLEM_KINDS, kind) ? PROBLEM_KINDS[kind] : { failed: false, word: kind.replaceAll("_", " "), rule: kind };
}

/** Return the sign of a problem. @param {Problem} problem */
export function problemSign(problem) {
  return problemKind(problem.kind).failed ? "✗\ufe0e" : "⚠\ufe0e";
}
