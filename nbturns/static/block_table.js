// @ts-check
/*
 * The block table: rows of a `RowSource` (row_source.js) in a grid that scrolls, folds, marks and selects.
 *
 *     const source = new PageRows(rows, calls);           // or any other RowSource
 *     const table = new BlockTable(source, { label: "Blocks of the Turn", columns: [...], onSelect: (indices) => … });
 *     parent.append(table.mount);                         // the table redraws itself when the source changes
 *     source.splice(7, [row], calls);                     // replace the rows from index 7
 *     source.addText(7, "more text");                     // append to a streaming row
 *     table.stickToEnd.enabled = true;                    // keep the end visible while rows are added
 *     table.showSelected([2, 3]);  table.reveal(position);  table.foldAll(true);  table.setColumns([...]);
 *     table.close();                                      // when the view is removed
 *
 * Up to `fullRows` rows are all in the document, so that the browser can search and print them. Of a longer table only
 * the rows near the visible part are; empty elements of the same height replace the others (VirtualRows).
 */

import { foldable } from "./block_content.js";
import { drawRow, menuCell } from "./block_row.js";
import { ColumnLayout } from "./column_layout.js";
import { attributes, element } from "./elements.js";
import { StickToEnd } from "./stick_to_end.js";
import { appendText } from "./streaming_text.js";
import { drawHeaderCells } from "./table_header.js";
import { TableKeys } from "./table_keys.js";
import { CHUNK_ROWS, VirtualRows } from "./virtual_rows.js";

/**
 * @typedef {import("./row_source.js").Row} Row
 * @typedef {import("./row_source.js").RowSource} RowSource
 * @typedef {import("./row_source.js").Change} Change
 *
 * @typedef {object} Options
 * @property {string} label accessible name of the table
 * @property {string[]} [columns]
 * @property {boolean} [selectable] false: rows cannot be selected
 * @property {import("./subagents.js").Subagents} [subagents] the Runs that calls started
 * @property {boolean} [sortable] false: the header has no sort buttons
 * @property {string} [numberPrefix] before the number of each block
 * @property {(indices: number[]) => void} [onSelect] called when the reader changes the selection
 * @property {(index: number) => void} [onActivate] called when the reader moves to another block
 * @property {(index: number, anchor: HTMLElement) => void} [onMenu] called to open the menu of a block
 * @property {(index: number) => HTMLElement | undefined} [detailPanel] the panel below a row, if it is open
 * @property {(error: unknown) => void} [onError] called when a request failed
 * @property {(text: string) => void} [onNotify] called with a message for the status line
 */

const UPPER_PART = 0.2; // of the height of the table, above a block that is shown in its upper third

export class BlockTable {
  /** @param {RowSource} source @param {Options} options */
  constructor(source, options) {
    this.source = source;
    this.options = options;
    this.usesApiNames = false; // of kinds
    /** @type {import("./block_row.js").RowHost["rendering"]} */
    this.rendering = undefined;
    this.subagents = options.subagents;
    this.numberPrefix = options.numberPrefix ?? "";
    /** @type {Map<string, HTMLElement>} */
    this.chips = new Map();
    this.liveFrom = -1;
    this.active = 0; // position of the row that keys act on
    this.anchor = 0; // position where a selection with Shift begins
    /** @type {Set<number>} indices */
    this.selected = new Set();
    /** @type {Map<number, boolean>} index → folded by the reader */
    this.folds = new Map();
    /** @type {Map<string, boolean>} kind → folded; "" for all */
    this.kindFolds = new Map();
    this.element = element("div", "nbt-grid");
    this.emptyMessage = element("div", "nbt-empty nbt-dim");
    this.scroller = element("div", "nbt-scroll", this.element, this.emptyMessage);
    this.stickToEnd = new StickToEnd(this.scroller, () => this.scrollToEnd());
    this.header = attributes(element("div", "nbt-row nbt-header"), { role: "row", "aria-rowindex": 1 });
    this.element.append(attributes(element("div", "nbt-head-group", this.header), { role: "rowgroup" }));
    attributes(this.element, { role: "grid", "aria-label": options.label, "aria-multiselectable": options.selectable !== false });
    this.menuCell = menuCell(this);
    this.keys = new TableKeys(this);
    this.virtualRows = new VirtualRows(this.element, this.scroller, (numbers) => this.keepScrollEnd(() => numbers.forEach((number) => this.drawChunk(number))));
    this.stopListening = source.listen((change) => this.onChange(change));
    this.layout = new ColumnLayout(this, options.columns);
    drawHeaderCells(this);
    this.drawAll();
  }

