// @ts-check
/*
 * The data of a Run in the page: its timeline, and each block once, as created by `render/timeline.py`.
 *
 * All distinct blocks are in the *pool*; a *place* is an index in the pool, and a Turn is a list of *stretches* (ranges
 * of places). The trait `start` has the full state when the page attached, the trait `update` the changes since then.
 * They are numbered; after a gap the page requests `start`. A saved page has a model with all data (saved_page.js).
 */

import { PageRows, addCalls } from "./row_source.js";

/**
 * A change: all Turns from an index, a range of the pool, one row of the pool, or text appended to streaming blocks.
 * @typedef {{from: number} | {rows: [number, number]} | {place: number} | {text: [number, string][]}} RunChange
 *
 * @typedef {import("./row_source.js").Row} Row
 * @typedef {import("./row_source.js").Call} Call
 * @typedef {[number, number]} Stretch
 * A phase: its name, iteration and number of blocks; `fresh` and `stretches` only if they differ from the Turn's.
 * @typedef {{phase: string, iteration: number, blocks: number, fresh?: Stretch[], stretches?: Stretch[]}} Phase
 * @typedef {{index: number, title: string, state: string, blocks: number, stretches: Stretch[], calls: number, phases: Phase[],
 *   fresh: Stretch[], added?: number, edited?: number, removed?: number, moved?: number, input?: number, output?: number, cached?: number,
 *   cost?: number, phrases?: string[], ms?: number, models?: string[], lane?: import("./lane_calls.js").LaneCall[], window?: number, ending?: import("./ending_row.js").Ending, can_retry?: boolean, changes?: import("./comparison_table.js").Pair[], more_changes?: number}} TurnEntry
 * @typedef {{isSaved?: boolean, get: (name: string) => any, set: (name: string, value: any) => void, save_changes: () => void, send: (message: any) => void,
 *   on: (name: string, listener: (...args: any[]) => void) => void, off: (name: string, listener: (...args: any[]) => void) => void}} Model
 */

const MAX_REQUEST_ROWS = 200; // rows of one request
export const MAX_PREFETCH = 10000; // rows loaded in idle time

