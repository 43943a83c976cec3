// @ts-check
/*
 * Where the rows of a block table come from.
 *
 * A table (block_table.js) draws the rows at the positions it shows and asks its source for them.
 * `RowSource` is all it knows. `PageRows` is the source for rows that are all in the page: a table that
 * streams, a saved page, one side of a comparison. A source that has them in the kernel is in kernel_rows.js.
 *
 * An *index* is the place of a block in its Turn and never depends on what is shown. A *position* is a
 * place among the rows shown: with nothing filtered or sorted they are the same.
 */

/**
 * One block, as `rows.row` or `rows.page_row` makes it. `cut`: `body` is only the beginning, ask `more`.
 * `lead`: the first of the blocks its model call made. `partner`: the index of its result, or of its call.
 * `got`: of a cut body, how many of the kernel's characters came.
 * An image is a data URL, or "" when it has to be asked for. `open`: on its way, its body grows.
 * @typedef {{kind: string, head?: string, body?: string, size: number, fold?: boolean, cut?: boolean, call?: string,
 *   name?: string, role?: string, error?: boolean, ms?: number, inference?: string, lead?: boolean, partner?: number,
 *   images?: string[], elsewhere?: string[], open?: boolean, fresh?: boolean, got?: number}} Row
 *
 * One model call: what the cells of its rows say, unknown ones left out. Times are in ms, `cost` in USD.
 * @typedef {{provider?: string, model?: string, stop?: string, finish: string, truncated?: boolean, input?: number,
 *   output?: number, cached?: number, reasoning?: number, cost?: number, ms?: number, first?: number}} Call
 *
 * Which rows are shown and in what order. `kinds` empty: all; `only`: leave out rows without a match;
 * `sort`: the name of a column, after "-" descending, "" as in the Turn.
 * @typedef {{search: string, only: boolean, kinds: string[], tool: string, sort: string}} Arrangement
 *
 * What changed: rows at positions `from` up to `to` (more or fewer than before from there on when the length changed),
 * or only that `text` came to the end of the open row at `position`, or that the search did.
 * @typedef {{from: number, to: number} | {position: number, text: string}} Change
 *
 * A match: its position, its number among all, how many there are, and where in the body it begins.
 * @typedef {{position: number, number: number, count: number, at: number}} Match
 *
 * @typedef {object} RowSource
 * @property {number} length positions there are
 * @property {number} total rows there are, shown or not
 * @property {Arrangement} arrangement
 * @property {(position: number) => Row | undefined} row undefined: it has not come yet, and `need` asks for it
 * @property {(position: number) => number | undefined} index
 * @property {(index: number) => number} position -1 when it is not shown, or not known to be
 * @property {(index: number) => Promise<number>} locate its position, wherever it is; -1 when it is left out
 * @property {(key: string) => Call | undefined} call
 * @property {(index: number) => number | undefined} partner
 * @property {(from: number, to: number) => Promise<void>} need these rows: they come, if they are not here
 * @property {(from: number, to: number) => Promise<number[]>} indices of the rows at these positions, both included
 * @property {(index: number, upTo?: number) => Promise<void>} more the whole of a cut body, or `upTo` a character
 * @property {(index: number, number: number) => Promise<string>} image as a data URL
 * @property {(index: number, form: string) => Promise<string>} text of a block in a form: text json provider metadata python yaml
 * @property {(change: Partial<Arrangement>) => void} arrange
 * @property {(position: number, step: 1 | -1) => Promise<Match | undefined>} find the next match, not at `position` itself
 * @property {(hear: (change: Change) => void) => () => void} listen gives what ends the listening
 */

/** @type {Arrangement} */
export const AS_IT_IS = { search: "", only: false, kinds: [], tool: "", sort: "" };

