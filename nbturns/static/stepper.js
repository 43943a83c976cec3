// @ts-check
/* The view of an execution: buttons, status, pending calls, and blocks as they arrive. */

import { BlockDetails } from "./block_detail.js";
import { BlockTable } from "./block_table.js";
import { attributes, formatCount, element, plural } from "./elements.js";
import { LiveRows } from "./live_rows.js";

/** @typedef {{press: string, text: string, icon: string, key: string, tip: string}} StepButton */

/** @type {StepButton[]} */
const BUTTONS = [
  { press: "run", text: "Run", icon: "M2 1l9 5-9 5z", key: "F9", tip: "Continue to the next breakpoint or the end: execution.resume()" },
  { press: "step", text: "Step", icon: "M1 1l7 5-7 5zM9 1h2v10H9z", key: "F10", tip: "Continue to the next pause: execution.step()" },
  { press: "pause", text: "Pause", icon: "M2 1h3v10H2zM7 1h3v10H7z", key: "F8", tip: "Pause at the next phase: execution.pause()" },
  { press: "stop", text: "Stop", icon: "M2 2h8v8H2z", key: "Shift+F9", tip: "Stop here and keep the Turn so far: execution.stop()" },
];

/** Status → enabled buttons. @type {Record<string, string[]>} */
const ALLOWED = { running: ["pause", "stop"], pausing: ["run", "stop"], paused: ["run", "step", "stop"], done: [], stopped: [], failed: [] };

/** Phase → description of a pause there. @type {Record<string, string>} */
const PAUSE_PLACES = { pre_inference: "before the model call", post_inference: "before the tools run", post_tools: "after the tools", final: "before the end" };
const PHASE_NAMES = ["pre_inference", "post_inference", "post_tools", "final"];
/** Final status → its text. @type {Record<string, string>} */
const FINAL_STATUS = { done: "Done", stopped: "Stopped", failed: "Failed" };
const QUIET_AFTER = 5000; // ms without new text before a message is displayed

/** Create an icon as SVG, which needs no font. @param {string} path */
function svgIcon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

