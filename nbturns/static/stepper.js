// @ts-check
/* The view of an execution: the debugger and the table of blocks as they arrive. */

import { BlockDetails } from "./block_detail.js";
import { BlockTable } from "./block_table.js";
import { DebugPanel } from "./debug_panel.js";
import { DebugSource } from "./debug_source.js";
import { attributes, element } from "./elements.js";
import { EndingRow } from "./ending_row.js";
import { LiveRows } from "./live_rows.js";
import { Rendering } from "./rendering.js";
import { PastRows } from "./past_rows.js";

const PAST_FULL_ROWS = 200; // of a snapshot, so that the slider is fast

class StepperView {
  /** @param {LiveRows} rows @param {DebugSource} source @param {HTMLElement} container */
  constructor(rows, source, container) {
    this.rows = rows;
    this.source = source;
    this.root = attributes(element("div", "nbt-view nbt-stepper tex2jax_ignore mathjax_ignore"), { role: "region", "aria-label": "Execution", tabindex: -1 });
    this.notices = element("div", "nbt-notices");
    /** @type {Rendering[]} */
    this.renderings = [];
    this.message = attributes(element("span", "nbt-message"), { "aria-live": "polite" });
    this.table = this.createTable(rows, "Blocks so far");
    this.pastRows = new PastRows(source);
    /** @type {BlockTable | undefined} the table of an earlier snapshot */
    this.pastTable = undefined;
    this.pastMount = element("div", "nbt-past");
    this.pastMount.hidden = true;
    this.ending = new EndingRow(() => rows.model.send({ do: "retry" }));
    this.table.stickToEnd.enabled = true;
    this.debug = new DebugPanel(source, {
      root: this.root,
      status: () => ({ ...this.rows.status }),
      goTo: (row) => this.goTo(row),
      notify: (text) => (this.message.textContent = text),
      look: (index, answer) => this.look(index, answer),
      tools: () => this.toolNames(),
      hasSnapshots: false,
      table: () => this.table,
    });
    this.tableMount = element("div", "nbt-present", this.table.mount);
    this.root.append(this.debug.element, this.notices, this.tableMount, this.pastMount, this.ending.element, element("div", "nbt-foot", this.message, element("span", "nbt-spacer"), this.renderings[0].button));
    this.root.addEventListener("keydown", (event) => this.onKey(event), { capture: true });
    this.root.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation(); // otherwise the notebook adds a cell on "b"
    });
    container.append(this.root);
    this.stopListening = rows.listen((change) => this.onRowChange(change));
    this.watcher = () => this.draw();
    rows.watchers.add(this.watcher);
    this.draw();
    this.table.scrollToEnd();
  }

  /** @param {LiveRows | PastRows} rows @param {string} label */
  createTable(rows, label) {
    /** @type {BlockDetails | undefined} */
    let details;
    const table = new BlockTable(rows, {
      label,
      selectable: false,
      sortable: false,
      onMenu: (index, anchor) => details?.openMenu(index, anchor),
      detailPanel: (index) => details?.detailPanel(index),
      onError: (error) => (this.message.textContent = error instanceof Error ? error.message : String(error)),
      onNotify: (text) => (this.message.textContent = text),
    });
    this.renderings.push(new Rendering(table, this.rows.model));
    details = new BlockDetails(table, (text) => (this.message.textContent = text));
    return table;
  }

  close() {
    this.debug.close();
    this.stopListening();
    this.rows.watchers.delete(this.watcher);
    for (const rendering of this.renderings) rendering.close();
    this.table.close();
    this.pastTable?.close();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (!this.debug.onKey(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {number} row */
  goTo(row) {
    const table = this.debug.lookedAt >= 0 && this.pastTable ? this.pastTable : this.table;
    const position = table.source.position(row);
    if (position >= 0) table.reveal(position);
  }

  toolNames() {
    const names = new Set(this.rows.rows.flatMap((row) => (row.kind === "tool_call" && row.name ? [row.name] : [])));
    return [...names].slice(0, 12);
  }

  /** Show the rows of a snapshot in place of the present ones. @param {number} index -1 for the present @param {any} answer */
  look(index, answer) {
    const isPast = index >= 0;
    this.tableMount.hidden = isPast;
    this.pastMount.hidden = !isPast;
    this.ending.element.classList.toggle("nbt-covered", isPast);
    if (!isPast) return;
    if (!this.pastTable) {
      this.pastTable = this.createTable(this.pastRows, "Blocks of the snapshot");
      this.pastTable.virtualRows.fullRows = PAST_FULL_ROWS;
      this.pastMount.append(this.pastTable.mount);
    }
    this.pastRows.show(index, this.rows.rows, this.rows.calls, answer);
    this.pastTable.scrollToEnd();
  }

  /** @param {import("./row_source.js").Change} change */
  onRowChange(change) {
    const { bar } = this.debug;
    bar.lastTextTime = performance.now();
    if ("position" in change) bar.streamedLength += change.text.length;
    else bar.streamedLength = this.rows.rows.reduce((sum, row) => sum + (row.open ? (row.body ?? "").length : 0), 0);
  }

  draw() {
    const { status } = this.rows;
    this.root.dataset.status = status.status ?? "";
    this.debug.drawBar();
    this.notices.replaceChildren(...(status.notices ?? []).map((/** @type {string} */ text) => element("div", "nbt-notice", text)));
    this.ending.show(status.ending, status.can_retry);
  }
}

export default () => {
  /** @type {{rows: LiveRows, source: DebugSource} | undefined} */
  let state;
  const open = (/** @type {any} */ model) => (state ??= { rows: new LiveRows(model), source: new DebugSource(model) });
  return {
    /** @param {{model: any}} context */
    initialize({ model }) {
      open(model);
      return () => (state?.rows.close(), state?.source.close());
    },
    /** @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      const { rows, source } = open(model);
      const view = new StepperView(rows, source, el);
      return () => view.close();
    },
  };
};