export class RunSource {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.number = -1;
    /** @type {TurnEntry[]} */
    this.turns = [];
    this.name = "";
    this.file = ""; // its name, if it is not part of the name of the Run
    this.single = false; // the source is a Turn, not a Run
    this.head = "";
    this.activity = "";
    this.hasKernel = !model.isSaved;
    /** @type {Map<string, import("./subagents.js").Child>} Runs that calls started, by id */
    this.children = new Map();
    this.canRender = this.hasKernel || !!model.get("markdown");
    this.canRetry = false;
    this.canLabel = false;
    /** @type {string[]} labels of the Run */
    this.labels = [];
    /** @type {{state: "passed" | "failed" | "limit" | "", text: string} | null} how the Run ended, as its source says */
    this.outcome = null;
    /** @type {{head: string, dropped?: number, lines: string[]} | null} */
    this.report = null;
    /** @type {import("./problem_kinds.js").Problem[] | undefined} undefined if they must be requested */
    this.problems = undefined;
    /** @type {import("./problem_kinds.js").ProblemRules} */
    this.problemRules = { patterns: [], repeats: 3, gap_seconds: 600, near_limit: 0.9 };
    this.length = 0; // blocks of the pool, loaded or not
    /** @type {(Row | undefined)[]} */
    this.pool = [];
    /** @type {Map<string, Call>} */
    this.calls = new Map();
    /** @type {Row[]} streaming blocks after the last Turn */
    this.streamingRows = [];
    /** @type {Set<number>} requested places */
    this.requestedPlaces = new Set();
    /** @type {Set<(change: RunChange) => void>} */
    this.listeners = new Set();
    /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
    this.pendingRequests = new Map();
    this.lastRequestId = 0;
    this.onStart = () => this.replaceRun(model.get("start"));
    this.onUpdate = () => this.applyUpdate(model.get("update"));
    /** @param {any} message */
    this.onMessage = (message) => this.handleMessage(message);
    model.on("change:start", this.onStart);
    model.on("change:update", this.onUpdate);
    model.on("msg:custom", this.onMessage);
    this.onStart();
    model.send({ request: "start" });
  }

  close() {
    this.model.off("change:start", this.onStart);
    this.model.off("change:update", this.onUpdate);
    this.model.off("msg:custom", this.onMessage);
  }

  /** @param {any} start */
  replaceRun(start) {
    if (!start?.turns || start.number <= this.number) return;
    this.number = start.number;
    this.single = !!start.single;
    this.canRetry = !!start.can_retry;
    this.canLabel = !!start.can_label;
    this.labels = start.labels ?? [];
    this.children = new Map(Object.entries(start.children ?? {}));
    this.problems = start.problems;
    this.problemRules = start.problem_rules ?? this.problemRules;
    this.turns = start.turns;
    this.streamingRows = start.open ??  [];
    this.put(start);
    this.notify({ from: 0 });
  }

  /** @param {any} update */
  applyUpdate(update) {
    if (!this.isNext(update?.number)) return;
    const from = update.from ?? this.turns.length;
    if (update.turns) {
      const oldEntry = this.turns[from];
      const firstEntry = update.turns[0];
      if (oldEntry && firstEntry && update.phases_from) firstEntry.phases = [...oldEntry.phases.slice(0, update.phases_from), ...firstEntry.phases];
      if (oldEntry && firstEntry && update.calls_from) firstEntry.lane = [...(oldEntry.lane ?? []).slice(0, update.calls_from), ...firstEntry.lane];
      this.turns.splice(from, Infinity, ...update.turns);
    }
    const rows = (update.rows ?? []).map((/** @type {Row & {remaining_text?: string}} */ row, /** @type {number} */ n) =>
      // A streamed text stays unfolded, because somebody may be reading it.
      row.remaining_text === undefined ? row : { ...row, body: (this.streamingRows[n]?.body ?? "") + row.remaining_text, fold: false },
    );
    this.streamingRows = update.open ??  [];
    this.put({ ...update, rows });
    this.notify({ from });
  }

  /** @param {number | undefined} number @returns {boolean} whether it follows the last one; a gap leads to a request for `start` */
  isNext(number) {
    if (number === undefined || number <= this.number) return false;
    if (number !== this.number + 1) {
      this.model.send({ request: "start" });
      return false;
    }
    this.number = number;
    return true;
  }

  /** @param {{head: string, activity: string, name?: string, file?: string, outcome?: RunSource["outcome"], report?: RunSource["report"], length: number, at: number, rows: Row[], calls: Record<string, Call>}} data */
  put(data) {
    this.head = data.head ?? this.head;
    this.activity = data.activity ?? "";
    if (data.name !== undefined) [this.name, this.file, this.outcome] = [data.name, data.file ?? "", data.outcome ?? null];
    if (data.report !== undefined) this.report = data.report;
    this.length = data.length ?? this.length;
    addCalls(this.calls, data.calls);
    (data.rows ?? []).forEach((row, n) => (this.pool[data.at + n] = row));
  }

  /** @param {any} message */
  handleMessage(message) {
    const request = this.pendingRequests.get(message.id);
    if (message.t) {
      if (!this.isNext(message.n)) return;
      for (const [number, text] of message.t) if (this.streamingRows[number]) this.streamingRows[number].body = (this.streamingRows[number].body ?? "") + text;
      this.notify({ text: message.t });
    } else if (request) {
      this.pendingRequests.delete(message.id);
      if (message.error === undefined) request.resolve(message.text ?? message.problems ?? message.lens ?? message.child);
      else request.reject(new Error(message.error));
    } else if (Array.isArray(message.rows) && typeof message.at === "number") {
      this.put({ ...message, head: this.head, activity: this.activity, report: this.report, length: this.length });
      for (let n = 0; n < message.rows.length; n++) this.requestedPlaces.delete(message.at + n);
      this.notify({ rows: [message.at, message.at + message.rows.length] });
    } else if (typeof message.body === "string" && this.pool[message.place]) {
      this.pool[message.place] = { .../** @type {Row} */ (this.pool[message.place]), body: message.body, cut: false };
      this.notify({ place: message.place });
    }
  }

  /** Return the name of a tool that a block calls or whose result it is; "" if it is unknown. @param {number} turn @param {number} index of the block */
  blockName(turn, index) {
    let offset = index;
    for (const [from, to] of this.turns[turn]?.stretches ?? []) {
      if (offset < to - from) return this.toolName(from + offset);
      offset -= to - from;
    }
    return "";
  }

  /** @param {number} place */
  toolName(place) {
    const row = this.pool[place];
    if (row?.name || row?.kind !== "tool_use") return row?.name ?? "";
    for (let earlier = place - 1; earlier >= 0; earlier--) if (this.pool[earlier]?.kind === "tool_call" && this.pool[earlier]?.call === row.call) return this.pool[earlier]?.name ?? "";
    return "";
  }

  /** Send a request and return the answer. @param {Record<string, unknown>} request @returns {Promise<any>} */
  ask(request) {
    const id = ++this.lastRequestId;
    return new Promise((resolve, reject) => {
      this.pendingRequests.set(id, { resolve, reject });
      this.model.send({ ...request, id });
    });
  }

  /** Return a block in a format: text json provider metadata python yaml. @param {number} place @param {string} format @returns {Promise<string>} */
  blockText(place, format) {
    return this.ask({ request: "format", place, format });
  }

  /** Add a label to a block. @param {number} place @param {string} label @returns {Promise<string>} */
  addLabel(place, label) {
    return this.ask({ request: "label", place, label });
  }

  /** Request blocks that have not been loaded, and the ones after them: few large requests are faster than many. @param {number} from @param {number} to places in the pool */
  load(from, to) {
    for (let place = from; place < Math.min(to, this.length); place += 1) {
      if (this.pool[place] || this.requestedPlaces.has(place)) continue;
      let end = place;
      while (end < Math.min(this.length, place + MAX_REQUEST_ROWS) && !this.pool[end] && !this.requestedPlaces.has(end)) this.requestedPlaces.add(end++);
      this.model.send({ request: "rows", from: place, to: end });
      place = end - 1;
    }
  }

  /** @param {RunChange} change */
  notify(change) {
    for (const listener of this.listeners) listener(change);
  }
}

