// @ts-check
/* Display a JSON value as a tree of names and values, with long parts folded. */

import { NO_SHORTCUTS, formatCount, element, markedNodes, plural, visible } from "./elements.js";
import { JsonObject, JsonWord, inlineJson } from "./json_text.js";

/** @typedef {import("./json_text.js").JsonValue} JsonValue */

const MAX_LINE_LENGTH = 72; // characters of a value on one line
const MAX_WORD_LENGTH = 40; // characters of a string in an inline list
const MAX_INLINE_LIST = 4000; // characters of a list of numbers and words without a line per item
const MAX_MEMBERS = 200; // displayed members of an object or list, until the reader asks for all
const OPEN_LEVELS = 2; // levels that are open at first

/** @param {JsonValue} value @param {string} search text to mark, in lower case */
export function jsonTree(value, search) {
  const tree = element("div", "nbt-tree");
  tree.append(...members(value, search, 0));
  return tree;
}

/** @param {JsonValue} value @param {string} search @param {number} depth @returns {HTMLElement[]} */
function members(value, search, depth) {
  if (typeof value === "string" || value instanceof JsonWord || isInlineList(value)) return [valueElement(value, search)];
  /** @type {[string, JsonValue][]} */
  const entries = Array.isArray(value) ? value.map((item, n) => [String(n), item]) : value.members;
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

/** @param {string} name @param {JsonValue} value @param {string} search @param {number} depth @returns {HTMLElement} */
function member(name, value, search, depth) {
  const key = element("span", "nbt-key", ...markedNodes(visible(name), search), ": ");
  if (typeof value === "string" || value instanceof JsonWord || isShort(value) || isInlineList(value)) return element("div", "", key, valueElement(value, search));
  const size = Array.isArray(value) ? plural(value.length, "item") : plural(value.members.length, "name");
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

/** Return whether a list or an object fits on a line, and has no text of several lines. @param {JsonValue[] | JsonObject} value */
function isShort(value) {
  const items = Array.isArray(value) ? value : value.members.map(([, item]) => item);
  if (items.length > MAX_LINE_LENGTH || items.some((item) => typeof item === "string" && item.includes("\n"))) return false;
  return inlineJson(value).length <= MAX_LINE_LENGTH;
}

/** Return whether a value is a list of numbers and words, which is readable without a line per item. @param {JsonValue} value */
function isInlineList(value) {
  if (!Array.isArray(value) || !value.length || value.length > MAX_INLINE_LIST / 3) return false;
  const isWord = (/** @type {JsonValue} */ item) => (typeof item === "string" ? item.length <= MAX_WORD_LENGTH && !item.includes("\n") : item instanceof JsonWord);
  return value.every(isWord) && inlineJson(value).length <= MAX_INLINE_LIST;
}

/** Create the element of a value; a text of several lines is a block of its own. @param {JsonValue} value @param {string} search */
function valueElement(value, search) {
  if (typeof value === "string" && value.includes("\n")) return element("pre", "nbt-value nbt-code", ...markedNodes(visible(value), search));
  const kind = typeof value === "string" ? "text" : value instanceof JsonWord ? "plain" : "data";
  return element("span", `nbt-value nbt-is-${kind}`, ...markedNodes(visible(typeof value === "string" ? value : inlineJson(value)), search));
}
