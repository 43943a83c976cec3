// @ts-check
/*
 * Sources of the rows of a block table.
 *
 * A table (block_table.js) draws the rows at visible positions and gets them from a `RowSource`. `PageRows` is the
 * source for rows that are all in the page: a streaming table, a saved page, one side of a comparison. The source
 * in kernel_rows.js requests them from the kernel.
 *
 * An *index* is the place of a block in its Turn and does not depend on filters. A *position* is a place among the
 * displayed rows; without filters and sorting both are equal.
 */

/**
 * One block, as created by `rows.row` and `BlockIndex.row_payload`. `cut`: `body` is only the beginning,
 * `loadMore` gets the rest. `received`: characters of a cut body that have arrived, as the kernel counts them.
 * `first_of_call`: the first block of its model call. `partner`: the index of its result or of its call.
 * An image is a data URL, or "" if it must be requested. `open`: the block is streaming, and its body grows.
 * `fresh`: the block is new. `child`: id of the Run that a call started. `form`: it has another form, which the format "nodes" returns.
 * @typedef {{kind: string, head?: string, body?: string, size: number, fold?: boolean, cut?: boolean, call?: string,
 *   name?: string, role?: string, error?: boolean, ms?: number, inference?: string, first_of_call?: boolean, partner?: number,
 *   images?: string[], elsewhere?: string[], marks?: Mark[], open?: boolean, form?: boolean, child?: string, fresh?: boolean, received?: number}} Row
 *
 * What a person changed: `before` is the text before the change.
 * @typedef {{sign: string, label: string, note: string, before?: string}} Mark
 *
 * One model call; unknown values are left out. Times are in ms, `cost` in USD.
 * @typedef {{provider?: string, model?: string, stop?: string, finish: string, truncated?: boolean, input?: number,
 *   output?: number, cached?: number, reasoning?: number, cost?: number, estimated?: boolean, ms?: number, first?: number}} Call
 *
 * The filters and the order of the displayed rows. An empty `kinds` means all; `only_matches` hides rows without a
 * match; `sort` is a column, with a leading "-" for descending order, or "" for the order of the Turn.
 * @typedef {{search: string, only_matches: boolean, kinds: string[], tool: string, sort: string}} FilterSort
 *
 * A change: the rows at positions `from` up to `to` (up to the end if the length changed), or `text` appended to the
 * streaming row at `position`.
 * @typedef {{from: number, to: number} | {position: number, text: string}} Change
 *
 * A search match: its position, its number, the number of matches, and its offset in the body.
 * @typedef {{position: number, number: number, count: number, offset: number}} Match
 *
 * @typedef {object} RowSource
 * @property {number} length number of displayed rows
 * @property {number} total number of rows, displayed or hidden
 * @property {FilterSort} filterSort
 * @property {(position: number) => Row | undefined} row undefined if it has not arrived; `load` requests it
 * @property {(position: number) => number | undefined} index
 * @property {(index: number) => number} position -1 if it is hidden or unknown
 * @property {(index: number) => Promise<number>} locate its position, from the kernel if necessary; -1 if it is hidden
 * @property {Map<string, Call>} calls the model calls that have arrived, by key
 * @property {(key: string) => Call | undefined} call
 * @property {(index: number) => number | undefined} partner
 * @property {(from: number, to: number) => Promise<void>} load request these rows if they have not arrived
 * @property {(from: number, to: number) => Promise<number[]>} indices of the rows at these positions, inclusive
 * @property {(index: number, upTo?: number) => Promise<void>} loadMore the whole body, or the part up to a character
 * @property {(index: number, number: number) => Promise<string>} image as a data URL
 * @property {(index: number, format: string) => Promise<string>} text of a block in a format: text json provider metadata python yaml
 * @property {(change: Partial<FilterSort>) => void} setFilterSort
 * @property {(position: number, step: 1 | -1) => Promise<Match | undefined>} find the next match before or after `position`
 * @property {(listener: (change: Change) => void) => () => void} listen returns a function that removes the listener
 */

/** @type {FilterSort} */
export const NO_FILTER_SORT = { search: "", only_matches: false, kinds: [], tool: "", sort: "" };

