// @ts-check
/* Keyboard and mouse in a block table. Keys without Ctrl never reach the notebook, where "b" adds a cell. */

/** @typedef {import("./block_table.js").BlockTable} BlockTable */

/** Keys and their description, as displayed by the help button. @type {[string, string][]} */
export const KEY_HELP = [
  ["↑ ↓  or  k j", "Previous, next row"],
  ["Home End PgUp PgDn", "First, last row; one screen up, down"],
  ["Enter, double click, ← →", "Fold or unfold the row"],
  ["[  ]", "Fold all, unfold all"],
  ["Space", "Select or deselect"],
  ["Shift+↑ ↓, Shift+click", "Extend the selection"],
  ["Ctrl+A, Esc", "Select all, nothing"],
  ["/", "Search; then Enter and Shift+Enter: next, previous match"],
  ["n  p", "Next, previous match"],
  ["g", "Go from a call to its result, and back"],
  ["M", "Render Markdown in messages, or show them raw"],
  ["m", "Menu of the block: copy, JSON, …"],
  ["c", "Copy the text of the block or of all selected blocks"],
  ["?", "Show or hide this card"],
];

export class TableKeys {
  /** @param {BlockTable} table */
  constructor(table) {
    this.table = table;
    /** Key → action, added by the owner of the table. @type {Map<string, () => void>} */
    this.extraKeys = new Map();
    table.element.addEventListener("keydown", (event) => this.onKey(event));
    table.element.addEventListener("click", (event) => this.onClick(event));
    table.element.addEventListener("dblclick", (event) => this.onDoubleClick(event));
    table.element.addEventListener("pointerover", (event) => this.onPointer(event));
    table.element.addEventListener("focusin", (event) => this.onFocus(event));
  }

  /** Make the row with the focus the active one. @param {FocusEvent} event */
  onFocus(event) {
    const line = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest(".nbt-row[data-position]"));
    if (!line) return;
    this.table.activate(Number(line.dataset.position), false);
    this.table.placeMenuButton(line);
  }

  /** Show the menu button in the row under the pointer. @param {PointerEvent} event */
  onPointer(event) {
    const line = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest(".nbt-row[data-position]"));
    if (line) this.table.placeMenuButton(line);
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const line = /** @type {HTMLElement | null} */ (target.closest(".nbt-row[data-position]"));
    if (!line || target.closest("button, a, summary, .nbt-detail, input")) return;
    const textSelection = window.getSelection();
    if (textSelection && !textSelection.isCollapsed && !event.shiftKey && line.contains(textSelection.anchorNode)) return; // the reader selected text
    if (event.shiftKey) textSelection?.removeAllRanges();
    const position = Number(line.dataset.position);
    this.table.activate(position);
    if (event.detail > 1) return; // the second click of a double click, which folds
    this.table.selectRow(position, { toggle: event.ctrlKey || event.metaKey, extend: event.shiftKey }).catch((error) => this.table.reportError(error));
  }

  /** Fold or unfold a row. @param {MouseEvent} event */
  onDoubleClick(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const line = /** @type {HTMLElement | null} */ (target.closest(".nbt-row[data-position]"));
    if (!line || target.closest("button, a, summary, .nbt-detail, .nbt-shelf, input")) return;
    const position = Number(line.dataset.position);
    if (!this.table.toggleFold(position)) return;
    window.getSelection()?.removeAllRanges(); // the word that a double click selects
    this.table.focus(position);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.altKey) return;
    const onRow = /** @type {HTMLElement} */ (event.target).classList.contains("nbt-row");
    const handled = onRow && (event.ctrlKey || event.metaKey ? this.onControlKey(event) : this.onPlainKey(event));
    if (handled) event.preventDefault();
    if (handled || !(event.ctrlKey || event.metaKey)) event.stopPropagation();
  }

  /** @param {KeyboardEvent} event */
  onControlKey(event) {
    if (event.key.toLowerCase() !== "a") return false;
    this.table.selectAll().catch((error) => this.table.reportError(error));
    return true;
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the key was handled */
  onPlainKey(event) {
    const { table } = this;
    const newPosition = this.targetPosition(event.key);
    if (newPosition !== undefined) {
      if (event.shiftKey) table.selectRow(newPosition, { extend: true }).catch((error) => table.reportError(error));
      else table.anchor = newPosition;
      table.reveal(newPosition, true);
      return true;
    }
    const action = this.actions()[event.key] ?? this.extraKeys.get(event.key);
    action?.();
    return action !== undefined;
  }

  /** Return the position that a navigation key leads to. @param {string} key */
  targetPosition(key) {
    const { active, source } = this.table;
    const last = source.length - 1;
    const pageRows = Math.max(1, Math.floor(this.table.scroller.clientHeight / 32) - 1);
    /** @type {Record<string, number>} */
    const targets = { ArrowDown: active + 1, j: active + 1, ArrowUp: active - 1, k: active - 1, Home: 0, End: last, PageDown: active + pageRows, PageUp: active - pageRows };
    return key in targets && last >= 0 ? Math.max(0, Math.min(last, targets[key])) : undefined;
  }

  /** @returns {Record<string, () => void>} */
  actions() {
    const { table } = this;
    const index = table.source.index(table.active);
    return {
      Enter: () => table.toggleFold(table.active),
      ArrowRight: () => table.toggleFold(table.active, false),
      ArrowLeft: () => table.toggleFold(table.active, true),
      "[": () => table.foldAll(true),
      "]": () => table.foldAll(false),
      " ": () => void table.selectRow(table.active, { toggle: true }),
      Escape: () => table.selectByReader([]),
      g: () => {
        const partner = index === undefined ? undefined : table.source.partner(index);
        if (partner !== undefined) table.jumpTo(partner).catch((error) => table.reportError(error));
      },
      m: () => {
        const line = table.line(table.active);
        if (line && index !== undefined) table.openMenu(index, line);
      },
    };
  }
}
