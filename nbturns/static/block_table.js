// @ts-check
/*
 * The block table: rows of a `RowSource` (row_source.js) in a grid that scrolls, folds, marks and selects.
 *
 *     const source = new PageRows(rows, calls);           // or any other RowSource
 *     const table = new BlockTable(source, { label: "blocks of the Turn", columns: [...], onSelect: (indices) => … });
 *     parent.append(table.element);                       // it draws itself, and again whenever the source says so
 *     source.splice(7, [row], calls);                     // a row came
 *     source.addText(7, "more text");                     // an open row grew
 *     table.follow.on = true;                             // stay at the end until the reader goes up, and from there on again
 *     table.select([2, 3]);  table.reveal(position);  table.foldAll(true);  table.setColumns([...]);
 *     table.close();                                      // when its view goes
 *
 * Up to EVERY rows stand in the page, where the browser's own search and printing find them. Beyond, only those near
 * what is seen do; the others are empty places of the height they had (places.js). So a page holds a screen or two.
 */

import { attributes, button, element } from "./elements.js";
import { COLUMNS, drawRow, foldable } from "./block_row.js";
import { Follow } from "./follow.js";
import { grow } from "./growing_text.js";
import { CHUNK, EVERY, Places } from "./places.js";
import { Keys } from "./table_keys.js";

/**
 * @typedef {import("./row_source.js").Row} Row
 * @typedef {import("./row_source.js").RowSource} RowSource
 * @typedef {import("./row_source.js").Change} Change
 * @typedef {import("./block_row.js").Column} Column
 *
 * @typedef {object} Options
 * @property {string} label what the table is called for those who do not see it
 * @property {string[]} [columns]
 * @property {boolean} [selectable] false: rows cannot be selected
 * @property {boolean} [sortable] false: they stand as they are, and the head says so by having no buttons
 * @property {(indices: number[]) => void} [onSelect] the reader selected these
 * @property {(index: number, at: HTMLElement) => void} [onMenu] what can be done with a block was asked for
 * @property {(index: number) => HTMLElement | undefined} [below] what stands below the row of a block, if anything
 * @property {(error: unknown) => void} [onError] a request was not answered
 * @property {(text: string) => void} [onSay] something to be said aloud
 */

const CONTENT = 16; // em: how wide the content is at least
export const PLAIN_COLUMNS = ["number", "kind", "content", "model", "stop", "tokens", "time"];

export class BlockTable {
  /** @param {RowSource} source @param {Options} options */
  constructor(source, options) {
    this.source = source;
    this.options = options;
    this.columns = options.columns ?? PLAIN_COLUMNS;
    this.digits = 0; // of the highest number, for which there is room
    this.active = 0; // position of the row that the keys speak of
    this.anchor = 0; // position where a selection with Shift begins
    /** @type {Set<number>} indices */
    this.selected = new Set();
    /** @type {Map<number, boolean>} index → folded, where somebody said so */
    this.folds = new Map();
    /** @type {Map<string, boolean>} kind → folded; "" for all */
    this.rules = new Map();
    this.element = element("div", "nbt-grid");
    this.none = element("div", "nbt-none nbt-dim");
    this.scroller = element("div", "nbt-scroll", this.element, this.none);
    this.follow = new Follow(this.scroller, () => this.toEnd());
    this.header = element("div", "nbt-row nbt-header");
    this.header.setAttribute("role", "row");
    this.header.setAttribute("aria-rowindex", "1");
    const group = element("div", "nbt-head-group", this.header);
    group.setAttribute("role", "rowgroup");
    this.element.append(group);
    attributes(this.element, { role: "grid", "aria-label": options.label, "aria-multiselectable": options.selectable !== false });
    this.keys = new Keys(this);
    this.places = new Places(this.element, this.scroller, (numbers) => this.keepEnd(() => numbers.forEach((number) => this.drawChunk(number))));
    this.stop = source.listen((change) => this.hear(change));
    this.setColumns(this.columns);
  }

