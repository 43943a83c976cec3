// @ts-check
/* Helpers to build DOM elements. Text of models is always inserted as text nodes, never parsed as HTML. */

/** Set on every element that can have the focus, so that JupyterLab ignores its shortcuts there ("b" adds a cell). */
export const NO_SHORTCUTS = "lmSuppressShortcuts";

/**
 * Create an element with classes and children; a string child becomes a text node.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {string} [classes] @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, classes = "", ...children) {
  const result = document.createElement(tag);
  if (classes) result.className = classes;
  if (children.length) result.append(...children);
  return result;
}

/**
 * Create a button, with an accessible name if its content is only a symbol.
 * @param {string} classes @param {string | Node} content @param {string} label tooltip and accessible name; "" for none
 * @param {(event: MouseEvent) => void} onPress
 */
export function button(classes, content, label, onPress) {
  const result = element("button", `nbt-control ${classes}`, content);
  result.type = "button";
  if (label) result.title = label;
  if (label && (typeof content !== "string" || content.length < 3 || label.startsWith(content))) result.setAttribute("aria-label", label);
  result.dataset[NO_SHORTCUTS] = "true";
  result.addEventListener("click", onPress);
  return result;
}

/** Set attributes; undefined removes one. @template {HTMLElement} T @param {T} target @param {Record<string, string | number | boolean | undefined>} values @returns {T} */
export function attributes(target, values) {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) target.removeAttribute(name);
    else if (target.getAttribute(name) !== String(value)) target.setAttribute(name, String(value));
  }
  return target;
}

const INVISIBLE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\u{e0000}-\u{e0fff}]/gu;
const JOINERS = "\u200c\u200d"; // legitimate between the letters or emoji that they join

/** Escape control and invisible characters, which could reorder or hide text; equal to `visible` in render/text.py. @param {string} text */
export function visible(text) {
  return text.replace(INVISIBLE, (character, offset) => {
    if (JOINERS.includes(character) && offset && text[offset - 1] > "\x7f") return character;
    const code = character.codePointAt(0) ?? 0;
    const [escapeLetter, width] = code < 256 ? ["x", 2] : code < 65536 ? ["u", 4] : ["U", 8];
    return `\\${escapeLetter}${code.toString(16).padStart(width, "0")}`;
  });
}

/** Shown if the browser does not allow copying. */
export const COPY_REFUSED = "The browser does not allow this page to copy";

const MAX_MARKS = 2000;

/**
 * Return text nodes, with a `<mark>` around each match of a search.
 * @param {string} text @param {string} search in lower case; "" for none @returns {Node[]}
 */
export function markedNodes(text, search) {
  if (!search) return [document.createTextNode(text)];
  const lowerText = text.toLowerCase();
  if (lowerText.length !== text.length) return [document.createTextNode(text)]; // "İ" becomes longer, so offsets would not match
  /** @type {Node[]} */
  const nodes = [];
  let end = 0;
  for (let start = lowerText.indexOf(search); start >= 0 && nodes.length < MAX_MARKS; start = lowerText.indexOf(search, end)) {
    if (start > end) nodes.push(document.createTextNode(text.slice(end, start)));
    end = start + search.length;
    nodes.push(element("mark", "", text.slice(start, end)));
  }
  if (end < text.length || !nodes.length) nodes.push(document.createTextNode(text.slice(end)));
  return nodes;
}

/** Format a duration, like 340 ms, 2.31 s or 1 min 12 s. @param {number | undefined} ms */
export function duration(ms) {
  if (ms === undefined) return "";
  if (ms < 1) return "< 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(2)} s`;
  const seconds = Math.floor((ms % 60000) / 1000);
  return `${Math.floor(ms / 60000)} min${seconds ? ` ${seconds} s` : ""}`;
}

/** Format an amount in USD, with "≈" before an estimate. @param {number} cost @param {boolean} [estimated] */
export function dollars(cost, estimated) {
  return cost && cost < 0.0001 ? "< $0.0001" : `${estimated ? "≈ " : ""}$${cost.toFixed(4)}`;
}

/** Format a number with thousands separators. @param {number} count */
export function formatCount(count) {
  return count.toLocaleString("en");
}

/** Format a count with its noun, like "3 blocks". @param {number} count @param {string} noun */
export function plural(count, noun) {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Copy a text to the clipboard; without https, where the clipboard API is missing, through a selection. @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const focusedElement = document.activeElement;
    const area = element("textarea", "nbt-visually-hidden");
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    if (focusedElement instanceof HTMLElement) focusedElement.focus();
    if (!copied) throw new Error(COPY_REFUSED);
  }
}