/** The rows of one Turn, at its end or at a phase. */
export class TurnRows extends PageRows {
  /** @param {RunSource} run */
  constructor(run) {
    super();
    this.calls = run.calls;
    this.run = run;
    /** @type {number[]} index → place in the pool */
    this.places = [];
    /** @type {boolean[]} index → whether the block is new in this Turn */
    this.isNew = [];
    this.onlyNew = false;
    this.marksNew = false;
    /** @type {Map<number, (() => void)[]>} place → callbacks that wait for its body */
    this.bodyWaiters = new Map();
    /** @type {(() => void)[]} callbacks that wait for all rows */
    this.completeWaiters = [];
  }

  /** Replace the rows. @param {Stretch[]} stretches @param {number} length @param {Stretch[]} newIndices @param {Row[]} streamingRows */
  showBlocks(stretches, length, newIndices, streamingRows) {
    /** @type {number[]} */
    const places = [];
    for (const [from, to] of stretches) for (let place = from; place < to && places.length < length; place++) places.push(place);
    const oldPlaces = this.places;
    const oldMarks = this.rows.map((row) => !!row?.fresh);
    this.places = places;
    this.isNew = places.map(() => false);
    for (const [from, to] of newIndices) this.isNew.fill(true, from, Math.min(to, places.length));
    this.marksNew = this.isNew.includes(false); // if all blocks are new, none is marked
    let unchanged = 0;
    while (unchanged < places.length && unchanged < oldPlaces.length && places[unchanged] === oldPlaces[unchanged] && oldMarks[unchanged] === (this.marksNew && this.isNew[unchanged]) && this.rows[unchanged]) unchanged++;
    this.isNew.push(...streamingRows.map(() => true));
    const rows = places.slice(unchanged).map((place, n) => /** @type {Row} */ (this.rowAt(place, unchanged + n)));
    this.splice(unchanged, [...rows, ...streamingRows.map((row) => ({ ...row, fresh: this.marksNew }))]);
  }

