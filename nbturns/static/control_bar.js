// @ts-check
/* The control bar of an execution: Run, Step, Pause, Stop, the state in words, and the totals. */

import { ICON_PATHS, keyCap, svgIcon } from "./debug_controls.js";
import { attributes, formatCount, element, plural } from "./elements.js";
import { openMenu } from "./menu.js";

/** @typedef {{press: string, text: string, key: string, tip: string}} BarButton */

/** @type {BarButton[]} */
const BAR_BUTTONS = [
  { press: "run", text: "Run", key: "F9", tip: "Continue to the next breakpoint or the end: execution.resume()" },
  { press: "step", text: "Step", key: "F10", tip: "Continue to the next pause: execution.step()" },
  { press: "pause", text: "Pause", key: "F8", tip: "Pause at the next phase: execution.pause()" },
  { press: "stop", text: "Stop", key: "Shift+F9", tip: "Stop here and keep the Turn so far: execution.stop()" },
];

/** Status → enabled buttons. @type {Record<string, string[]>} */
const ALLOWED = { running: ["pause", "stop"], pausing: ["run", "stop"], paused: ["run", "step", "stop"] };

/** Phase → description of a pause there. @type {Record<string, string>} */
export const PAUSE_PLACES = { pre_inference: "before the model call", post_inference: "before the tools run", post_tools: "after the tools", final: "before the end" };
/** Status → its text. @type {Record<string, string>} */
const STATUS_WORDS = { ready: "Ready", done: "Done", stopped: "Stopped", failed: "Failed" };
const QUIET_AFTER = 5000; // ms without new text before a message is displayed

export class ControlBar {
  /**
   * @param {{press: (action: string) => void, stepTo: (target: string, tool?: string) => void,
   *   isDisconnected: () => boolean, tools: () => string[]}} host
   */
  constructor(host) {
    this.host = host;
    this.element = attributes(element("div", "nbt-toolbar nbt-bar"), { role: "toolbar", "aria-label": "Execution" });
    /** @type {Map<string, HTMLButtonElement>} */
    this.buttons = new Map(BAR_BUTTONS.map((spec) => [spec.press, this.createButton(spec)]));
    this.menuButton = attributes(element("button", "nbt-button nbt-step-menu", "▾"), { type: "button", "aria-label": "Run to…", "aria-haspopup": "menu", "data-kernel": true, "data-lm-suppress-shortcuts": true });
    this.menuButton.title = "Run to: the next call, the next model call, a tool, the end of the iteration";
    this.menuButton.addEventListener("click", () => openMenu(this.menuButton, "Run to", () => this.targets()));
    const [run, step, pause, stop] = [...this.buttons.values()];
    this.status = attributes(element("span", "nbt-status"), { role: "status", "aria-live": "polite" });
    this.progress = element("span", "nbt-progress");
    this.totals = element("span", "nbt-totals");
    this.element.append(run, element("span", "nbt-button-group", step, this.menuButton), pause, stop, this.status, this.progress, element("span", "nbt-spacer"), this.totals);
    /** @type {any} */
    this.shown = {};
    this.isLookingBack = false;
    this.shownAt = performance.now();
    this.lastTextTime = performance.now();
    this.streamedLength = 0;
    this.timer = setInterval(() => this.updateClock(), 500);
  }

  close() {
    clearInterval(this.timer);
  }

  /** @param {BarButton} spec */
  createButton(spec) {
    const result = element("button", `nbt-button nbt-${spec.press}`, svgIcon(ICON_PATHS[/** @type {"run"} */ (spec.press)]), element("span", "nbt-label", spec.text), keyCap(spec.key.replace("Shift+", "⇧")));
    result.type = "button";
    result.title = `${spec.tip}   [${spec.key}]`;
    attributes(result, { "aria-keyshortcuts": spec.key, "data-lm-suppress-shortcuts": true, "data-kernel": true });
    result.addEventListener("click", () => this.press(spec.press));
    return result;
  }

