// @ts-check
/*
 * What the page knows of a Run: its timeline, and each block once, as `timeline.py` gives them.
 *
 * Two traits of the model keep it up to date: `start` is the whole as it was when the page took it over,
 * `tail` what changed since, numbered; after a gap the page asks for `start`. A saved page has a model
 * that says it all at once (saved_page.js).
 */

import { PageRows } from "./row_source.js";

/**
 * What changed: all from a Turn on, rows of the pool, one that became longer, or only that text came to blocks on their way.
 * @typedef {{from: number} | {rows: [number, number]} | {place: number} | {text: [number, string][]}} News
 *
 * @typedef {import("./row_source.js").Row} Row
 * @typedef {import("./row_source.js").Call} Call
 * @typedef {[number, number]} Stretch
 * A boundary: its name, iteration, blocks, and, where they are not as in the Turn, what is new and where all are.
 * @typedef {{phase: string, iteration: number, blocks: number, fresh?: Stretch[], stretches?: Stretch[]}} Phase
 * @typedef {{index: number, title: string, state: string, blocks: number, stretches: Stretch[], calls: number, phases: Phase[],
 *   fresh: Stretch[], added?: number, edited?: number, removed?: number, moved?: number, input?: number, output?: number, cached?: number,
 *   cost?: number, ms?: number, models?: string[], changes?: import("./comparison_table.js").Pair[], more_changes?: number}} TurnEntry
 * @typedef {{get: (name: string) => any, set: (name: string, value: any) => void, save_changes: () => void, send: (message: any) => void,
 *   on: (name: string, hear: (...args: any[]) => void) => void, off: (name: string, hear: (...args: any[]) => void) => void}} Model
 */

const AT_ONCE = 200; // rows asked for together
export const AHEAD = 10000; // rows that are fetched although nobody looks at them