  /** The element to insert into the view. */
  get mount() {
    return this.scroller;
  }

  get chunks() {
    return this.virtualRows.chunks;
  }

  close() {
    this.stopListening();
    this.virtualRows.close();
  }

  // The RowHost of block_row.js.

  get search() {
    return this.source.filterSort.search.toLowerCase();
  }

  /** @param {number} index @param {Row} row */
  isFolded(index, row) {
    return this.folds.get(index) ?? this.kindFolds.get(row.kind) ?? this.kindFolds.get("") ?? row.fold ?? false;
  }

  /** @param {number} index @param {HTMLElement} anchor */
  openMenu(index, anchor) {
    this.options.onMenu?.(index, anchor);
  }

  /** Move the menu button to a row. @param {HTMLElement} line */
  placeMenuButton(line) {
    const menuButton = /** @type {HTMLElement} */ (this.menuCell.firstElementChild);
    if (line.dataset.index === undefined || this.menuCell.parentElement === line || menuButton.getAttribute("aria-expanded")) return;
    attributes(menuButton, { "aria-label": `Actions for block ${this.numberPrefix}${line.dataset.index}` });
    attributes(this.menuCell, { "aria-colindex": this.layout.displayed.length + 2 });
    line.append(this.menuCell);
  }

  /** @param {unknown} error */
  reportError(error) {
    this.options.onError?.(error);
  }

  // Folding.

  /** @param {number} index @param {boolean} folded */
  fold(index, folded) {
    this.folds.set(index, folded);
    const position = this.source.position(index);
    if (position < 0) return;
    this.redraw(position);
    this.stickToEnd.readerResized();
  }

  /** Fold or unfold all rows, or all of a kind. @param {boolean} folded @param {string} [kind] */
  foldAll(folded, kind = "") {
    if (!kind) this.kindFolds.clear();
    this.kindFolds.set(kind, folded);
    this.folds.clear();
    this.drawAll();
  }

  /** Fold as if the reader had not folded anything. */
  resetFolds() {
    this.kindFolds.clear();
    this.folds.clear();
    this.drawAll();
  }

  // Columns.

  /** Names of the chosen columns. */
  get columns() {
    return this.layout.chosen;
  }

  /** @param {string[]} names unknown ones are ignored */
  setColumns(names) {
    this.layout.choose(names);
    drawHeaderCells(this);
    this.drawAll();
  }

  /** Show kinds by their words or by the names of the API. */
  toggleApiNames() {
    this.usesApiNames = !this.usesApiNames;
    this.drawAll();
  }

  // Drawing.

  /** @param {Change} change */
  onChange(change) {
    if ("position" in change) this.addText(change.position, change.text);
    else if (this.virtualRows.rowCount === this.source.length) this.keepScrollEnd(() => this.drawFrom(change.from, change.to));
    else this.drawFrom(change.from, change.to);
    this.stickToEnd.contentAdded();
  }

