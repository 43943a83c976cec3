// @ts-check
/* Elements of a page, made of nodes. Whatever a model said goes in as text: nothing here reads HTML. */

/** On whatever can have the focus: with "b" JupyterLab would add a cell. */
export const NO_SHORTCUTS = "lmSuppressShortcuts";

/**
 * An element with classes and children; a child that is a string becomes a text node.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {string} [classes] @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, classes = "", ...children) {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  if (children.length) made.append(...children);
  return made;
}

/**
 * A button with a name for those who do not see it, if its text does not say enough.
 * @param {string} classes @param {string | Node} content @param {string} name what it is called, and its tooltip
 * @param {(event: MouseEvent) => void} press
 */
export function button(classes, content, name, press) {
  const made = element("button", `nbt-control ${classes}`, content);
  made.type = "button";
  if (name) made.title = name;
  if (name && (typeof content !== "string" || content.length < 3 || name.startsWith(content))) made.setAttribute("aria-label", name);
  made.dataset[NO_SHORTCUTS] = "true";
  made.addEventListener("click", press);
  return made;
}

/** @param {HTMLElement} on @param {Record<string, string | number | boolean | undefined>} given attributes; undefined takes one away */
export function attributes(on, given) {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) on.removeAttribute(name);
    else if (on.getAttribute(name) !== String(value)) on.setAttribute(name, String(value));
  }
  return on;
}

const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\u{e0000}-\u{e0fff}]/gu;
const JOINERS = "\u200c\u200d"; // between letters of Persian, signs of Hindi or faces of a family they are spelling

/** Control and invisible characters written out: they could turn the text around or hide in it. The kernel does so, too (text.py). @param {string} text */
export function visible(text) {
  return text.replace(CONTROL, (one, at) => {
    if (JOINERS.includes(one) && at && text[at - 1] > "\x7f") return one;
    const code = one.codePointAt(0) ?? 0;
    const [sign, digits] = code < 256 ? ["x", 2] : code < 65536 ? ["u", 4] : ["U", 8];
    return `\\${sign}${code.toString(16).padStart(digits, "0")}`;
  });
}

const MOST_MARKS = 2000;

/**
 * Text nodes, and `<mark>`s around what is searched for.
 * @param {string} text @param {string} sought "" for nothing @returns {Node[]}
 */
export function marked(text, sought) {
  if (!sought) return [document.createTextNode(text)];
  const low = text.toLowerCase();
  if (low.length !== text.length) return [document.createTextNode(text)]; // "İ" grows: places would not fit
  /** @type {Node[]} */
  const made = [];
  let at = 0;
  for (let next = low.indexOf(sought); next >= 0 && made.length < MOST_MARKS; next = low.indexOf(sought, at)) {
    if (next > at) made.push(document.createTextNode(text.slice(at, next)));
    at = next + sought.length;
    made.push(element("mark", "", text.slice(next, at)));
  }
  if (at < text.length || !made.length) made.push(document.createTextNode(text.slice(at)));
  return made;
}

/** A duration as people say it: 340 ms, 2.31 s, 1 min 12 s. @param {number | undefined} ms */
export function duration(ms) {
  if (ms === undefined) return "";
  if (ms < 1) return "< 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(2)} s`;
  return `${Math.floor(ms / 60000)} min ${Math.floor((ms % 60000) / 1000)} s`;
}

/** @param {number} number */
export function counted(number) {
  return number.toLocaleString("en");
}

/** @param {number} count @param {string} name */
export function plural(count, name) {
  return `${counted(count)} ${name}${count === 1 ? "" : "s"}`;
}

/** Put a text on the clipboard; where the page may not (no https), by way of a selection. @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const before = document.activeElement;
    const area = element("textarea", "nbt-unseen");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (before instanceof HTMLElement) before.focus();
    if (!done) throw new Error("the browser does not let this page copy");
  }
}
