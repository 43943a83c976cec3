// @ts-check
/* The columns of a block table, and the kinds of blocks in words. */

/** Header, name and width of each column. Columns with `call` have the figures of a model call; `second` ones stand on the second line of a narrow view. */
export const COLUMNS = {
  number: { title: "#", name: "number", width: "2.6em", call: false, second: false },
  kind: { title: "kind", name: "kind", width: "7.2em", call: false, second: false },
  role: { title: "role", name: "role", width: "5.6em", call: false, second: false },
  content: { title: "content", name: "content", width: "minmax(0, 1fr)", call: false, second: false },
  provider: { title: "provider", name: "provider", width: "7em", call: true, second: true },
  model: { title: "model", name: "model", width: "10em", call: true, second: true },
  stop: { title: "stop", name: "stop reason", width: "6em", call: true, second: true },
  finish: { title: "finish", name: "finish class", width: "9.5em", call: true, second: true },
  tokens: { title: "tokens in → out", name: "tokens in and out", width: "9.6em", call: true, second: false },
  cached: { title: "cached", name: "tokens from the cache", width: "5.2em", call: true, second: true },
  reasoning: { title: "reasoning", name: "tokens of reasoning", width: "5.6em", call: true, second: true },
  cost: { title: "cost", name: "cost in USD", width: "6.6em", call: true, second: true },
  first: { title: "first token", name: "time to the first token", width: "6em", call: true, second: true },
  time: { title: "time", name: "duration", width: "5.6em", call: true, second: false },
};

/** @typedef {keyof typeof COLUMNS} Column */

export const DEFAULT_COLUMNS = ["number", "kind", "content", "model", "stop", "tokens", "cost", "time"];

/** Equal to the icons in block_rows.py. @type {Record<string, string>} */
const ICONS = { system: "§", user: "›", llm_text: "¶", tool_call: "ƒ", tool_use: "↳", reasoning: "∴" };
const OTHER_ICON = "◇";

/** Kinds whose word differs from the name of the API. @type {Record<string, string>} */
const KIND_WORDS = { llm_text: "text", tool_call: "call", tool_use: "result" };

/** Return the kind as a part of a CSS class; "other" for unknown kinds. @param {string} kind */
export function kindClass(kind) {
  return Object.hasOwn(ICONS, kind) ? kind : "other";
}

/** Return the icon of a kind. @param {string} kind */
export function kindIcon(kind) {
  return Object.hasOwn(ICONS, kind) ? ICONS[kind] : OTHER_ICON;
}

/** Return the word for a kind. @param {string} kind */
export function kindWord(kind) {
  return Object.hasOwn(KIND_WORDS, kind) ? KIND_WORDS[kind] : kind;
}

/** Return the columns in the order in which they are displayed: the time of a call is always last. @param {string[]} names @returns {Column[]} */
export function orderedColumns(names) {
  const known = /** @type {Column[]} */ ([...new Set(names)].filter((name) => Object.hasOwn(COLUMNS, name)));
  const leading = /** @type {Column[]} */ (["number", "kind", "role"]).filter((name) => known.includes(name));
  const figures = known.filter((name) => COLUMNS[name].call && name !== "time");
  return [...leading, "content", ...figures, ...(known.includes("time") ? /** @type {Column[]} */ (["time"]) : [])];
}

/**
 * Return the grid columns of a row in a wide, a medium and a narrow view; each begins at a line of its name.
 * @param {Column[]} columns @param {number} digits of the highest number @param {boolean} hasLinks
 */
export function gridTemplates(columns, digits, hasLinks) {
  const track = (/** @type {string} */ name, /** @type {string} */ width) => `[c-${name}] ${width}`;
  const link = hasLinks ? [track("link", `max(3.4em, ${digits + 3}ch)`)] : ["[c-link] 0"];
  const leading = columns.filter((name) => name !== "content" && !COLUMNS[name].call).map((name) => track(name, name === "number" ? `max(${COLUMNS.number.width}, ${digits}ch + 14px)` : COLUMNS[name].width));
  const figures = columns.filter((name) => COLUMNS[name].call);
  const content = track("content", COLUMNS.content.width);
  const rest = (/** @type {Column[]} */ shown) => [...shown.map((name, n) => track(n ? name : `${name} c-figures`, COLUMNS[name].width)), shown.length ? "[c-end]" : "[c-figures c-end]"];
  const wide = [...leading, ...link, content, ...rest(figures)];
  const medium = [...leading, ...link, content, ...rest(figures.filter((name) => !COLUMNS[name].second))];
  const narrow = [track("number", `max(26px, ${digits}ch + 8px)`), track("kind", "20px"), content, hasLinks ? track("link", `max(44px, ${digits + 3}ch)`) : "[c-link] 4px", "[c-end]"];
  return { wide: wide.join(" "), medium: medium.join(" "), narrow: narrow.join(" ") };
}

/** Columns of a model call → whether a call has a value there. @type {Record<string, (call: import("./row_source.js").Call) => boolean>} */
const HAS_VALUE = {
  provider: (call) => !!call.provider,
  model: (call) => !!(call.model || call.provider),
  stop: (call) => !!call.stop || !["unknown", "completed"].includes(call.finish),
  finish: (call) => call.finish !== "unknown",
  tokens: (call) => call.input !== undefined,
  cached: (call) => !!call.cached,
  reasoning: (call) => !!call.reasoning,
  cost: (call) => call.cost !== undefined,
  first: (call) => call.first !== undefined,
  time: (call) => call.ms !== undefined,
};

/** Add the columns in which these calls have values to a set; return whether it grew. @param {Set<string>} used @param {Iterable<import("./row_source.js").Call>} calls */
export function addUsedColumns(used, calls) {
  const size = used.size;
  for (const call of calls) {
    if (used.size === Object.keys(HAS_VALUE).length) break;
    for (const [name, hasValue] of Object.entries(HAS_VALUE)) if (!used.has(name) && hasValue(call)) used.add(name);
  }
  return used.size > size;
}