/** Sort values of a row by column. @type {Record<string, (row: Row, call: Call | undefined, index: number) => string | number | undefined>} */
const SORT_VALUES = {
  number: (row, call, index) => index,
  kind: (row) => row.kind,
  role: (row) => row.role,
  content: (row) => row.size,
  provider: (row, call) => call?.provider,
  model: (row, call) => call?.model,
  stop: (row, call) => call?.stop,
  finish: (row, call) => call?.finish,
  tokens: (row, call) => (call?.input === undefined ? undefined : call.input + (call.output ?? 0)),
  cached: (row, call) => call?.cached,
  reasoning: (row, call) => call?.reasoning,
  cost: (row, call) => call?.cost,
  time: (row, call) => call?.ms ?? row.ms,
  first: (row, call) => call?.first,
};

/** Add model calls by their keys. @param {Map<string, Call>} target @param {Record<string, Call> | undefined} calls */
export function addCalls(target, calls) {
  for (const [key, call] of Object.entries(calls ?? {})) target.set(key, call);
}

/** Return the text of a row that is searched, in lower case. @param {Row} row */
function searchableText(row) {
  return `${row.name ?? ""}\n${row.body ?? row.head ?? ""}`.toLowerCase();
}

/** A source whose rows are all in the page. @implements {RowSource} */
export class PageRows {
  /** @param {Row[]} rows @param {Record<string, Call>} calls */
  constructor(rows = [], calls = {}) {
    this.rows = rows;
    /** @type {Map<string, Call>} by the key of a row; ids are texts of models, so no plain object */
    this.calls = new Map(Object.entries(calls));
    this.filterSort = NO_FILTER_SORT;
    /** @type {number[] | null} indices by position; null for the order of the Turn */
    this.order = null;
    /** @type {Map<string, number[]> | null} kind and call id → indices */
    this.partnerIndices = null;
    /** @type {Set<(change: Change) => void>} */
    this.listeners = new Set();
  }

  get length() {
    return this.order ? this.order.length : this.rows.length;
  }

  get total() {
    return this.rows.length;
  }

  // Changes by the owner of the rows.

  /** Replace all rows from index `from`. @param {number} from @param {Row[]} rows @param {Record<string, Call>} [calls] */
  splice(from, rows, calls = {}) {
    this.rows.splice(from, Infinity, ...rows);
    addCalls(this.calls, calls);
    this.partnerIndices = null;
    if (this.order) return this.setFilterSort({});
    const start = this.firstAffected(from);
    this.notify({ from: start, to: this.rows.length });
  }

  /** Append text to a streaming row. @param {number} index @param {string} text */
  addText(index, text) {
    const row = this.rows[index];
    row.body = (row.body ?? "") + text;
    const position = this.position(index);
    if (position >= 0) this.notify({ position, text });
  }

  /** Return the first row affected by a change at `from`: one of the same model call, or the call of a new result. @param {number} from */
  firstAffected(from) {
    let start = from;
    while (start > 0 && this.rows[start - 1]?.inference && this.rows[start - 1].inference === this.rows[from]?.inference) start--;
    for (let index = from; index < this.rows.length; index++) {
      const partner = this.partner(index);
      if (partner !== undefined && partner < start) start = partner;
    }
    return start;
  }

  /** Return the end of the rows affected by a change of the rows `from` up to `to`, which includes the results of calls there. @param {number} from @param {number} to */
  affectedEnd(from, to) {
    let end = Math.min(to + 1, this.rows.length);
    for (let index = from; index < to; index++) end = Math.max(end, (this.partner(index) ?? -1) + 1);
    return end;
  }

  /** @param {Change} change */
  notify(change) {
    for (const listener of this.listeners) listener(change);
  }

  // The RowSource interface.

  /** @param {number} position @returns {number | undefined} */
  index(position) {
    return this.order ? this.order[position] : position;
  }

  /** @param {number} index */
  position(index) {
    return this.order ? this.order.indexOf(index) : index < this.rows.length ? index : -1;
  }

  /** @param {number} index */
  async locate(index) {
    return this.position(index);
  }

  /** @param {number} position @returns {Row | undefined} */
  row(position) {
    const index = this.index(position) ?? -1;
    const row = this.rows[index];
    if (row && row.inference && row.first_of_call === undefined) row.first_of_call = this.rows[index - 1]?.inference !== row.inference;
    if (row && row.kind === "tool_use" && row.name === undefined) row.name = this.rows[this.partner(index) ?? -1]?.name;
    return row;
  }

  /** @param {string} key */
  call(key) {
    return this.calls.get(key);
  }

