// @ts-check
/* The rows of an earlier snapshot: those that the page has, and the others from the kernel. */

import { PageRows } from "./row_source.js";

export class PastRows extends PageRows {
  /** @param {import("./debug_source.js").DebugSource} source */
  constructor(source) {
    super();
    this.source = source;
    this.snapshot = -1;
  }

  /** @param {number} snapshot @param {import("./row_source.js").Row[]} presentRows @param {Map<string, any>} presentCalls @param {any} answer of the request "look" */
  show(snapshot, presentRows, presentCalls, answer) {
    this.snapshot = snapshot;
    const rows = [...presentRows.slice(0, answer.from), ...answer.rows];
    let unchanged = 0;
    while (unchanged < rows.length && unchanged < this.rows.length && rows[unchanged] === this.rows[unchanged]) unchanged++;
    for (const [key, call] of presentCalls) this.calls.set(key, call);
    this.splice(unchanged, rows.slice(unchanged), answer.calls);
  }

  /** @param {number} index @param {string} format */
  async text(index, format) {
    const row = this.rows[index];
    if (format === "text" && row && !row.cut && row.kind !== "tool_call") return row.body ?? "";
    return (await this.source.ask("format", { snapshot: this.snapshot, row: index, format })).text;
  }

  /** Load the whole body of a row. @param {number} index */
  async loadMore(index) {
    const row = this.rows[index];
    if (!row?.cut) return;
    this.rows[index] = { ...row, body: await this.text(index, "body"), cut: false };
    this.notify({ from: index, to: index + 1 });
  }
}
