// @ts-check
/* A popup menu at a button, usable by mouse and keyboard. */

import { attributes, element } from "./elements.js";

/**
 * An item of a menu. An item with `checked` is a check box and keeps the menu open; `key` is only displayed.
 * @typedef {{text: string, press: () => void, checked?: boolean, key?: string, disabled?: boolean}} Item
 */

/**
 * Open a menu at an element; a null item is a separator.
 * @param {HTMLElement} anchor @param {string} label @param {() => (Item | null)[]} items evaluated again after each press
 */
export function openMenu(anchor, label, items) {
  const menu = element("div", "nbt-menu");
  attributes(menu, { role: "menu", "aria-label": label, tabindex: -1, "data-lm-suppress-shortcuts": true, popover: "manual" });
  const close = (/** @type {boolean} */ restoreFocus) => {
    document.removeEventListener("pointerdown", closeOutside, true);
    document.removeEventListener("scroll", onScroll, true);
    menu.remove();
    attributes(anchor, { "aria-expanded": undefined });
    if (restoreFocus) anchor.focus();
  };
  const closeOutside = (/** @type {Event} */ event) => {
    if (!menu.contains(/** @type {Node} */ (event.target))) close(false);
  };
  const onScroll = (/** @type {Event} */ event) => {
    if (/** @type {Node} */ (event.target).contains(anchor)) placeMenu(menu, anchor); // the button moved
  };
  const draw = (/** @type {number} */ focusIndex) => {
    menu.replaceChildren(...items().map((item) => (item ? itemElement(item, pressItem) : separator())));
    const buttons = itemButtons(menu);
    buttons[Math.min(focusIndex, buttons.length - 1)]?.focus({ preventScroll: true });
  };
  const pressItem = (/** @type {Item} */ item) => {
    const focusedIndex = itemButtons(menu).indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (item.checked === undefined) close(true);
    item.press();
    if (item.checked !== undefined && menu.isConnected) draw(Math.max(focusedIndex, 0));
  };
  menu.addEventListener("keydown", (event) => onMenuKey(event, menu, close));
  (anchor.closest(".nbt-view") ?? document.body).append(menu);
  if ("showPopover" in menu) menu.showPopover();
  attributes(anchor, { "aria-expanded": true });
  draw(0);
  placeMenu(menu, anchor);
  document.addEventListener("pointerdown", closeOutside, true);
  document.addEventListener("scroll", onScroll, true);
}

/** @param {HTMLElement} menu @returns {HTMLElement[]} */
function itemButtons(menu) {
  return [...menu.querySelectorAll("button")];
}

/** Place a menu below its button if there is room, else above, and inside the window. @param {HTMLElement} menu @param {HTMLElement} anchor */
export function placeMenu(menu, anchor) {
  const anchorBox = anchor.getBoundingClientRect();
  const menuBox = menu.getBoundingClientRect();
  const fitsBelow = anchorBox.bottom + menuBox.height + 6 < window.innerHeight || anchorBox.top < menuBox.height;
  menu.style.left = `${Math.max(4, Math.min(anchorBox.right - Math.min(menuBox.width, 60), window.innerWidth - menuBox.width - 4))}px`;
  menu.style.top = `${fitsBelow ? anchorBox.bottom + 2 : anchorBox.top - menuBox.height - 2}px`;
}

/** @param {Item} item @param {(item: Item) => void} onPress */
function itemElement(item, onPress) {
  const result = element("button", "nbt-item", element("span", "nbt-check", item.checked ? "✓" : ""), element("span", "", item.text));
  if (item.key) result.append(attributes(element("kbd", "", item.key), { "aria-hidden": true }));
  result.type = "button";
  result.disabled = !!item.disabled;
  attributes(result, { role: item.checked === undefined ? "menuitem" : "menuitemcheckbox", "aria-checked": item.checked, "aria-keyshortcuts": item.key || undefined, "data-lm-suppress-shortcuts": true });
  result.addEventListener("click", () => onPress(item));
  return result;
}

function separator() {
  const result = element("div", "nbt-separator");
  result.setAttribute("role", "separator");
  return result;
}

/** @param {KeyboardEvent} event @param {HTMLElement} menu @param {(back: boolean) => void} close */
function onMenuKey(event, menu, close) {
  const buttons = itemButtons(menu).filter((button) => !(/** @type {HTMLButtonElement} */ (button).disabled));
  const focusedIndex = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const targetIndex = { ArrowDown: focusedIndex + 1, ArrowUp: focusedIndex - 1, Home: 0, End: -1 }[event.key];
  event.stopPropagation();
  if (targetIndex !== undefined) {
    event.preventDefault();
    buttons.at(targetIndex % buttons.length)?.focus();
  } else if (event.key === "Escape" || event.key === "Tab") {
    event.preventDefault();
    close(true);
  }
}