  /** What is mounted is the part that scrolls. */
  get mount() {
    return this.scroller;
  }

  get chunks() {
    return this.places.chunks;
  }

  close() {
    this.stop();
    this.places.close();
  }

  // What block_row.js asks.

  get sought() {
    return this.source.arrangement.search.toLowerCase();
  }

  /** @param {number} index @param {Row} row */
  folded(index, row) {
    return this.folds.get(index) ?? this.rules.get(row.kind) ?? this.rules.get("") ?? row.fold ?? false;
  }

  /** @param {number} index @param {HTMLElement} at */
  menu(index, at) {
    this.options.onMenu?.(index, at);
  }

  /** @param {unknown} error */
  failed(error) {
    this.options.onError?.(error);
  }

  // Folding.

  /** @param {number} index @param {boolean} folded */
  fold(index, folded) {
    this.folds.set(index, folded);
    const position = this.source.position(index);
    if (position < 0) return;
    this.redraw(position);
    this.follow.looked();
  }

  /** All rows, or all of a kind. @param {boolean} folded @param {string} [kind] */
  foldAll(folded, kind = "") {
    if (!kind) this.rules.clear();
    this.rules.set(kind, folded);
    this.folds.clear();
    this.drawAll();
  }

  /** As the table would stand if nobody had folded anything. */
  foldAsUsual() {
    this.rules.clear();
    this.folds.clear();
    this.drawAll();
  }

  // Columns.

  /** @param {string[]} names unknown ones are passed over */
  setColumns(names) {
    this.columns = names.filter((name) => name in COLUMNS);
    if (!this.columns.includes("content")) this.columns.push("content");
    const taken = this.columns.reduce((sum, name) => sum + (parseFloat(COLUMNS[/** @type {Column} */ (name)].width) || 0), 0);
    this.element.style.minWidth = `${taken + CONTENT}em`; // where there is less room, the table scrolls sideways
    this.digits = 0;
    attributes(this.element, { "aria-colcount": this.columns.length + 1 });
    this.drawHeader();
    this.drawAll();
  }

  /** Numbers of blocks stand on one line, however many there are. */
  fitNumbers() {
    const digits = String(this.source.total).length;
    if (digits === this.digits) return;
    this.digits = digits;
    const left = this.columns.map((name) => COLUMNS[/** @type {Column} */ (name)]).filter(({ call, width }) => !call && width !== "1fr");
    const widths = left.map(({ name, width }) => (name === "number" ? `max(${width}, ${digits}ch + 18px)` : width));
    this.element.style.setProperty("--nbt-columns", [...widths, "minmax(0, 1fr)", "2em"].join(" "));
  }

  drawHeader() {
    const sort = this.source.arrangement.sort;
    const cells = this.columns.map((name, number) => this.headerCell(/** @type {Column} */ (name), number + 1, sort));
    const at = (/** @type {boolean} */ call) => cells.filter((_, n) => COLUMNS[/** @type {Column} */ (this.columns[n])].call === call);
    const content = cells[this.columns.indexOf("content")];
    const calls = attributes(element("div", "nbt-calls", ...at(true)), { role: "presentation" });
    const main = attributes(element("div", "nbt-main", calls, content), { role: "presentation" });
    const end = attributes(element("div", "nbt-cell nbt-end", element("span", "nbt-unseen", "what can be done")), { role: "columnheader", "aria-colindex": this.columns.length + 1 });
    this.header.replaceChildren(...at(false).filter((one) => one !== content), main, end);
  }

  /** @param {Column} name @param {number} number @param {string} sort */
  headerCell(name, number, sort) {
    const column = COLUMNS[name];
    const down = sort === `-${name}`;
    const way = sort === name ? "ascending" : down ? "descending" : "none";
    const press = () => this.source.arrange({ sort: sort === name ? `-${name}` : down ? "" : name });
    const face = way === "none" ? column.title : `${column.title} ${down ? "↓" : "↑"}`;
    const made = element("div", `nbt-cell nbt-${name}${column.call ? " nbt-call" : ""}`, button("nbt-sort", face, "", press));
    made.title = `sort by ${column.name}; a third press gives the order of the Turn`;
    if (column.call) made.style.width = column.width;
    return attributes(made, { role: "columnheader", "aria-sort": way, "aria-colindex": number });
  }

