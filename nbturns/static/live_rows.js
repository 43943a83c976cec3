// @ts-check
/*
 * The rows of a running execution. The trait `start` has the full table when the page attached, the trait `update` the
 * changes since then, and streamed text arrives as separate messages. All are numbered, so that a page that missed one
 * (because it was reloaded or not ready) notices the gap and requests `start`.
 */

import { PageRows } from "./row_source.js";

/** @typedef {import("./row_source.js").Row} Row */

export class LiveRows extends PageRows {
  /** @param {any} model the widget's model, as provided by anywidget */
  constructor(model) {
    super();
    this.model = model;
    this.number = -1;
    /** @type {any} status of the execution */
    this.status = {};
    this.statusTime = performance.now(); // time of the last `status`
    /** @type {Set<() => void>} called after a change of the status */
    this.watchers = new Set();
    /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
    this.pendingRequests = new Map();
    this.lastRequestId = 0;
    this.onStart = () => this.replaceRows(model.get("start"));
    this.onUpdate = () => this.applyUpdate(model.get("update"));
    this.onMessage = (/** @type {any} */ message) => this.handleMessage(message);
    model.on("change:start", this.onStart);
    model.on("change:update", this.onUpdate);
    model.on("msg:custom", this.onMessage);
    this.onStart();
    this.requestStart();
  }

  /** Request the full table; after that the kernel sends only changes. */
  requestStart() {
    this.model.send({ request: "start" });
  }

  close() {
    this.model.off("change:start", this.onStart);
    this.model.off("change:update", this.onUpdate);
    this.model.off("msg:custom", this.onMessage);
  }

  /** Take over the full table; unchanged rows at its beginning are not redrawn. @param {any} start */
  replaceRows(start) {
    if (!start.rows || start.number < this.number) return;
    let unchangedRows = 0;
    while (unchangedRows < this.rows.length && unchangedRows < start.rows.length && JSON.stringify(this.rows[unchangedRows]) === JSON.stringify(start.rows[unchangedRows])) unchangedRows++;
    this.number = start.number;
    this.splice(unchangedRows, start.rows.slice(unchangedRows), start.calls);
    this.setStatus(start.status ?? {});
  }

  /** @param {any} update */
  applyUpdate(update) {
    if (!this.isNext(update.number)) return;
    if (update.rows) {
      const rows = update.rows.map((/** @type {Row & {remaining_text?: string}} */ row, /** @type {number} */ n) => {
        const streamingRow = this.rows[update.from + n];
        // A streamed text stays unfolded, because somebody may be reading it.
        return row.remaining_text === undefined ? row : { ...row, body: (streamingRow?.body ?? "") + row.remaining_text, fold: false };
      });
      this.splice(update.from, rows, update.calls);
    }
    if (update.status) this.setStatus(update.status);
  }

  /** @param {number} number @returns {boolean} whether it follows the last one; a gap leads to a request for `start` */
  isNext(number) {
    if (number === undefined || number <= this.number) return false;
    if (number !== this.number + 1) {
      this.requestStart();
      return false;
    }
    this.number = number;
    return true;
  }

  /** @param {any} status */
  setStatus(status) {
    this.status = status;
    this.statusTime = performance.now();
    const firstNew = status.status === "paused" || status.status === "running" ? (status.first_new ?? Infinity) : Infinity;
    let firstChanged = Infinity;
    let lastChanged = -1;
    this.rows.forEach((row, index) => {
      if (!!row.fresh === index >= firstNew) return;
      row.fresh = index >= firstNew;
      firstChanged = Math.min(firstChanged, index);
      lastChanged = index;
    });
    if (lastChanged >= 0) this.notify({ from: this.order ? 0 : firstChanged, to: this.order ? this.length : lastChanged + 1 });
    for (const watcher of this.watchers) watcher();
  }

  /** @param {any} message */
  handleMessage(message) {
    if (message.t) {
      if (this.isNext(message.n)) for (const [index, text] of message.t) this.addText(index, text);
      return;
    }
    const request = this.pendingRequests.get(message.id);
    if (!request) return;
    this.pendingRequests.delete(message.id);
    if (message.error === undefined) request.resolve(message.text);
    else request.reject(new Error(message.error));
  }

  /** @param {Record<string, unknown>} request @returns {Promise<string>} */
  ask(request) {
    const id = ++this.lastRequestId;
    return new Promise((resolve, reject) => {
      this.pendingRequests.set(id, { resolve, reject });
      this.model.send({ ...request, id });
    });
  }

  /** Load the whole body of a row. @param {number} index */
  async loadMore(index) {
    const row = this.rows[index];
    if (!row?.cut) return;
    row.body = await this.ask({ request: "format", row: index, format: "body" });
    row.cut = false;
    this.notify({ from: this.position(index), to: this.position(index) + 1 });
  }

  /** @param {number} index @param {string} format */
  text(index, format) {
    const row = this.rows[index];
    if (format === "text" && row && !row.cut && row.kind !== "tool_call") return Promise.resolve(row.body ?? "");
    return this.ask({ request: "format", row: index, format });
  }
}
