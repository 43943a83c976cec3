// @ts-check
/* Display a JSON value as a tree of names and values, with long parts folded. */

import { NO_SHORTCUTS, formatCount, element, markedNodes, plural, visible } from "./elements.js";

const MAX_LINE_LENGTH = 72; // characters of a value on one line
const MAX_WORD_LENGTH = 40; // characters of a string in an inline list
const MAX_INLINE_LIST = 4000; // characters of a list of numbers and words without a line per item
const MAX_MEMBERS = 200; // displayed members of an object or list, until the reader asks for all
const OPEN_LEVELS = 2; // levels that are open at first

/** Parse a text that is a JSON object or list; undefined for any other text. @param {string | undefined} text */
export function parseJson(text) {
  if (!text || !/^[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {unknown} value @param {string} search text to mark, in lower case */
export function jsonTree(value, search) {
  const tree = element("div", "nbt-tree");
  tree.append(...members(value, search, 0));
  return tree;
}

/** @param {unknown} value @param {string} search @param {number} depth @returns {HTMLElement[]} */
function members(value, search, depth) {
  if (value === null || typeof value !== "object" || isInlineList(value)) return [valueElement(value, search)];
  const entries = Array.isArray(value) ? value.map((item, n) => [String(n), item]) : Object.entries(value);
  /** @type {HTMLElement[]} */
  const elements = entries.slice(0, MAX_MEMBERS).map(([name, item]) => member(name, item, search, depth));
  if (entries.length > MAX_MEMBERS) {
    const moreButton = element("button", "nbt-control nbt-more", `${formatCount(entries.length - MAX_MEMBERS)} more`);
    moreButton.type = "button";
    moreButton.dataset[NO_SHORTCUTS] = "true";
    moreButton.addEventListener("click", () => moreButton.replaceWith(...entries.slice(MAX_MEMBERS).map(([name, item]) => member(name, item, search, depth))));
    elements.push(moreButton);
  }
  return elements.length ? elements : [valueElement(value, search)];
}

/** @param {string} name @param {unknown} value @param {string} search @param {number} depth @returns {HTMLElement} */
function member(name, value, search, depth) {
  const key = element("span", "nbt-key", ...markedNodes(visible(name), search), ": ");
  if (value === null || typeof value !== "object" || JSON.stringify(value).length <= MAX_LINE_LENGTH || isInlineList(value)) return element("div", "", key, valueElement(value, search));
  const size = Array.isArray(value) ? plural(value.length, "item") : plural(Object.keys(value).length, "name");
  const summary = element("summary", "", key, element("span", "nbt-dim", size));
  summary.dataset[NO_SHORTCUTS] = "true";
  const details = element("details", "", summary);
  const fill = () => {
    if (details.open && details.childElementCount === 1) details.append(element("div", "nbt-members", ...members(value, search, depth + 1)));
  };
  details.addEventListener("toggle", fill);
  details.open = depth < OPEN_LEVELS;
  fill();
  return details;
}

/** Return whether a value is a list of numbers and words, which is readable without a line per item. @param {object} value */
function isInlineList(value) {
  if (!Array.isArray(value) || !value.length || value.length > MAX_INLINE_LIST / 3) return false;
  const isWord = (/** @type {unknown} */ item) => (typeof item === "string" ? item.length <= MAX_WORD_LENGTH : item === null || typeof item !== "object");
  return value.every(isWord) && JSON.stringify(value).length <= MAX_INLINE_LIST;
}

/** Format JSON on one line, with a space after commas and colons. @param {unknown} value @returns {string} */
function inlineJson(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inlineJson).join(", ")}]`;
  return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${inlineJson(item)}`).join(", ")}}`;
}

/** @param {unknown} value @param {string} search */
function valueElement(value, search) {
  const text = typeof value === "string" ? value : inlineJson(value);
  const kind = typeof value === "string" ? "text" : value === null || typeof value !== "object" ? "plain" : "data";
  return element("span", `nbt-value nbt-is-${kind}`, ...markedNodes(visible(text), search));
}
