// @ts-check
/* The rows that a page has loaded from the kernel: pages of a fixed length, of which the least recently used are dropped. */

/**
 * @typedef {import("./row_source.js").Row} Row
 * @typedef {{rows: Row[], indices: number[] | null, lastUse: number}} Page
 */

export const PAGE_ROWS = 200; // rows
const MAX_PAGES = 60; // kept in memory

/** Pages by their number. @extends {Map<number, Page>} */
export class RowPages extends Map {
  constructor() {
    super();
    this.useCounter = 0;
  }

  /** Return the page of a position, if it has been loaded. @param {number} position */
  pageOf(position) {
    return this.get(Math.floor(position / PAGE_ROWS));
  }

  /** Mark a page as the last one used. @param {Page | undefined} page */
  use(page) {
    if (page) page.lastUse = ++this.useCounter;
  }

  /** True if the pages hold rows in the order of the Turn. */
  get areInTurnOrder() {
    return ![...this.values()].some((page) => page.indices);
  }

  /** Keep the rows before the change and insert the new ones. @param {any} change */
  update({ from, removed, added, rows }) {
    const firstPage = Math.floor(from / PAGE_ROWS);
    const sameLength = added === removed && rows.length === added;
    for (const [number, page] of this) {
      if (page.indices) this.delete(number);
      else if (sameLength) page.rows.splice(...spliceArguments(number, from, rows, page.rows));
      else if (number > firstPage) this.delete(number);
      else if (number === firstPage) page.rows.splice(from - number * PAGE_ROWS);
    }
    if (!sameLength) this.put(from, rows, null);
  }

  /** @param {number} index @param {Partial<Row>} row */
  patchRow(index, row) {
    const page = this.pageOf(index);
    if (page && !page.indices && page.rows[index % PAGE_ROWS]) Object.assign(page.rows[index % PAGE_ROWS], row);
  }

  /** Insert rows at a position into their pages; rows that would leave a gap in a page are dropped. @param {number} from @param {Row[]} rows @param {number[] | null} indices */
  put(from, rows, indices) {
    for (let offset = 0; offset < rows.length; ) {
      const number = Math.floor((from + offset) / PAGE_ROWS);
      const pageOffset = (from + offset) % PAGE_ROWS;
      const page = this.get(number) ?? { rows: [], indices: indices && [], lastUse: ++this.useCounter };
      const rowsOfPage = rows.slice(offset, offset + PAGE_ROWS - pageOffset);
      if (page.rows.length < pageOffset) return;
      page.rows.splice(pageOffset, rowsOfPage.length, ...rowsOfPage);
      if (indices) page.indices?.splice(pageOffset, rowsOfPage.length, ...indices.slice(offset, offset + rowsOfPage.length));
      this.set(number, page);
      offset += rowsOfPage.length;
    }
  }

  /** Drop the least recently used pages. @param {number} keptPage the page that has just arrived */
  dropOld(keptPage) {
    while (this.size > MAX_PAGES) {
      const [oldestPage] = [...this].filter(([number]) => number !== keptPage).sort((a, b) => a[1].lastUse - b[1].lastUse);
      this.delete(oldestPage[0]);
    }
  }
}

/** Return the arguments of `splice` that replace the changed rows of a page. @param {number} number @param {number} from @param {Row[]} rows @param {Row[]} pageRows @returns {[number, number, ...Row[]]} */
function spliceArguments(number, from, rows, pageRows) {
  const start = Math.max(0, from - number * PAGE_ROWS);
  const changedRows = rows.slice(Math.max(0, number * PAGE_ROWS - from), Math.max(0, (number + 1) * PAGE_ROWS - from)).slice(0, Math.max(0, pageRows.length - start));
  return changedRows.length && start < pageRows.length ? [start, changedRows.length, ...changedRows] : [0, 0];
}
