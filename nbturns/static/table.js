// @ts-check
/* A table of blocks that grows. Every text goes into the page as text, never as HTML. */

/**
 * @typedef {{kind: string, icon: string, head: string, body?: string, size: number, fold: boolean, call?: string,
 *   name?: string, error?: boolean, ms?: number, inference?: string, images?: string[], elsewhere?: string[], open?: boolean}} Row
 * @typedef {{provider?: string, model?: string, stop?: string, finish: string, truncated?: boolean, input?: number,
 *   output?: number, cached?: number, reasoning?: number, cost?: number, ms?: number, first?: number}} Call
 * @typedef {{rows: Row[], calls: Record<string, Call>, status: any, number: number}} Table
 */

const COLUMNS = ["#", "kind", "content", "model", "stop", "tokens in → out", "time"];

/** Make an element with classes and text. @param {string} tag @param {string} [classes] @param {string} [text] */
function make(tag, classes = "", text = undefined) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** @param {number | undefined} ms */
function duration(ms) {
  if (ms === undefined) return "";
  if (ms < 1) return "< 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(2)} s`;
  return `${Math.floor(ms / 60000)} min ${Math.floor((ms % 60000) / 1000)} s`;
}

/** What the page knows of the table, kept up to date from the model's two traits; shared by all its views. */
class Store {
  /** @param {any} model */
  constructor(model) {
    this.model = model;
    /** @type {Table} */
    this.table = { rows: [], calls: {}, status: {}, number: -1 };
    /** @type {Set<(from: number, more: [number, string][] | null) => void>} */
    this.views = new Set();
    this.onStart = () => this.take(model.get("start"));
    this.onTail = () => this.follow(model.get("tail"));
    /** @param {any} message */
    this.onMessage = (message) => this.hear(message);
    model.on("change:start", this.onStart);
    model.on("change:tail", this.onTail);
    model.on("msg:custom", this.onMessage);
    this.onStart();
    this.ask();
  }

  /** From here on the kernel need only send what changes. */
  ask() {
    this.model.send({ want: "start" });
  }

  close() {
    this.model.off("change:start", this.onStart);
    this.model.off("change:tail", this.onTail);
    this.model.off("msg:custom", this.onMessage);
  }

  /** The whole table. Rows that stayed as they are keep their place on the page. @param {Table} start */
  take(start) {
    if (!start.rows || start.number < this.table.number) return;
    const old = this.table.rows;
    let same = 0;
    while (same < old.length && same < start.rows.length && JSON.stringify(old[same]) === JSON.stringify(start.rows[same])) same++;
    this.table = { ...start, rows: [...start.rows] };
    this.draw(same, null);
  }

  /** @param {any} tail */
  follow(tail) {
    if (tail.number === undefined || tail.number <= this.table.number) return;
    if (tail.number !== this.table.number + 1) return this.ask();
    this.table.number = tail.number;
    this.table.status = tail.status;
    if (tail.rows) {
      Object.assign(this.table.calls, tail.calls);
      this.table.rows.splice(tail.from, Infinity, ...tail.rows);
      this.draw(tail.from, null);
    } else if (tail.more) {
      for (const [index, text] of tail.more) this.table.rows[index].body += text;
      this.draw(this.table.rows.length, tail.more);
    } else {
      this.draw(this.table.rows.length, null);
    }
  }

  /** A body that was too long to go with its row. @param {any} message */
  hear(message) {
    const row = this.table.rows[message.row];
    if (!row || typeof message.body !== "string") return;
    row.body = message.body;
    this.draw(message.row, []);
  }

  /** @param {number} from @param {[number, string][] | null} more */
  draw(from, more) {
    for (const view of this.views) view(from, more);
  }
}

