// @ts-check
/* A menu at a button: by mouse and by keys, above everything that would cut it off. */

import { attributes, element } from "./elements.js";

/**
 * One thing to do. `checked` makes it one that is on or off, and keeps the menu open; `key` is shown, nothing more.
 * @typedef {{text: string, press: () => void, checked?: boolean, key?: string, disabled?: boolean}} Item
 */

/**
 * Open a menu at an element; null draws a line between items.
 * @param {HTMLElement} at @param {string} name @param {() => (Item | null)[]} items asked again after each press
 */
export function openMenu(at, name, items) {
  const menu = element("div", "nbt-menu");
  attributes(menu, { role: "menu", "aria-label": name, tabindex: -1, "data-lm-suppress-shortcuts": true, popover: "manual" });
  const close = (/** @type {boolean} */ back) => {
    document.removeEventListener("pointerdown", outside, true);
    document.removeEventListener("scroll", scrolled, true);
    menu.remove();
    attributes(at, { "aria-expanded": undefined });
    if (back) at.focus();
  };
  const outside = (/** @type {Event} */ event) => {
    if (!menu.contains(/** @type {Node} */ (event.target))) close(false);
  };
  const scrolled = (/** @type {Event} */ event) => {
    if (/** @type {Node} */ (event.target).contains(at)) place(menu, at); // its button went elsewhere
  };
  const draw = (/** @type {number} */ focus) => {
    menu.replaceChildren(...items().map((item) => (item ? line(item, press) : separator())));
    const all = choices(menu);
    all[Math.min(focus, all.length - 1)]?.focus({ preventScroll: true });
  };
  const press = (/** @type {Item} */ item) => {
    const place = choices(menu).indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (item.checked === undefined) close(true);
    item.press();
    if (item.checked !== undefined && menu.isConnected) draw(Math.max(place, 0));
  };
  menu.addEventListener("keydown", (event) => keys(event, menu, close));
  (at.closest(".nbt-view") ?? document.body).append(menu);
  if ("showPopover" in menu) menu.showPopover();
  attributes(at, { "aria-expanded": true });
  draw(0);
  place(menu, at);
  document.addEventListener("pointerdown", outside, true);
  document.addEventListener("scroll", scrolled, true);
}

/** @param {HTMLElement} menu @returns {HTMLElement[]} */
function choices(menu) {
  return [...menu.querySelectorAll("button")];
}

/** Below its button if there is room, else above; never beyond the window. @param {HTMLElement} menu @param {HTMLElement} at */
function place(menu, at) {
  const button = at.getBoundingClientRect();
  const own = menu.getBoundingClientRect();
  const below = button.bottom + own.height + 6 < window.innerHeight || button.top < own.height;
  menu.style.left = `${Math.max(4, Math.min(button.right - Math.min(own.width, 60), window.innerWidth - own.width - 4))}px`;
  menu.style.top = `${below ? button.bottom + 2 : button.top - own.height - 2}px`;
}

/** @param {Item} item @param {(item: Item) => void} press */
function line(item, press) {
  const made = element("button", "nbt-item", element("span", "nbt-check", item.checked ? "✓" : ""), element("span", "", item.text));
  if (item.key) made.append(attributes(element("kbd", "", item.key), { "aria-hidden": true }));
  made.type = "button";
  made.disabled = !!item.disabled;
  attributes(made, { role: item.checked === undefined ? "menuitem" : "menuitemcheckbox", "aria-checked": item.checked, "aria-keyshortcuts": item.key || undefined, "data-lm-suppress-shortcuts": true });
  made.addEventListener("click", () => press(item));
  return made;
}

function separator() {
  const made = element("div", "nbt-separator");
  made.setAttribute("role", "separator");
  return made;
}

/** @param {KeyboardEvent} event @param {HTMLElement} menu @param {(back: boolean) => void} close */
function keys(event, menu, close) {
  const all = choices(menu).filter((one) => !(/** @type {HTMLButtonElement} */ (one).disabled));
  const here = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: -1 }[event.key];
  event.stopPropagation();
  if (to !== undefined) {
    event.preventDefault();
    all.at(to % all.length)?.focus();
  } else if (event.key === "Escape" || event.key === "Tab") {
    event.preventDefault();
    close(true);
  }
}
