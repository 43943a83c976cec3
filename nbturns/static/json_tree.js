// @ts-check
/* A JSON value as a tree that is read: names and values, what is long folded. */

import { NO_SHORTCUTS, counted, element, marked, plural, visible } from "./elements.js";

const SHORT = 72; // characters up to which a value stands on one line
const WORD = 40; // characters up to which a string in a list is a word
const LIST = 4000; // characters up to which a list of numbers and words fills its lines and has no names
const MOST = 200; // members shown of one object or list, until more are asked for
const DEEP = 2; // levels that stand open

/** A text as JSON if it is an object or a list; undefined for any other. @param {string | undefined} text */
export function parsed(text) {
  if (!text || !/^[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {unknown} value @param {string} sought what is marked in it */
export function jsonTree(value, sought) {
  const list = element("div", "nbt-tree");
  list.append(...members(value, sought, 0));
  return list;
}

/** @param {unknown} value @param {string} sought @param {number} depth @returns {HTMLElement[]} */
function members(value, sought, depth) {
  if (value === null || typeof value !== "object" || isLine(value)) return [leaf(value, sought)];
  const entries = Array.isArray(value) ? value.map((one, n) => [String(n), one]) : Object.entries(value);
  /** @type {HTMLElement[]} */
  const made = entries.slice(0, MOST).map(([name, one]) => member(name, one, sought, depth));
  if (entries.length > MOST) {
    const rest = element("button", "nbt-control nbt-more", `${counted(entries.length - MOST)} more`);
    rest.type = "button";
    rest.dataset[NO_SHORTCUTS] = "true";
    rest.addEventListener("click", () => rest.replaceWith(...entries.slice(MOST).map(([name, one]) => member(name, one, sought, depth))));
    made.push(rest);
  }
  return made.length ? made : [leaf(value, sought)];
}

/** @param {string} name @param {unknown} value @param {string} sought @param {number} depth @returns {HTMLElement} */
function member(name, value, sought, depth) {
  const key = element("span", "nbt-key", ...marked(visible(name), sought), ": ");
  if (value === null || typeof value !== "object" || JSON.stringify(value).length <= SHORT || isLine(value)) return element("div", "", key, leaf(value, sought));
  const size = Array.isArray(value) ? plural(value.length, "item") : plural(Object.keys(value).length, "name");
  const summary = element("summary", "", key, element("span", "nbt-dim", size));
  summary.dataset[NO_SHORTCUTS] = "true";
  const details = element("details", "", summary);
  const fill = () => {
    if (details.open && details.childElementCount === 1) details.append(element("div", "nbt-inside", ...members(value, sought, depth + 1)));
  };
  details.addEventListener("toggle", fill);
  details.open = depth < DEEP;
  fill();
  return details;
}

/** A list of numbers and words, as long as it can be overlooked: its items need no lines and no numbers. @param {object} value */
function isLine(value) {
  if (!Array.isArray(value) || !value.length || value.length > LIST / 3) return false;
  const isWord = (/** @type {unknown} */ one) => (typeof one === "string" ? one.length <= WORD : one === null || typeof one !== "object");
  return value.every(isWord) && JSON.stringify(value).length <= LIST;
}

/** JSON on one line, with the spaces people put there. @param {unknown} value @returns {string} */
function inline(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  return `{${Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${inline(one)}`).join(", ")}}`;
}

/** @param {unknown} value @param {string} sought */
function leaf(value, sought) {
  const text = typeof value === "string" ? value : inline(value);
  const kind = typeof value === "string" ? "text" : value === null || typeof value !== "object" ? "plain" : "data";
  return element("span", `nbt-value nbt-is-${kind}`, ...marked(visible(text), sought));
}