  /** Append text to a streaming block. @param {number} number index among the streaming blocks @param {string} text */
  addStreamedText(number, text) {
    if (this.rows[this.places.length + number]) this.addText(this.places.length + number, text);
  }

  /** @param {number} place @param {number} index @returns {Row | undefined} */
  rowAt(place, index) {
    const row = this.run.pool[place];
    return row && { ...row, fresh: this.marksNew && this.isNew[index] };
  }

  /** Take over rows of the pool that have been loaded. @param {number} from @param {number} to places in the pool */
  rowsArrived(from, to) {
    let firstChanged = Infinity;
    let lastChanged = -1;
    this.places.forEach((place, index) => {
      if (place < from || place >= to) return;
      this.rows[index] = /** @type {Row} */ (this.rowAt(place, index));
      firstChanged = Math.min(firstChanged, index);
      lastChanged = index;
    });
    for (let place = from; place < to; place++) {
      for (const resolve of this.bodyWaiters.get(place) ?? []) resolve();
      this.bodyWaiters.delete(place);
    }
    if (this.completeWaiters.length && this.places.every((place) => this.run.pool[place])) for (const resolve of this.completeWaiters.splice(0)) resolve();
    if (firstChanged === Infinity) return;
    this.partnerIndices = null;
    if (this.order || this.hasFilters) return this.setFilterSort({});
    this.notify({ from: this.firstAffected(firstChanged), to: this.affectedEnd(firstChanged, lastChanged + 1) });
  }

  get hasFilters() {
    const { search, only_matches: onlyMatches, kinds, tool, sort } = this.filterSort;
    return this.onlyNew || (search && onlyMatches) || kinds.length > 0 || tool || sort;
  }

  /** @returns {number[] | null} */
  computeOrder() {
    if (this.hasFilters && this.places.some((place) => !this.run.pool[place])) void this.load(0, this.places.length, true);
    const rows = this.rows;
    const allLoaded = rows.every(Boolean);
    const order = allLoaded ? super.computeOrder() : this.hasFilters ? [...rows.keys()].filter((index) => rows[index]) : null;
    return this.onlyNew ? (order ?? [...rows.keys()]).filter((index) => this.isNew[index]) : order;
  }

  /** @param {number} from @param {number} to positions, or indices if `byIndex` @param {boolean} [byIndex] */
  async load(from = 0, to = 0, byIndex = false) {
    for (let n = from; n < to; ) {
      const first = this.places[byIndex ? n : (this.index(n) ?? n)];
      let last = first;
      while (++n < to && this.places[byIndex ? n : (this.index(n) ?? n)] === last + 1) last++;
      if (first !== undefined) this.run.load(first, last + 1);
    }
  }

  /** Load the whole body of a row. @param {number} index @returns {Promise<void>} */
  loadMore(index) {
    const place = this.places[index];
    if (place === undefined) return Promise.resolve(); // a streaming block has nothing more
    if (!this.run.pool[place]?.cut && this.run.pool[place]?.body !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.bodyWaiters.set(place, [...(this.bodyWaiters.get(place) ?? []), resolve]);
      this.run.model.send({ request: "body", place });
    });
  }

  /** @param {number} index @param {string} format */
  text(index, format) {
    if (this.places[index] !== undefined) return this.run.blockText(this.places[index], format);
    return format === "text" ? super.text(index, format) : Promise.reject(new Error("This block is still streaming"));
  }

  /** @param {number} position @param {1 | -1} step */
  async find(position, step) {
    await this.loadAll();
    return super.find(position, step);
  }

  /** Wait until all rows have been loaded. @returns {Promise<void>} */
  loadAll() {
    if (this.places.every((place) => this.run.pool[place])) return Promise.resolve();
    void this.load(0, this.places.length, true);
    return new Promise((resolve) => this.completeWaiters.push(resolve));
  }
}