  /** Keep the end visible while `draw` replaces placeholders with rows of another height. @param {() => void} draw */
  keepScrollEnd(draw) {
    const atEnd = this.scroller.scrollTop > 0 && this.stickToEnd.distanceToEnd < 2;
    draw();
    if (atEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  drawAll() {
    this.drawFrom(0, this.source.length);
  }

  /** @param {number} from @param {number} to changed positions */
  drawFrom(from, to) {
    const length = this.source.length;
    attributes(this.element, { "aria-rowcount": length + 1 });
    this.header.hidden = length === 0;
    if (this.layout.update(from, to)) [from, to] = [0, length];
    this.emptyMessage.hidden = length > 0;
    this.emptyMessage.textContent = length ? "" : this.source.total ? "No blocks match the filters" : "No blocks yet";
    const chunkCount = this.chunks.length;
    this.virtualRows.resize(length);
    if (from === 0) this.virtualRows.forgetHeights();
    this.active = Math.max(0, Math.min(this.active, length - 1));
    const last = Math.min(Math.floor(Math.max(to - 1, from) / CHUNK_ROWS), this.chunks.length - 1);
    for (let number = Math.min(Math.floor(from / CHUNK_ROWS), chunkCount); number <= last; number++) {
      if (this.chunks[number].isDrawn || length <= this.virtualRows.fullRows || number === 0) this.drawChunk(number, from);
    }
  }

  /** @param {number} number @param {number} [from] rows before this position have not changed */
  drawChunk(number, from = 0) {
    const container = this.virtualRows.chunkElement(number);
    const start = number * CHUNK_ROWS;
    const end = Math.min(start + CHUNK_ROWS, this.source.length);
    const unchangedRows = this.chunks[number].isDrawn ? Math.max(0, Math.min(from - start, container.childElementCount, end - start)) : 0;
    const hadFocus = container.contains(document.activeElement);
    while (container.childElementCount > unchangedRows) container.lastElementChild?.remove();
    for (let position = start + unchangedRows; position < end; position++) container.append(this.rowElement(position));
    this.virtualRows.markDrawn(number);
    if (hadFocus) this.focus(this.active);
    if (this.hasMissingRows(start, end)) this.source.load(start, end).catch((error) => this.reportError(error));
  }

  /** @param {number} from @param {number} to */
  hasMissingRows(from, to) {
    for (let position = from; position < to; position++) if (!this.source.row(position)) return true;
    return false;
  }

  /** @param {number} position */
  rowElement(position) {
    const line = drawRow(position, this);
    const index = this.source.index(position);
    const selected = index !== undefined && this.selected.has(index);
    if (this.options.selectable !== false) attributes(line, { "aria-selected": selected });
    if (position === this.active) line.tabIndex = 0;
    const detailPanel = index === undefined ? undefined : this.options.detailPanel?.(index);
    if (detailPanel) line.append(detailPanel);
    return line;
  }

  /** @param {number} position */
  redraw(position) {
    const oldLine = this.line(position);
    if (!oldLine) return;
    const focused = oldLine.contains(document.activeElement);
    const hadMenu = oldLine.contains(this.menuCell);
    const newLine = this.rowElement(position);
    oldLine.replaceWith(newLine);
    if (hadMenu) this.placeMenuButton(newLine);
    if (focused) this.focus(position);
  }

  /** Return the element of the row at a position, if it is in the document. @param {number} position @returns {HTMLElement | null} */
  line(position) {
    const chunk = this.chunks[Math.floor(position / CHUNK_ROWS)];
    return /** @type {HTMLElement | null} */ (chunk?.isDrawn ? (chunk.element?.children[position % CHUNK_ROWS] ?? null) : null);
  }

  /** @param {number} position @param {string} text */
  addText(position, text) {
    const streamingElement = this.line(position)?.querySelector(".nbt-streaming");
    if (streamingElement && !this.search) appendText(streamingElement, text);
    else this.redraw(position);
  }

  // Scrolling.

  scrollToEnd() {
    const last = this.chunks.length - 1;
    if (last >= 0 && !this.chunks[last].isDrawn) this.drawChunk(last);
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Scroll to a row and make it the active one. @param {number} position @param {boolean} [focus] */
  reveal(position, focus = false) {
    if (position < 0 || position >= this.source.length) return;
    const number = Math.floor(position / CHUNK_ROWS);
    for (const neighbor of [number - 1, number, number + 1]) if (this.chunks[neighbor] && !this.chunks[neighbor].isDrawn) this.drawChunk(neighbor);
    this.activate(position, focus);
    this.scrollToRow(position);
    requestAnimationFrame(() => this.scrollToRow(position)); // rows drawn on the way may differ in height from their placeholders
  }

  /** @param {number} position */
  scrollToRow(position) {
    const line = this.line(position);
    if (!line) return;
    const viewport = this.scroller.getBoundingClientRect();
    const lineBox = line.getBoundingClientRect();
    const visibleTop = viewport.top + this.header.offsetHeight;
    if (lineBox.top < visibleTop) this.scroller.scrollTop -= visibleTop - lineBox.top;
    else if (lineBox.bottom > viewport.bottom) this.scroller.scrollTop += Math.min(lineBox.bottom - viewport.bottom, lineBox.top - visibleTop);
  }

  /** Scroll to a row and show it in the upper third of the table. @param {number} position @param {boolean} [focus] */
  revealInUpperThird(position, focus = false) {
    this.reveal(position, focus);
    this.scrollToUpperThird(position);
    requestAnimationFrame(() => {
      this.scrollToUpperThird(position);
      if (focus) this.line(position)?.scrollIntoView({ block: "nearest" });
    });
  }

  /** @param {number} position */
  scrollToUpperThird(position) {
    const line = this.line(position);
    if (!line) return;
    const viewport = this.scroller.getBoundingClientRect();
    const header = this.header.offsetHeight;
    this.scroller.scrollTop += line.getBoundingClientRect().top - viewport.top - header - (viewport.height - header) * UPPER_PART;
  }

  /** Show a block in the upper third, and select it with its call or result. @param {number} index @param {{select?: boolean, focus?: boolean}} [options] */
  async jumpTo(index, { select = true, focus = select } = {}) {
    const position = await this.source.locate(index);
    if (position < 0) return this.options.onNotify?.(`Block ${index} is hidden by a filter`);
    await this.source.load(position, position + 1);
    this.revealInUpperThird(position, focus);
    const partner = this.source.partner(index);
    if (select && this.options.selectable !== false) this.selectByReader(partner === undefined ? [index] : [index, partner]);
    const line = this.line(position);
    line?.classList.add("nbt-flash");
    line?.addEventListener("animationend", () => line.classList.remove("nbt-flash"), { once: true });
  }

  // The active row and selected rows.

  /** @param {number} position @param {boolean} [focus] */
  activate(position, focus = true) {
    const previousLine = this.line(this.active);
    if (previousLine) previousLine.tabIndex = -1;
    this.active = position;
    const line = this.line(position);
    if (line) line.tabIndex = 0;
    if (focus) this.focus(position);
    const index = this.source.index(position);
    if (index !== undefined) this.options.onActivate?.(index);
  }

  /** @param {number} position */
  focus(position) {
    this.line(position)?.focus({ preventScroll: true });
  }

  /** Display a selection without reporting it. @param {Iterable<number>} indices */
  showSelected(indices) {
    const newSelection = new Set(indices);
    const oldSelection = this.selected;
    this.selected = newSelection;
    for (const chunk of this.chunks) {
      if (!chunk.isDrawn) continue;
      for (const line of /** @type {Iterable<HTMLElement>} */ (chunk.element?.children ?? [])) {
        const index = Number(line.dataset.index);
        if (line.dataset.index !== undefined && oldSelection.has(index) !== newSelection.has(index)) attributes(line, { "aria-selected": newSelection.has(index) });
      }
    }
  }

  /** Select the row at a position; add or remove it (`toggle`), or select all rows up to it (`extend`). @param {number} position @param {{toggle?: boolean, extend?: boolean}} mode */
  async selectRow(position, { toggle = false, extend = false } = {}) {
    if (this.options.selectable === false) return;
    if (extend) {
      const indices = await this.source.indices(Math.min(this.anchor, position), Math.max(this.anchor, position));
      this.selectByReader(toggle ? [...this.selected, ...indices] : indices);
      return;
    }
    this.anchor = position;
    const index = this.source.index(position);
    if (index === undefined) return;
    if (toggle) this.selectByReader(this.selected.has(index) ? [...this.selected].filter((selected) => selected !== index) : [...this.selected, index]);
    else this.selectByReader(this.selected.size === 1 && this.selected.has(index) ? [] : [index]);
  }

  async selectAll() {
    if (this.options.selectable !== false && this.source.length) this.selectByReader(await this.source.indices(0, this.source.length - 1));
  }

  /** Select blocks and report it. @param {number[]} indices */
  selectByReader(indices) {
    this.showSelected(indices = [...new Set(indices)].sort((a, b) => a - b));
    this.options.onSelect?.(indices);
  }

  /** Fold or unfold the row at a position; return whether it is foldable. @param {number} position @param {boolean} [folded] */
  toggleFold(position, folded) {
    const row = this.source.row(position);
    const index = this.source.index(position);
    if (!row || index === undefined || !foldable(row)) return false;
    this.fold(index, folded ?? !this.isFolded(index, row));
    return true;
  }
}
