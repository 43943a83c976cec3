// @ts-check
/* What keys and clicks do in a block table. No key without Ctrl reaches the notebook: "b" would add a cell there. */

/** @typedef {import("./block_table.js").BlockTable} BlockTable */

/** The keys, as the list of keys tells them. */
export const KEYS = [
  ["↑ ↓  or  k j", "the row before, the next one"],
  ["Home End PgUp PgDn", "the first, the last, a screen up, a screen down"],
  ["Enter, ← →", "fold, unfold"],
  ["[  ]", "fold all, unfold all"],
  ["Space", "select, or no longer"],
  ["Shift+↑ ↓, Shift+click", "select all between"],
  ["Ctrl+A, Esc", "select all, nothing"],
  ["/", "search; then Enter and Shift+Enter: next match, the one before"],
  ["n  p", "next match, the one before"],
  ["g", "from a call to its result, and back"],
  ["m", "what can be done with the block: copy, JSON, …"],
  ["c", "copy the text of the block, or of all selected ones"],
  ["?", "these keys"],
];

export class Keys {
  /** @param {BlockTable} table */
  constructor(table) {
    this.table = table;
    /** Keys of whoever mounted the table, by name. @type {Map<string, () => void>} */
    this.more = new Map();
    table.element.addEventListener("keydown", (event) => this.key(event));
    table.element.addEventListener("click", (event) => this.click(event));
    table.element.addEventListener("focusin", (event) => this.focused(event));
  }

  /** The keys speak of the row that has the focus, or of the one whose button has it. @param {FocusEvent} event */
  focused(event) {
    const line = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest(".nbt-row[data-position]"));
    if (line) this.table.activate(Number(line.dataset.position), false);
  }

  /** @param {MouseEvent} event */
  click(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const line = /** @type {HTMLElement | null} */ (target.closest(".nbt-row[data-position]"));
    if (!line || target.closest("button, a, summary, .nbt-detail, input")) return;
    const marked = window.getSelection();
    if (marked && !marked.isCollapsed && !event.shiftKey && line.contains(marked.anchorNode)) return; // text was selected, to be copied
    if (event.shiftKey) marked?.removeAllRanges();
    const position = Number(line.dataset.position);
    this.table.activate(position);
    this.table.choose(position, { toggle: event.ctrlKey || event.metaKey, extend: event.shiftKey }).catch((error) => this.table.failed(error));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.altKey) return;
    const onRow = /** @type {HTMLElement} */ (event.target).classList.contains("nbt-row");
    const done = onRow && (event.ctrlKey || event.metaKey ? this.withControl(event) : this.plain(event));
    if (done) event.preventDefault();
    if (done || !(event.ctrlKey || event.metaKey)) event.stopPropagation();
  }

  /** @param {KeyboardEvent} event */
  withControl(event) {
    if (event.key.toLowerCase() !== "a") return false;
    this.table.chooseAll().catch((error) => this.table.failed(error));
    return true;
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the key means something here */
  plain(event) {
    const { table } = this;
    const to = this.target(event.key);
    if (to !== undefined) {
      if (event.shiftKey) table.choose(to, { extend: true }).catch((error) => table.failed(error));
      else table.anchor = to;
      table.reveal(to, true);
      return true;
    }
    const action = this.actions()[event.key] ?? this.more.get(event.key);
    action?.();
    return action !== undefined;
  }

  /** The position a key leads to. @param {string} key */
  target(key) {
    const { active, source } = this.table;
    const last = source.length - 1;
    const page = Math.max(1, Math.floor(this.table.scroller.clientHeight / 32) - 1);
    /** @type {Record<string, number>} */
    const places = { ArrowDown: active + 1, j: active + 1, ArrowUp: active - 1, k: active - 1, Home: 0, End: last, PageDown: active + page, PageUp: active - page };
    return key in places && last >= 0 ? Math.max(0, Math.min(last, places[key])) : undefined;
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
      " ": () => void table.choose(table.active, { toggle: true }),
      Escape: () => table.chosen([]),
      g: () => {
        const partner = index === undefined ? undefined : table.source.partner(index);
        if (partner !== undefined) table.go(partner).catch((error) => table.failed(error));
      },
      m: () => {
        const line = table.line(table.active);
        if (line && index !== undefined) table.menu(index, line);
      },
    };
  }
}