class StepperView {
  /** @param {LiveRows} rows @param {HTMLElement} container */
  constructor(rows, container) {
    this.rows = rows;
    this.root = attributes(element("div", "nbt-view nbt-stepper tex2jax_ignore mathjax_ignore"), { role: "region", "aria-label": "Execution", tabindex: -1 });
    this.bar = attributes(element("div", "nbt-toolbar nbt-bar"), { role: "toolbar", "aria-label": "Execution" });
    /** @type {Map<string, HTMLButtonElement>} */
    this.buttons = new Map();
    this.bar.append(...BUTTONS.map((spec) => this.button(spec)));
    this.status = attributes(element("span", "nbt-status"), { role: "status", "aria-live": "polite" });
    this.progress = element("span", "nbt-progress");
    this.totals = element("span", "nbt-totals");
    this.bar.append(this.status, this.progress, element("span", "nbt-spacer"), this.totals);
    this.phases = attributes(element("ol", "nbt-phase-list"), { "aria-label": "Phases of the loop" });
    this.pendingCalls = attributes(element("ul", "nbt-pending-calls"), { "aria-label": "Pending calls" });
    this.notices = element("div", "nbt-notices");
    this.message = attributes(element("span", "nbt-message"), { "aria-live": "polite" });
    /** @type {BlockDetails | undefined} */
    this.blockDetails = undefined;
    this.table = new BlockTable(rows, {
      label: "Blocks so far",
      selectable: false,
      sortable: false,
      onMenu: (index, anchor) => this.blockDetails?.openMenu(index, anchor),
      detailPanel: (index) => this.blockDetails?.detailPanel(index),
      onError: (error) => (this.message.textContent = error instanceof Error ? error.message : String(error)),
      onNotify: (text) => (this.message.textContent = text),
    });
    this.blockDetails = new BlockDetails(this.table, (text) => (this.message.textContent = text));
    this.table.stickToEnd.enabled = true;
    this.root.append(this.bar, this.phases, this.notices, this.pendingCalls, this.table.mount, element("div", "nbt-foot", this.message));
    this.root.addEventListener("keydown", (event) => this.onKey(event), { capture: true });
    this.root.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation(); // otherwise the notebook adds a cell on "b"
    });
    container.append(this.root);
    this.lastTextTime = performance.now();
    this.streamedLength = 0;
    this.stopListening = rows.listen((change) => this.onRowChange(change));
    this.watcher = () => this.draw();
    rows.watchers.add(this.watcher);
    this.timer = setInterval(() => this.updateClock(), 500);
    this.draw();
    this.table.scrollToEnd();
  }

  close() {
    clearInterval(this.timer);
    this.stopListening();
    this.rows.watchers.delete(this.watcher);
    this.table.close();
  }

  /** @param {StepButton} spec */
  button(spec) {
    const result = element("button", `nbt-button nbt-${spec.press}`, svgIcon(spec.icon), element("span", "nbt-label", spec.text));
    result.type = "button";
    result.title = `${spec.tip}   [${spec.key}]`;
    attributes(result, { "aria-keyshortcuts": spec.key, "data-lm-suppress-shortcuts": true });
    result.addEventListener("click", () => this.press(spec.press));
    this.buttons.set(spec.press, result);
    return result;
  }

  /** @param {string} action */
  press(action) {
    const { status, pause } = this.rows.status;
    if (!(ALLOWED[status] ?? []).includes(action)) return;
    this.rows.model.send(action === "step" ? { press: action, pause } : { press: action });
  }

  /** Handle the keys of a debugger. @param {KeyboardEvent} event */
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const name = (event.shiftKey ? "Shift+" : "") + event.key;
    const spec = BUTTONS.find((candidate) => candidate.key === name);
    if (!spec) return;
    event.preventDefault();
    event.stopPropagation();
    this.press(spec.press);
  }

  /** @param {import("./row_source.js").Change} change */
  onRowChange(change) {
    this.lastTextTime = performance.now();
    if ("position" in change) this.streamedLength += change.text.length;
    else this.streamedLength = this.rows.rows.reduce((sum, row) => sum + (row.open ? (row.body ?? "").length : 0), 0);
  }

  draw() {
    const { status } = this.rows;
    const allowed = ALLOWED[status.status] ?? [];
    for (const [press, button] of this.buttons) this.setEnabled(button, allowed.includes(press));
    const label = /** @type {HTMLElement} */ (this.buttons.get("run")?.querySelector(".nbt-label"));
    label.textContent = status.snapshots > 1 ? "Continue" : "Run";
    this.root.dataset.status = status.status ?? "";
    const statusText = this.statusText(status);
    if (this.status.textContent !== statusText) this.status.textContent = statusText;
    this.drawPhases(status);
    this.notices.replaceChildren(
      ...(status.error ? [element("div", "nbt-error", status.error)] : []),
      ...(status.notices ?? []).map((/** @type {string} */ text) => element("div", "nbt-notice", text)),
    );
    const calls = status.pending_calls ?? [];
    this.pendingCalls.hidden = !calls.length;
    this.pendingCalls.replaceChildren(...calls.map((/** @type {string} */ call) => element("li", "", call)));
    const unlistedCount = (status.pending_count ?? 0) - calls.length;
    if (unlistedCount > 0) this.pendingCalls.append(element("li", "", `… and ${formatCount(unlistedCount)} more in the table below`));
    this.updateClock();
  }

  /** Enable or disable a button; a focused button only gets aria-disabled, so that it keeps the focus. @param {HTMLButtonElement} button @param {boolean} enabled */
  setEnabled(button, enabled) {
    attributes(button, { "aria-disabled": enabled ? undefined : true });
    button.disabled = !enabled && document.activeElement !== button;
  }

  /** @param {any} status */
  drawPhases(status) {
    const currentPhase = status.phase;
    this.phases.hidden = !currentPhase;
    const paused = status.status === "paused";
    this.phases.replaceChildren(
      element("li", "nbt-iteration", `Iteration ${status.iteration ?? 0}`),
      ...PHASE_NAMES.map((name) => {
        const item = element("li", name === currentPhase ? "nbt-current-phase" : "", name === currentPhase && paused ? "❚❚ " : "", name);
        item.title = `Pauses ${PAUSE_PLACES[name]}`;
        return attributes(item, { "aria-current": name === currentPhase ? "step" : undefined });
      }),
    );
  }

  /** @param {any} status */
  statusText(status) {
    if (status.status === "paused") {
      const reason = status.reason?.startsWith("breakpoint") ? ` (${status.reason})` : "";
      return `Paused ${PAUSE_PLACES[status.phase] ?? ""}${status.pending_count ? `, ${plural(status.pending_count, "call")} pending` : ""}${reason}`;
    }
    if (status.status === "running") return status.activity ? `Running: ${status.activity}` : "Running";
    if (status.status === "pausing") return "Pausing at the next phase …";
    return FINAL_STATUS[status.status] ?? "";
  }

  /** Update the elapsed time and the amount of streamed text. */
  updateClock() {
    const { status, statusTime } = this.rows;
    const now = performance.now();
    const isRunning = status.status === "running" || status.status === "pausing";
    const seconds = (status.seconds ?? 0) + (isRunning ? (now - statusTime) / 1000 : 0);
    const parts = [];
    if (status.snapshots) parts.push(plural(status.snapshots, "snapshot"));
    if (status.tokens) parts.push(`${formatCount(status.tokens)} tokens`);
    if (status.seconds !== undefined) parts.push(`${seconds.toFixed(1)} s`);
    this.totals.textContent = parts.join(" · ");
    const quietTime = now - this.lastTextTime;
    const progress = isRunning && this.streamedLength ? `${formatCount(this.streamedLength)} characters` : "";
    this.progress.textContent = isRunning && status.answering && quietTime > QUIET_AFTER ? `${progress}${progress ? ", " : ""}no new text for ${Math.floor(quietTime / 1000)} s` : progress;
  }
}

export default () => {
  /** @type {LiveRows | undefined} */
  let rows;
  return {
    /** @param {{model: any}} context */
    initialize({ model }) {
      rows = new LiveRows(model);
      return () => rows?.close();
    },
    /** @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      rows ??= new LiveRows(model);
      const view = new StepperView(rows, el);
      return () => view.close();
    },
  };
};