  /** @returns {(import("./menu.js").Item | null)[]} */
  targets() {
    const to = (/** @type {string} */ target, tool = "") => this.host.stepTo(target, tool);
    return [
      { text: "One call", press: () => to("call"), disabled: !this.shown.pending_count },
      { text: "The next model call", press: () => to("model") },
      { text: "The end of the iteration", press: () => to("iteration") },
      null,
      ...this.host.tools().map((tool) => ({ text: `Tool ${tool}`, press: () => to("tool", tool) })),
    ];
  }

  /** @param {string} action */
  press(action) {
    if (!this.host.isDisconnected() && !this.isLookingBack && (ALLOWED[this.shown.status] ?? []).includes(action)) this.host.press(action);
  }

  /** Handle the keys of a debugger; return whether it was one. @param {KeyboardEvent} event */
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const name = (event.shiftKey ? "Shift+" : "") + event.key;
    const spec = BAR_BUTTONS.find((candidate) => candidate.key === name);
    if (spec) this.press(spec.press);
    return !!spec;
  }

  /** @param {any} status @param {boolean} [isLookingBack] */
  show(status, isLookingBack = false) {
    if (status !== this.shown) this.shownAt = performance.now();
    this.shown = status;
    this.isLookingBack = isLookingBack;
    const allowed = isLookingBack ? [] : (ALLOWED[status.status] ?? []);
    for (const [press, button] of this.buttons) setEnabled(button, allowed.includes(press));
    setEnabled(/** @type {HTMLButtonElement} */ (this.menuButton), allowed.includes("step"));
    const label = /** @type {HTMLElement} */ (this.buttons.get("run")?.querySelector(".nbt-label"));
    label.textContent = status.snapshots > 1 || status.pause > 1 ? "Continue" : "Run";
    const text = isLookingBack ? "Looking back" : statusText(status);
    if (this.status.textContent !== text) this.status.textContent = text;
    this.updateClock();
  }

  /** Update the elapsed time and the amount of streamed text. */
  updateClock() {
    const status = this.shown;
    const now = performance.now();
    const isRunning = !this.host.isDisconnected() && (status.status === "running" || status.status === "pausing");
    const seconds = (status.seconds ?? 0) + (isRunning ? (now - this.shownAt) / 1000 : 0);
    const parts = [];
    if (status.model_calls) parts.push(plural(status.model_calls, "model call"));
    if (status.tokens) parts.push(`${formatCount(status.tokens)} tokens`);
    if (status.cost) parts.push(`$${status.cost.toFixed(status.cost < 0.01 ? 4 : 3)}`);
    if (status.seconds !== undefined) parts.push(`${seconds.toFixed(1)} s`);
    this.totals.textContent = parts.join(" · ");
    const quietTime = now - this.lastTextTime;
    const progress = isRunning && this.streamedLength ? `${formatCount(this.streamedLength)} characters` : "";
    this.progress.textContent = isRunning && status.answering && quietTime > QUIET_AFTER ? `${progress}${progress ? ", " : ""}no new text for ${Math.floor(quietTime / 1000)} s` : progress;
  }
}

/** Enable or disable a button; a focused button only gets aria-disabled, so that it keeps the focus. @param {HTMLButtonElement} button @param {boolean} enabled */
function setEnabled(button, enabled) {
  attributes(button, { "aria-disabled": enabled ? undefined : true });
  button.disabled = !enabled && document.activeElement !== button;
}

/** @param {any} status */
function statusText(status) {
  if (status.status === "paused") {
    const reason = status.reason && !["step", "pause"].includes(status.reason) ? ` (${status.reason})` : "";
    const place = status.phase === "post_inference" && !status.pending_count ? "after the reply" : PAUSE_PLACES[status.phase];
    return `Paused ${place ?? ""}${status.pending_count ? `, ${plural(status.pending_count, "call")} pending` : ""}${reason}`;
  }
  if (status.status === "running") return status.activity ? `Running: ${status.activity}` : "Running";
  if (status.status === "pausing") return "Pausing at the next phase …";
  return status.at_limit ? "Stopped at the limit" : (STATUS_WORDS[status.status] ?? "");
}