export class RunSource {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.number = -1;
    /** @type {TurnEntry[]} */
    this.turns = [];
    this.name = "";
    this.single = false; // it is one Turn, and no Run
    this.head = "";
    this.doing = "";
    /** @type {{head: string, lines: string[]} | null} */
    this.report = null;
    this.length = 0; // blocks of the pool, come or not
    /** @type {(Row | undefined)[]} */
    this.pool = [];
    /** @type {Record<string, Call>} */
    this.calls = {};
    /** @type {Row[]} blocks on their way, behind the last Turn */
    this.open = [];
    /** @type {Set<number>} places that were asked for */
    this.asked = new Set();
    /** @type {Set<(what: News) => void>} */
    this.hearers = new Set();
    /** @type {Map<number, {resolve: (text: string) => void, reject: (error: Error) => void}>} */
    this.questions = new Map();
    this.lastQuestion = 0;
    this.onStart = () => this.take(model.get("start"));
    this.onTail = () => this.follow(model.get("tail"));
    /** @param {any} message */
    this.onMessage = (message) => this.answered(message);
    model.on("change:start", this.onStart);
    model.on("change:tail", this.onTail);
    model.on("msg:custom", this.onMessage);
    this.onStart();
    model.send({ want: "start" });
  }

  close() {
    this.model.off("change:start", this.onStart);
    this.model.off("change:tail", this.onTail);
    this.model.off("msg:custom", this.onMessage);
  }

  /** @param {any} start */
  take(start) {
    if (!start?.turns || start.number <= this.number) return;
    this.number = start.number;
    this.name = start.name;
    this.single = !!start.single;
    this.report = start.report ?? null;
    this.turns = start.turns;
    this.open = start.open ?? [];
    this.put(start);
    this.tell({ from: 0 });
  }

  /** @param {any} tail */
  follow(tail) {
    if (!this.isNext(tail?.number)) return;
    const from = tail.from ?? this.turns.length;
    if (tail.turns) {
      const old = this.turns[from];
      const first = tail.turns[0];
      if (old && first && tail.phases_from) first.phases = [...old.phases.slice(0, tail.phases_from), ...first.phases];
      this.turns.splice(from, Infinity, ...tail.turns);
    }
    const rows = (tail.rows ?? []).map((/** @type {Row & {kept?: string}} */ row, /** @type {number} */ n) =>
      // What somebody has read as it came does not fold under their eyes.
      row.kept === undefined ? row : { ...row, body: (this.open[n]?.body ?? "") + row.kept, fold: false },
    );
    this.open = tail.open ?? [];
    this.put({ ...tail, rows });
    this.tell({ from });
  }

  /** @param {number | undefined} number @returns {boolean} whether it is the one after the last; after a gap all is asked for */
  isNext(number) {
    if (number === undefined || number <= this.number) return false;
    if (number !== this.number + 1) {
      this.model.send({ want: "start" });
      return false;
    }
    this.number = number;
    return true;
  }

  /** @param {{head: string, doing: string, length: number, at: number, rows: Row[], calls: Record<string, Call>}} given */
  put(given) {
    this.head = given.head ?? this.head;
    this.doing = given.doing ?? "";
    this.length = given.length ?? this.length;
    Object.assign(this.calls, given.calls);
    (given.rows ?? []).forEach((row, n) => (this.pool[given.at + n] = row));
  }

  /** @param {any} message */
  answered(message) {
    const question = this.questions.get(message.id);
    if (message.t) {
      if (!this.isNext(message.n)) return;
      for (const [number, text] of message.t) if (this.open[number]) this.open[number].body = (this.open[number].body ?? "") + text;
      this.tell({ text: message.t });
    } else if (question) {
      this.questions.delete(message.id);
      if (message.error === undefined) question.resolve(message.text);
      else question.reject(new Error(message.error));
    } else if (Array.isArray(message.rows) && typeof message.at === "number") {
      this.put({ ...message, head: this.head, doing: this.doing, length: this.length });
      for (let n = 0; n < message.rows.length; n++) this.asked.delete(message.at + n);
      this.tell({ rows: [message.at, message.at + message.rows.length] });
    } else if (typeof message.body === "string" && this.pool[message.place]) {
      this.pool[message.place] = { .../** @type {Row} */ (this.pool[message.place]), body: message.body, cut: false };
      this.tell({ place: message.place });
    }
  }

  /** A block in a form: text json provider metadata python yaml. @param {number} place @param {string} form @returns {Promise<string>} */
  form(place, form) {
    const id = ++this.lastQuestion;
    return new Promise((resolve, reject) => {
      this.questions.set(id, { resolve, reject });
      this.model.send({ want: "form", place, form, id });
    });
  }

  /** Ask for blocks that have not come. @param {number} from @param {number} to places in the pool */
  need(from, to) {
    for (let at = from; at < Math.min(to, this.length); at += 1) {
      if (this.pool[at] || this.asked.has(at)) continue;
      let end = at;
      while (end < Math.min(to, this.length, at + AT_ONCE) && !this.pool[end] && !this.asked.has(end)) this.asked.add(end++);
      this.model.send({ want: "rows", from: at, to: end });
      at = end - 1;
    }
  }

  /** @param {News} what */
  tell(what) {
    for (const hear of this.hearers) hear(what);
  }
}

/** The blocks of one Turn, as it is or as it was at a phase. */
export class TurnRows extends PageRows {
  /** @param {RunSource} run */
  constructor(run) {
    super([], run.calls);
    this.run = run;
    /** @type {number[]} place in the pool by index */
    this.at = [];
    /** @type {boolean[]} by index */
    this.fresh = [];
    this.newOnly = false;
    this.tinted = false;
    /** @type {Map<number, (() => void)[]>} who waits for a body, by place */
    this.waiting = new Map();
    /** @type {(() => void)[]} who waits for all rows */
    this.completes = [];
  }

