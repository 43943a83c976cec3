// @ts-check
/* The view of a session: its Turns, the debugger of its execution, and a box to ask from. */

import { DebugPanel } from "./debug_panel.js";
import { DebugSource } from "./debug_source.js";
import { PromptBox } from "./prompt_box.js";
import { RunSource } from "./run_source.js";
import { RunView } from "./run_view.js";

const FULL_ROWS = 200; // more rows are virtual, so that the slider of the snapshots is fast

class SessionView {
  /** @param {RunSource} run @param {DebugSource} source @param {HTMLElement} container */
  constructor(run, source, container) {
    this.source = source;
    this.runView = new RunView(run, container);
    const { root, panel } = this.runView;
    root.classList.add("nbt-session");
    this.runView.table.virtualRows.fullRows = FULL_ROWS;
    const notify = (/** @type {string} */ text) => this.runView.foot.notify(text);
    this.debug = new DebugPanel(source, {
      root,
      notify,
      status: () => source.state.bar ?? { status: source.state.status ?? "ready" },
      goTo: (row) => this.goTo(row),
      look: (index) => this.look(index),
      tools: () => this.runView.choices().tools.slice(0, 12),
      hasSnapshots: true,
      table: () => this.runView.table,
    });
    this.prompt = new PromptBox(source);
    root.insertBefore(this.debug.element, panel);
    root.append(this.prompt.element);
    this.onKey = (/** @type {KeyboardEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !this.debug.onKey(event)) return;
      event.preventDefault();
      event.stopPropagation();
    };
    root.addEventListener("keydown", this.onKey, { capture: true });
    this.watcher = () => this.draw();
    source.watchers.add(this.watcher);
    this.draw();
  }

  close() {
    this.prompt.close();
    this.debug.close();
    this.source.watchers.delete(this.watcher);
    this.runView.close();
  }

  draw() {
    this.runView.root.dataset.status = this.source.state.status ?? "";
    this.debug.bar.element.hidden = this.source.state.status === "ready";
    this.prompt.draw();
  }

  /** @param {number} row */
  goTo(row) {
    const { table } = this.runView;
    const position = table.source.position(row);
    if (position >= 0) table.reveal(position);
  }

  /** Show the last Turn at a snapshot. @param {number} index -1 for the present */
  look(index) {
    if (index >= 0 || this.runView.model.get("phase") >= 0) this.runView.choose({ turn: this.runView.run.turns.length - 1, phase: index });
  }
}

export default () => {
  /** @type {{run: RunSource, source: DebugSource} | undefined} */
  let state;
  const open = (/** @type {any} */ model) => (state ??= { run: new RunSource(model), source: new DebugSource(model) });
  return {
    /** @param {{model: any}} context */
    initialize({ model }) {
      open(model);
      return () => (state?.run.close(), state?.source.close());
    },
    /** @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      const { run, source } = open(model);
      const view = new SessionView(run, source, el);
      return () => view.close();
    },
  };
};