  // Drawing.

  /** @param {Change} change */
  hear(change) {
    if ("position" in change) this.addText(change.position, change.text);
    else if (this.places.rows === this.source.length) this.keepEnd(() => this.drawFrom(change.from, change.to));
    else this.drawFrom(change.from, change.to);
    this.follow.came();
  }

  /** Rows come where their places were, and may be higher: who looks at the end still does. @param {() => void} draw */
  keepEnd(draw) {
    const atEnd = this.scroller.scrollTop > 0 && this.follow.left < 2;
    draw();
    if (atEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  drawAll() {
    this.drawFrom(0, this.source.length);
  }

  /** @param {number} from @param {number} to positions that are not what they were */
  drawFrom(from, to) {
    const length = this.source.length;
    attributes(this.element, { "aria-rowcount": length + 1 });
    this.header.hidden = length === 0;
    this.fitNumbers();
    this.none.hidden = length > 0;
    this.none.textContent = length ? "" : this.source.total ? "no block is shown: what is chosen above leaves all out" : "no blocks yet";
    const before = this.chunks.length;
    this.places.resize(length);
    if (from === 0) this.places.forget();
    this.active = Math.max(0, Math.min(this.active, length - 1));
    const last = Math.min(Math.floor(Math.max(to - 1, from) / CHUNK), this.chunks.length - 1);
    for (let number = Math.min(Math.floor(from / CHUNK), before); number <= last; number++) {
      if (this.chunks[number].drawn || length <= EVERY || number === 0) this.drawChunk(number, from);
    }
  }

  /** @param {number} number @param {number} [from] rows before this position are as they were */
  drawChunk(number, from = 0) {
    const place = this.places.place(number);
    const start = number * CHUNK;
    const end = Math.min(start + CHUNK, this.source.length);
    const kept = this.chunks[number].drawn ? Math.max(0, Math.min(from - start, place.childElementCount, end - start)) : 0;
    const focus = place.contains(document.activeElement);
    while (place.childElementCount > kept) place.lastElementChild?.remove();
    for (let position = start + kept; position < end; position++) place.append(this.drawn(position));
    this.places.drew(number);
    if (focus) this.focus(this.active);
    if (this.missing(start, end)) this.source.need(start, end).catch((error) => this.failed(error));
  }

  /** @param {number} from @param {number} to */
  missing(from, to) {
    for (let position = from; position < to; position++) if (!this.source.row(position)) return true;
    return false;
  }

  /** @param {number} position */
  drawn(position) {
    const line = drawRow(position, this);
    const index = this.source.index(position);
    const selected = index !== undefined && this.selected.has(index);
    if (this.options.selectable !== false) attributes(line, { "aria-selected": selected });
    if (position === this.active) line.tabIndex = 0;
    const below = index === undefined ? undefined : this.options.below?.(index);
    if (below) line.append(below);
    return line;
  }

  /** @param {number} position */
  redraw(position) {
    const old = this.line(position);
    if (!old) return;
    const focused = old.contains(document.activeElement);
    old.replaceWith(this.drawn(position));
    if (focused) this.focus(position);
  }

  /** The row at a position, if it stands in the page. @param {number} position @returns {HTMLElement | null} */
  line(position) {
    const chunk = this.chunks[Math.floor(position / CHUNK)];
    return /** @type {HTMLElement | null} */ (chunk?.drawn ? (chunk.element?.children[position % CHUNK] ?? null) : null);
  }

  /** @param {number} position @param {string} text */
  addText(position, text) {
    const place = this.line(position)?.querySelector(".nbt-growing");
    if (place && !this.sought) grow(place, text);
    else this.redraw(position);
  }

  // Scrolling.

  toEnd() {
    const last = this.chunks.length - 1;
    if (last >= 0 && !this.chunks[last].drawn) this.drawChunk(last);
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Bring a row to be seen, and make it the one the keys speak of. @param {number} position @param {boolean} [focus] */
  reveal(position, focus = false) {
    if (position < 0 || position >= this.source.length) return;
    const number = Math.floor(position / CHUNK);
    for (const near of [number - 1, number, number + 1]) if (this.chunks[near] && !this.chunks[near].drawn) this.drawChunk(near);
    this.activate(position, focus);
    this.show(position);
    requestAnimationFrame(() => this.show(position)); // what came into sight on the way may be of another height
  }

  /** @param {number} position */
  show(position) {
    const line = this.line(position);
    if (!line) return;
    const seen = this.scroller.getBoundingClientRect();
    const own = line.getBoundingClientRect();
    const top = seen.top + this.header.offsetHeight;
    if (own.top < top) this.scroller.scrollTop -= top - own.top;
    else if (own.bottom > seen.bottom) this.scroller.scrollTop += Math.min(own.bottom - seen.bottom, own.top - top);
  }

  /** To another block by its index, if it is shown. @param {number} index */
  async go(index) {
    const position = await this.source.locate(index);
    if (position >= 0) this.reveal(position, true);
    else this.options.onSay?.(`block ${index} is not shown: a filter leaves it out`);
  }

  // The row the keys speak of, and selected rows.

  /** @param {number} position @param {boolean} [focus] */
  activate(position, focus = true) {
    const before = this.line(this.active);
    if (before) before.tabIndex = -1;
    this.active = position;
    const line = this.line(position);
    if (line) line.tabIndex = 0;
    if (focus) this.focus(position);
  }

  /** @param {number} position */
  focus(position) {
    this.line(position)?.focus({ preventScroll: true });
  }

  /** Show these as selected; says nothing to anybody. @param {Iterable<number>} indices */
  select(indices) {
    const now = new Set(indices);
    const before = this.selected;
    this.selected = now;
    for (const chunk of this.chunks) {
      if (!chunk.drawn) continue;
      for (const line of /** @type {Iterable<HTMLElement>} */ (chunk.element?.children ?? [])) {
        const index = Number(line.dataset.index);
        if (line.dataset.index !== undefined && before.has(index) !== now.has(index)) attributes(line, { "aria-selected": now.has(index) });
      }
    }
  }

  /** The reader selects: one, one more or less (`toggle`), or all up to here (`extend`). @param {number} position @param {{toggle?: boolean, extend?: boolean}} how */
  async choose(position, { toggle = false, extend = false } = {}) {
    if (this.options.selectable === false) return;
    if (extend) {
      const between = await this.source.indices(Math.min(this.anchor, position), Math.max(this.anchor, position));
      this.chosen(toggle ? [...this.selected, ...between] : between);
      return;
    }
    this.anchor = position;
    const index = this.source.index(position);
    if (index === undefined) return;
    if (toggle) this.chosen(this.selected.has(index) ? [...this.selected].filter((one) => one !== index) : [...this.selected, index]);
    else this.chosen(this.selected.size === 1 && this.selected.has(index) ? [] : [index]);
  }

  async chooseAll() {
    if (this.options.selectable !== false && this.source.length) this.chosen(await this.source.indices(0, this.source.length - 1));
  }

  /** @param {number[]} indices */
  chosen(indices) {
    const sorted = [...new Set(indices)].sort((a, b) => a - b);
    this.select(sorted);
    this.options.onSelect?.(sorted);
  }

  /** Fold or unfold the row at a position, if there is anything to fold. @param {number} position @param {boolean} [folded] */
  toggleFold(position, folded) {
    const row = this.source.row(position);
    const index = this.source.index(position);
    if (!row || index === undefined || !foldable(row)) return;
    this.fold(index, folded ?? !this.folded(index, row));
  }
}