  /** Show these. @param {Stretch[]} stretches @param {number} length @param {Stretch[]} fresh indices that are new @param {Row[]} open on their way */
  show(stretches, length, fresh, open) {
    /** @type {number[]} */
    const at = [];
    for (const [from, to] of stretches) for (let place = from; place < to && at.length < length; place++) at.push(place);
    const old = this.at;
    const before = this.rows.map((row) => !!row?.fresh);
    this.at = at;
    this.fresh = at.map(() => false);
    for (const [from, to] of fresh) this.fresh.fill(true, from, Math.min(to, at.length));
    this.tinted = this.fresh.includes(false); // where all is new, nothing need be said
    let same = 0;
    while (same < at.length && same < old.length && at[same] === old[same] && before[same] === (this.tinted && this.fresh[same]) && this.rows[same]) same++;
    this.fresh.push(...open.map(() => true));
    const rows = at.slice(same).map((place, n) => /** @type {Row} */ (this.made(place, same + n)));
    this.splice(same, [...rows, ...open.map((row) => ({ ...row, fresh: this.tinted }))]);
  }

  /** More text of a block on its way. @param {number} number which of them @param {string} text */
  said(number, text) {
    if (this.rows[this.at.length + number]) this.addText(this.at.length + number, text);
  }

  /** @param {number} place @param {number} index @returns {Row | undefined} */
  made(place, index) {
    const row = this.run.pool[place];
    return row && { ...row, fresh: this.tinted && this.fresh[index] };
  }

  /** Rows came, or one became longer. @param {number} from @param {number} to places in the pool */
  came(from, to) {
    let first = Infinity;
    this.at.forEach((place, index) => {
      if (place < from || place >= to) return;
      this.rows[index] = /** @type {Row} */ (this.made(place, index));
      first = Math.min(first, index);
    });
    for (let place = from; place < to; place++) {
      for (const done of this.waiting.get(place) ?? []) done();
      this.waiting.delete(place);
    }
    if (this.completes.length && this.at.every((place) => this.run.pool[place])) for (const done of this.completes.splice(0)) done();
    if (first === Infinity) return;
    this.places = null;
    if (this.order || this.filtered) return this.arrange({});
    this.tell({ from: this.sharedFrom(first), to: this.rows.length });
  }

  get filtered() {
    const { search, only, kinds, tool, sort } = this.arrangement;
    return this.newOnly || (search && only) || kinds.length > 0 || tool || sort;
  }

  /** @returns {number[] | null} */
  ordered() {
    if (this.filtered && this.at.some((place) => !this.run.pool[place])) void this.need(0, this.at.length, true);
    const known = this.rows;
    const complete = known.every(Boolean);
    const order = complete ? super.ordered() : this.filtered ? [...known.keys()].filter((index) => known[index]) : null;
    return this.newOnly ? (order ?? [...known.keys()]).filter((index) => this.fresh[index]) : order;
  }

  /** @param {number} from @param {number} to positions, or indices if `inTurn` @param {boolean} [inTurn] */
  async need(from = 0, to = 0, inTurn = false) {
    for (let n = from; n < to; ) {
      const first = this.at[inTurn ? n : (this.index(n) ?? n)];
      let last = first;
      while (++n < to && this.at[inTurn ? n : (this.index(n) ?? n)] === last + 1) last++;
      if (first !== undefined) this.run.need(first, last + 1);
    }
  }

  /** The whole of a body that was cut. @param {number} index @returns {Promise<void>} */
  more(index) {
    const place = this.at[index];
    if (place === undefined) return Promise.resolve(); // on its way: there is no more
    if (!this.run.pool[place]?.cut && this.run.pool[place]?.body !== undefined) return Promise.resolve();
    return new Promise((done) => {
      this.waiting.set(place, [...(this.waiting.get(place) ?? []), done]);
      this.run.model.send({ want: "body", place });
    });
  }

  /** @param {number} index @param {string} form */
  text(index, form) {
    if (this.at[index] !== undefined) return this.run.form(this.at[index], form);
    return form === "text" ? super.text(index, form) : Promise.reject(new Error("this block is still on its way"));
  }

  /** @param {number} position @param {1 | -1} step */
  async find(position, step) {
    await this.complete();
    return super.find(position, step);
  }

  /** All rows have come. @returns {Promise<void>} */
  complete() {
    if (this.at.every((place) => this.run.pool[place])) return Promise.resolve();
    void this.need(0, this.at.length, true);
    return new Promise((done) => this.completes.push(done));
  }
}
