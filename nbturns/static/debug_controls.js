// @ts-check
/* Small elements of the debugger: buttons with keys, icons, panels, labelled fields. */

import { attributes, element } from "./elements.js";

/** Icon name → path in a 12 × 12 square. */
export const ICON_PATHS = {
  run: "M2 1l9 5-9 5z",
  step: "M1 1l7 5-7 5zM9 1h2v10H9z",
  pause: "M2 1h3v10H2zM7 1h3v10H7z",
  stop: "M2 2h8v8H2z",
  retry: "M6 1a5 5 0 1 0 5 5H9.3A3.3 3.3 0 1 1 6 2.7V5l4-3-4-3z",
  fork: "M2.2 0h1.6v4.2C4 5.6 5 6 6.5 6 8.3 6 9.2 5 9.2 3.5V0h1.6v3.5C10.8 6 9.3 7.6 6.5 7.6 5.2 7.6 4.3 7.3 3.8 6.8V12H2.2z",
};

/** Create an icon as SVG, which needs no font. @param {string} path */
export function svgIcon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

/** Create a key cap, which is not part of the accessible name. @param {string} key */
export function keyCap(key) {
  return attributes(element("kbd", "", key), { "aria-hidden": true });
}

/**
 * Create a button of the debugger; it needs the kernel.
 * @param {string} text @param {() => void} press
 * @param {{key?: string, icon?: string, tip?: string, classes?: string}} [options]
 */
export function actionButton(text, press, options = {}) {
  const result = element("button", `nbt-button ${options.classes ?? ""}`);
  if (options.icon) result.append(svgIcon(options.icon));
  result.append(element("span", "nbt-label", text));
  if (options.key) result.append(keyCap(options.key));
  result.type = "button";
  if (options.tip) result.title = options.tip;
  attributes(result, { "data-lm-suppress-shortcuts": true, "data-kernel": true });
  result.addEventListener("click", press);
  return result;
}

/** Create a button that looks like a link. @param {string} text @param {() => void} press @param {string} [tip] @param {string} [key] */
export function quietButton(text, press, tip = "", key = "") {
  return actionButton(text, press, { classes: "nbt-quiet", tip, key });
}

/** @param {string} sign @param {string} word @param {string} kind one of hand wait bad good dim @param {string} [tip] */
export function stateBadge(sign, word, kind, tip = "") {
  const result = element("span", `nbt-mark-badge nbt-as-${kind}`, `${sign}${sign ? "\ufe0e " : ""}${word}`);
  if (tip) result.title = tip;
  return result;
}

let fieldCount = 0;

/** Connect a label with its field. @template {HTMLElement} T @param {string} text @param {T} field @returns {[HTMLLabelElement, T]} */
export function labelled(text, field) {
  const label = element("label", "", text);
  field.id ||= `nbt-field-${++fieldCount}-${Math.random().toString(36).slice(2, 6)}`;
  label.htmlFor = field.id;
  attributes(field, { "data-lm-suppress-shortcuts": true });
  return [label, field];
}

/** @param {string} value @param {string} [classes] */
export function textInput(value = "", classes = "") {
  const input = element("input", `nbt-field ${classes}`);
  input.type = "text";
  input.value = value;
  attributes(input, { spellcheck: false, autocomplete: "off", "data-lm-suppress-shortcuts": true });
  return input;
}

/** @param {string} value @param {string} [classes] @param {number} [rows] */
export function textArea(value = "", classes = "", rows = 2) {
  const area = element("textarea", `nbt-field ${classes}`);
  area.value = value;
  area.rows = rows;
  attributes(area, { spellcheck: false, "data-lm-suppress-shortcuts": true });
  return area;
}

/** Create a select of [value, text] pairs. @param {[string, string][]} options @param {string} value */
export function selectField(options, value) {
  const select = element("select", "nbt-field");
  select.append(...options.map(([key, text]) => new Option(text, key, false, key === value)));
  attributes(select, { "data-lm-suppress-shortcuts": true });
  return select;
}

/** Return whether an event comes from a field in which somebody types. @param {Event} event */
export function isTyping(event) {
  const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && !["checkbox", "radio", "button"].includes(target.type));
}

export const COMMAND_KEY = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘⏎" : "Ctrl⏎";

/** Call `close` when Escape is pressed inside of an element. @param {HTMLElement} container @param {() => void} close */
export function onEscape(container, close) {
  container.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close();
  });
}