/** What a row can be sorted by, by name of column. @type {Record<string, (row: Row, call: Call | undefined, index: number) => string | number | undefined>} */
const SORTS = {
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

/** All that a search looks through. @param {Row} row */
function sought(row) {
  return `${row.name ?? ""}\n${row.body ?? row.head ?? ""}`.toLowerCase();
}

/** Rows that are all in the page. @implements {RowSource} */
export class PageRows {
  /** @param {Row[]} rows @param {Record<string, Call>} calls */
  constructor(rows = [], calls = {}) {
    this.rows = rows;
    this.calls = calls;
    this.arrangement = AS_IT_IS;
    /** @type {number[] | null} indices by position; null: as they are */
    this.order = null;
    /** @type {Map<string, number[]> | null} indices of calls and of results, by id */
    this.places = null;
    /** @type {Set<(change: Change) => void>} */
    this.hearers = new Set();
  }

  get length() {
    return this.order ? this.order.length : this.rows.length;
  }

  get total() {
    return this.rows.length;
  }

  // Changing: for whoever feeds this source.

  /** Put rows in the place of all from index `from` on. @param {number} from @param {Row[]} rows @param {Record<string, Call>} [calls] */
  splice(from, rows, calls = {}) {
    this.rows.splice(from, Infinity, ...rows);
    Object.assign(this.calls, calls);
    this.places = null;
    if (this.order) return this.arrange({});
    const start = this.sharedFrom(from);
    this.tell({ from: start, to: this.rows.length });
  }

  /** Add text to the end of an open row. @param {number} index @param {string} text */
  addText(index, text) {
    const row = this.rows[index];
    row.body = (row.body ?? "") + text;
    const position = this.position(index);
    if (position >= 0) this.tell({ position, text });
  }

  /** What changes at `from` may also change rows before it: those of the same model call, and calls it answers. @param {number} from */
  sharedFrom(from) {
    let start = from;
    while (start > 0 && this.rows[start - 1]?.inference && this.rows[start - 1].inference === this.rows[from]?.inference) start--;
    for (let index = from; index < this.rows.length; index++) {
      const partner = this.partner(index);
      if (partner !== undefined && partner < start) start = partner;
    }
    return start;
  }

  /** @param {Change} change */
  tell(change) {
    for (const hear of this.hearers) hear(change);
  }

  // Reading: what a table asks.

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
    if (row && row.inference && row.lead === undefined) row.lead = this.rows[index - 1]?.inference !== row.inference;
    if (row && row.kind === "tool_use" && row.name === undefined) row.name = this.rows[this.partner(index) ?? -1]?.name;
    return row;
  }

  /** @param {string} key */
  call(key) {
    return this.calls[key];
  }

  /** @param {number} index */
  partner(index) {
    const row = this.rows[index];
    if (!row?.call) return undefined;
    if (row.partner !== undefined) return row.partner;
    if (!this.places) {
      this.places = new Map();
      for (const [place, one] of this.rows.entries()) {
        if (!one?.call) continue; // it may not have come yet
        const { kind, call } = one;
        const known = this.places.get(kind + call);
        if (known) known.push(place);
        else this.places.set(kind + call, [place]);
      }
    }
    const others = this.places.get((row.kind === "tool_call" ? "tool_use" : "tool_call") + row.call);
    const order = this.places.get(row.kind + row.call)?.indexOf(index) ?? 0; // of equal ids the n-th answers the n-th (pairs.py)
    return others?.[Math.min(Math.max(order, 0), others.length - 1)];
  }

  /** All are here. @param {number} from @param {number} to */
  async need(from, to) {}

  /** @param {number} from @param {number} to */
  async indices(from, to) {
    return Array.from({ length: to - from + 1 }, (_, n) => this.index(from + n) ?? -1);
  }

  /** There is no more than what is in the page; a source that can ask does. @param {number} index @param {number} [upTo] @returns {Promise<void>} */
  async more(index, upTo) {}

  /** @param {number} index @param {number} number */
  async image(index, number) {
    return this.rows[index]?.images?.[number] ?? "";
  }

  /** @param {number} index @param {string} form */
  async text(index, form) {
    return form === "text" ? (this.rows[index]?.body ?? "") : "";
  }

  /** @param {Partial<Arrangement>} change */
  arrange(change) {
    this.arrangement = { ...this.arrangement, ...change };
    this.order = this.ordered();
    this.tell({ from: 0, to: this.length });
  }

  /** @returns {number[] | null} */
  ordered() {
    const { search, only, kinds, tool, sort } = this.arrangement;
    if (!(search && only) && !kinds.length && !tool && !sort) return null;
    const low = search.toLowerCase();
    const shown = [...this.rows.keys()].filter((index) => {
      const row = this.rows[index];
      if (kinds.length && !kinds.includes(row.kind)) return false;
      if (tool && row.name !== tool && this.rows[this.partner(index) ?? -1]?.name !== tool) return false;
      return !(low && only) || sought(row).includes(low);
    });
    const by = SORTS[sort.replace(/^-/, "")];
    if (!by) return shown;
    const sign = sort.startsWith("-") ? -1 : 1;
    const keys = new Map(shown.map((index) => [index, by(this.rows[index], this.call(this.rows[index].inference ?? ""), index)]));
    return shown.sort((a, b) => compared(keys.get(a), keys.get(b), sign) || a - b);
  }

  /** @param {number} position @param {1 | -1} step @returns {Promise<Match | undefined>} */
  async find(position, step) {
    const low = this.arrangement.search.toLowerCase();
    if (!low) return undefined;
    /** @type {number[]} */
    const found = [];
    for (let place = 0; place < this.length; place++) {
      const row = this.row(place);
      if (row && sought(row).includes(low)) found.push(place);
    }
    return found.length ? nextMatch(found, position, step, (place) => (this.row(place)?.body ?? "").toLowerCase().indexOf(low)) : undefined;
  }

  /** @param {(change: Change) => void} hear */
  listen(hear) {
    this.hearers.add(hear);
    return () => void this.hearers.delete(hear);
  }
}

/** What is not known comes last, whichever way it is sorted. @param {string | number | undefined} a @param {string | number | undefined} b @param {number} sign */
function compared(a, b, sign) {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
  return a < b ? -sign : a > b ? sign : 0;
}

/** The match after (or before) a position, around the end if need be. @param {number[]} found @param {number} position @param {1 | -1} step @param {(position: number) => number} at */
function nextMatch(found, position, step, at) {
  const after = found.findIndex((place) => place > position);
  const before = found.findLastIndex((place) => place < position);
  const number = step > 0 ? Math.max(after, 0) : before < 0 ? found.length - 1 : before;
  return { position: found[number], number: number + 1, count: found.length, at: Math.max(at(found[number]), 0) };
}