  /** @param {number} index */
  partner(index) {
    const row = this.rows[index];
    if (!row?.call) return undefined;
    if (row.partner !== undefined) return row.partner;
    if (!this.partnerIndices) {
      this.partnerIndices = new Map();
      for (const [rowIndex, row] of this.rows.entries()) {
        if (!row?.call) continue; // not loaded yet
        const { kind, call } = row;
        const indices = this.partnerIndices.get(kind + call);
        if (indices) indices.push(rowIndex);
        else this.partnerIndices.set(kind + call, [rowIndex]);
      }
    }
    const partners = this.partnerIndices.get((row.kind === "tool_call" ? "tool_use" : "tool_call") + row.call);
    const occurrence = this.partnerIndices.get(row.kind + row.call)?.indexOf(index) ?? 0; // the n-th result of a repeated id belongs to its n-th call (call_pairs.py)
    return partners?.[Math.min(Math.max(occurrence, 0), partners.length - 1)];
  }

  /** Do nothing: all rows are in the page. @param {number} from @param {number} to */
  async load(from, to) {}

  /** @param {number} from @param {number} to */
  async indices(from, to) {
    return Array.from({ length: to - from + 1 }, (_, n) => this.index(from + n) ?? -1);
  }

  /** Do nothing: all text is in the page. @param {number} index @param {number} [upTo] @returns {Promise<void>} */
  async loadMore(index, upTo) {}

  /** @param {number} index @param {number} number */
  async image(index, number) {
    return this.rows[index]?.images?.[number] ?? "";
  }

  /** @param {number} index @param {string} format */
  async text(index, format) {
    return format === "text" ? (this.rows[index]?.body ?? "") : "";
  }

  /** @param {Partial<FilterSort>} change */
  setFilterSort(change) {
    this.filterSort = { ...this.filterSort, ...change };
    this.order = this.computeOrder();
    this.notify({ from: 0, to: this.length });
  }

  /** @returns {number[] | null} */
  computeOrder() {
    const { search, only_matches, kinds, tool, sort } = this.filterSort;
    if (!(search && only_matches) && !kinds.length && !tool && !sort) return null;
    const lowerSearch = search.toLowerCase();
    const indices = [...this.rows.keys()].filter((index) => {
      const row = this.rows[index];
      if (kinds.length && !kinds.includes(row.kind)) return false;
      if (tool && row.name !== tool && this.rows[this.partner(index) ?? -1]?.name !== tool) return false;
      return !(lowerSearch && only_matches) || searchableText(row).includes(lowerSearch);
    });
    const sortValue = SORT_VALUES[sort.replace(/^-/, "")];
    if (!sortValue) return indices;
    const sign = sort.startsWith("-") ? -1 : 1;
    const keys = new Map(indices.map((index) => [index, sortValue(this.rows[index], this.call(this.rows[index].inference ?? ""), index)]));
    return indices.sort((a, b) => compareSortValues(keys.get(a), keys.get(b), sign) || a - b);
  }

  /** @param {number} position @param {1 | -1} step @returns {Promise<Match | undefined>} */
  async find(position, step) {
    const search = this.filterSort.search.toLowerCase();
    if (!search) return undefined;
    /** @type {number[]} */
    const positions = [];
    for (let rowPosition = 0; rowPosition < this.length; rowPosition++) {
      const row = this.row(rowPosition);
      if (row && searchableText(row).includes(search)) positions.push(rowPosition);
    }
    return positions.length ? adjacentMatch(positions, position, step, (rowPosition) => (this.row(rowPosition)?.body ?? "").toLowerCase().indexOf(search)) : undefined;
  }

  /** @param {(change: Change) => void} listener */
  listen(listener) {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}

/** Compare sort values; unknown values come last in both directions. @param {string | number | undefined} a @param {string | number | undefined} b @param {number} sign */
function compareSortValues(a, b, sign) {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
  return a < b ? -sign : a > b ? sign : 0;
}

/** Return the match after or before a position, wrapping around. @param {number[]} positions @param {number} position @param {1 | -1} step @param {(position: number) => number} offsetOf */
function adjacentMatch(positions, position, step, offsetOf) {
  const nextNumber = positions.findIndex((matchPosition) => matchPosition > position);
  const previousNumber = positions.findLastIndex((matchPosition) => matchPosition < position);
  const number = step > 0 ? Math.max(nextNumber, 0) : previousNumber < 0 ? positions.length - 1 : previousNumber;
  return { position: positions[number], number: number + 1, count: positions.length, offset: Math.max(offsetOf(positions[number]), 0) };
}