/** The table of one view. */
class BlockTable {
  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.element = make("table");
    const head = make("tr");
    for (const name of COLUMNS) {
      const cell = make("th", "", name);
      cell.setAttribute("scope", "col");
      head.append(cell);
    }
    const header = make("thead");
    header.append(head);
    this.body = make("tbody");
    this.element.append(header, this.body);
    /** @type {HTMLTableRowElement[]} */
    this.lines = [];
  }

  /** Draw the rows from `from` on; or only add text to open ones. @param {number} from @param {[number, string][] | null} more */
  draw(from, more) {
    if (more) return this.addText(from, more);
    const rows = this.store.table.rows;
    from = Math.min(from, this.lines.length);
    for (const line of this.lines.splice(from)) line.remove();
    for (let index = from; index < rows.length; index++) {
      const line = this.line(index, rows[index]);
      this.lines.push(line);
      this.body.append(line);
    }
    this.join(from);
  }

  /** @param {number} from @param {[number, string][]} more */
  addText(from, more) {
    for (const [index, text] of more) {
      const pre = this.lines[index]?.querySelector("pre");
      if (pre?.firstChild) /** @type {Text} */ (pre.firstChild).appendData(text);
    }
    const waiting = this.lines[from]?.querySelector("details pre");
    if (waiting) waiting.textContent = this.store.table.rows[from].body ?? "";
  }

  /** @param {number} index @param {Row} row @returns {HTMLTableRowElement} */
  line(index, row) {
    const known = /^[a-z_]+$/.test(row.kind) ? row.kind : "other";
    const line = /** @type {HTMLTableRowElement} */ (make("tr", `nbt-${known}${row.error ? " nbt-failed" : ""}`));
    const kind = make("td", "nbt-kind");
    kind.append(make("b", "", row.icon), ` ${row.kind}`);
    const content = make("td", "nbt-content");
    content.append(make("span", "nbt-link"), ...this.content(index, row));
    line.append(make("td", "nbt-n", String(index)), kind, content);
    return line;
  }

  /** @param {number} index @param {Row} row @returns {HTMLElement[]} */
  content(index, row) {
    const pictures = (row.images ?? []).map((source) => {
      const picture = /** @type {HTMLImageElement} */ (make("img"));
      if (source.startsWith("data:image/")) picture.src = source;
      return /** @type {HTMLElement} */ (picture);
    });
    if (row.elsewhere) pictures.push(make("small", "", `elsewhere: ${row.elsewhere.join(", ")}`));
    if (row.open && row.kind === "tool_call") return [make("span", "nbt-head", `${row.name ?? ""} `), make("pre", "", row.body ?? "")];
    const head = make("span", "nbt-head", row.head);
    if (!row.fold && row.size === 0 && !row.open) return [make("small", "", "empty"), ...pictures];
    if (!row.fold) return [make("pre", "", row.body ?? ""), ...pictures];
    if (row.kind === "tool_call" && row.body !== undefined && !row.head.endsWith("…") && !row.body.includes("\n")) return [head, ...pictures];
    const details = /** @type {HTMLDetailsElement} */ (make("details"));
    const summary = make("summary");
    summary.append(head);
    details.append(summary, make("pre", "", row.body ?? "waiting for the kernel …"));
    details.addEventListener("toggle", () => {
      if (details.open && this.store.table.rows[index]?.body === undefined) this.store.model.send({ want: "body", row: index });
    });
    return [details, ...pictures];
  }

  /** Say which result belongs to which call, and what each model call cost, for all rows that `from` on may concern. @param {number} from */
  join(from) {
    const rows = this.store.table.rows;
    /** @type {Map<string, number>} */
    const places = new Map();
    rows.forEach((row, index) => {
      if (row.call && !places.has(row.kind + row.call)) places.set(row.kind + row.call, index);
    });
    rows.forEach((row, index) => {
      if (row.call) this.link(index, row, places);
    });
    let start = Math.min(from, rows.length - 1);
    while (start > 0 && rows[start].inference && rows[start - 1].inference === rows[start].inference) start--;
    for (let index = Math.max(start, 0); index < rows.length; ) index = this.callCells(index);
  }

  /** @param {number} index @param {Row} row @param {Map<string, number>} places */
  link(index, row, places) {
    const partner = places.get((row.kind === "tool_call" ? "tool_use" : "tool_call") + row.call);
    const link = /** @type {HTMLElement} */ (this.lines[index].querySelector(".nbt-link"));
    link.classList.toggle("nbt-warn", partner === undefined);
    if (row.kind === "tool_call") link.textContent = partner === undefined ? "pending" : `→ #${partner}`;
    else link.textContent = partner === undefined ? "answers no call here" : `← #${partner} ${this.store.table.rows[partner].name ?? ""}`;
  }

  /** The cells of one model call, beside all rows it made; gives the row after them. @param {number} index */
  callCells(index) {
    const rows = this.store.table.rows;
    const key = rows[index].inference;
    let end = index + 1;
    while (key && end < rows.length && rows[end].inference === key) end++;
    for (let inside = index; inside < end; inside++) {
      const line = this.lines[inside];
      while (line.cells.length > 3) line.deleteCell(-1);
    }
    const call = key ? this.store.table.calls[key] : undefined;
    for (const cell of call ? this.told(call) : [make("td"), make("td"), make("td"), make("td", "nbt-time", duration(rows[index].ms))]) {
      if (end - index > 1) cell.setAttribute("rowspan", String(end - index));
      this.lines[index].append(cell);
    }
    return end;
  }

  /** @param {Call} call */
  told(call) {
    const stop = make("td", `nbt-stop nbt-is-${call.finish}`, call.stop || "—");
    if (call.truncated) stop.append(" ", make("span", "nbt-warn", "⚠ cut"));
    const tokens = make("td", "nbt-tokens", call.input === undefined ? "—" : `${call.input.toLocaleString("en")} → ${(call.output ?? 0).toLocaleString("en")}`);
    const detail = [call.cached ? `${call.cached.toLocaleString("en")} from cache` : "", call.reasoning ? `${call.reasoning.toLocaleString("en")} reasoning` : ""].filter(Boolean);
    tokens.append(...detail.map((text) => make("small", "", text)));
    const time = make("td", "nbt-time", duration(call.ms) || "—");
    if (call.first) time.title = `first token after ${duration(call.first)}`;
    return [make("td", "nbt-model", call.model || call.provider || "—"), stop, tokens, time];
  }

  /** Tint what is new since the last step. @param {number} from */
  tint(from) {
    this.lines.forEach((line, index) => line.classList.toggle("nbt-new", index >= from));
  }
}
