// @ts-check
/*
 * Rows of an execution as they come. Two traits bring them: `start` is the whole as it was when the page took it
 * over, `tail` what changed since; text on its way comes as messages of its own. All are numbered: whoever missed one
 * (the page was reloaded, or not ready yet) sees the gap and asks for `start`.
 */

import { PageRows } from "./row_source.js";

/** @typedef {import("./row_source.js").Row} Row */

export class LiveRows extends PageRows {
  /** @param {any} model the widget's model, as anywidget gives it */
  constructor(model) {
    super();
    this.model = model;
    this.number = -1;
    /** @type {any} where it stands */
    this.status = {};
    this.since = performance.now(); // when `status` came
    /** @type {Set<() => void>} hear of a new status */
    this.watchers = new Set();
    /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
    this.asked = new Map();
    this.lastAsked = 0;
    this.onStart = () => this.take(model.get("start"));
    this.onTail = () => this.follow(model.get("tail"));
    this.onMessage = (/** @type {any} */ message) => this.heard(message);
    model.on("change:start", this.onStart);
    model.on("change:tail", this.onTail);
    model.on("msg:custom", this.onMessage);
    this.onStart();
    this.begin();
  }

  /** From here on the kernel need only send what changes. */
  begin() {
    this.model.send({ want: "start" });
  }

  end() {
    this.model.off("change:start", this.onStart);
    this.model.off("change:tail", this.onTail);
    this.model.off("msg:custom", this.onMessage);
  }

  /** The whole. Rows that stayed as they are keep their place on the page. @param {any} start */
  take(start) {
    if (!start.rows || start.number < this.number) return;
    let same = 0;
    while (same < this.rows.length && same < start.rows.length && JSON.stringify(this.rows[same]) === JSON.stringify(start.rows[same])) same++;
    this.number = start.number;
    this.splice(same, start.rows.slice(same), start.calls);
    this.stands(start.status ?? {});
  }

  /** @param {any} tail */
  follow(tail) {
    if (!this.isNext(tail.number)) return;
    if (tail.rows) {
      const rows = tail.rows.map((/** @type {Row & {kept?: string}} */ row, /** @type {number} */ n) => {
        const streamed = this.rows[tail.from + n];
        // What somebody has read as it came does not fold under their eyes.
        return row.kept === undefined ? row : { ...row, body: (streamed?.body ?? "") + row.kept, fold: false };
      });
      this.splice(tail.from, rows, tail.calls);
    }
    if (tail.status) this.stands(tail.status);
  }

  /** @param {number} number @returns {boolean} whether it is the one after the last; after a gap all is asked for */
  isNext(number) {
    if (number === undefined || number <= this.number) return false;
    if (number !== this.number + 1) {
      this.begin();
      return false;
    }
    this.number = number;
    return true;
  }

  /** @param {any} status */
  stands(status) {
    this.status = status;
    this.since = performance.now();
    const fresh = status.status === "paused" || status.status === "running" ? (status.new ?? Infinity) : Infinity;
    let first = Infinity;
    let last = -1;
    this.rows.forEach((row, index) => {
      if (!!row.fresh === index >= fresh) return;
      row.fresh = index >= fresh;
      first = Math.min(first, index);
      last = index;
    });
    if (last >= 0) this.tell({ from: this.order ? 0 : first, to: this.order ? this.length : last + 1 });
    for (const watcher of this.watchers) watcher();
  }

  /** @param {any} message */
  heard(message) {
    if (message.t) {
      if (this.isNext(message.n)) for (const [index, text] of message.t) this.addText(index, text);
      return;
    }
    const asked = this.asked.get(message.id);
    if (!asked) return;
    this.asked.delete(message.id);
    if (message.error === undefined) asked.resolve(message.text);
    else asked.reject(new Error(message.error));
  }

  /** @param {Record<string, unknown>} question @returns {Promise<string>} */
  ask(question) {
    const id = ++this.lastAsked;
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      this.model.send({ ...question, id });
    });
  }

  /** The whole of a body that was too long to go with its row. @param {number} index */
  async more(index) {
    const row = this.rows[index];
    if (!row?.cut) return;
    row.body = await this.ask({ want: "form", row: index, form: "body" });
    row.cut = false;
    this.tell({ from: this.position(index), to: this.position(index) + 1 });
  }

  /** @param {number} index @param {string} form */
  text(index, form) {
    const row = this.rows[index];
    if (form === "text" && row && !row.cut && row.kind !== "tool_call") return Promise.resolve(row.body ?? "");
    return this.ask({ want: "form", row: index, form });
  }
}
