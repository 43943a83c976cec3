// @ts-check
/* The buttons of an execution, where it stands in words, the calls that wait, and its blocks as they come. */

import { BlockDetails } from "./block_detail.js";
import { BlockTable } from "./block_table.js";
import { attributes, counted, element, plural } from "./elements.js";
import { LiveRows } from "./live_rows.js";

/** @typedef {{press: string, text: string, icon: string, key: string, tip: string}} StepButton */

/** @type {StepButton[]} */
const BUTTONS = [
  { press: "run", text: "Run", icon: "M2 1l9 5-9 5z", key: "F9", tip: "run on, up to a breakpoint or the end: execution.resume()" },
  { press: "step", text: "Step", icon: "M1 1l7 5-7 5zM9 1h2v10H9z", key: "F10", tip: "pass this pause and stand at the next: execution.step()" },
  { press: "pause", text: "Pause", icon: "M2 1h3v10H2zM7 1h3v10H7z", key: "F8", tip: "stand at the next boundary: execution.pause()" },
  { press: "stop", text: "Stop", icon: "M2 2h8v8H2z", key: "Shift+F9", tip: "end it here, with the Turn as far as it came: execution.stop()" },
];

/** Which buttons may be pressed where. @type {Record<string, string[]>} */
const ALLOWED = { running: ["pause", "stop"], pausing: ["run", "stop"], paused: ["run", "step", "stop"], done: [], stopped: [], failed: [] };

/** Where a pause stands, in words. @type {Record<string, string>} */
const AT = { pre_inference: "before the model is asked", post_inference: "before the tools run", post_tools: "after the tools", final: "before the end" };
const BOUNDARIES = ["pre_inference", "post_inference", "post_tools", "final"];
const QUIET = 5000; // ms without a word from the model after which that is said

/** A small picture that needs no font. @param {string} path */
function drawn(path) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "0 0 12 12");
  picture.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  picture.append(shape);
  return picture;
}

class StepperView {
  /** @param {LiveRows} rows @param {HTMLElement} place */
  constructor(rows, place) {
    this.rows = rows;
    this.root = attributes(element("div", "nbt-view nbt-stepper tex2jax_ignore mathjax_ignore"), { role: "region", "aria-label": "execution", tabindex: -1 });
    this.bar = attributes(element("div", "nbt-tools nbt-bar"), { role: "toolbar", "aria-label": "execution" });
    /** @type {Map<string, HTMLButtonElement>} */
    this.buttons = new Map();
    this.bar.append(...BUTTONS.map((one) => this.button(one)));
    this.status = attributes(element("span", "nbt-status"), { role: "status", "aria-live": "polite" });
    this.live = element("span", "nbt-live");
    this.sums = element("span", "nbt-sums");
    this.bar.append(this.status, this.live, element("span", "nbt-spring"), this.sums);
    this.boundaries = attributes(element("ol", "nbt-boundaries"), { "aria-label": "boundaries of the loop" });
    this.waiting = attributes(element("ul", "nbt-waiting"), { "aria-label": "calls that wait" });
    this.notes = element("div", "nbt-notes");
    this.said = attributes(element("span", "nbt-said"), { "aria-live": "polite" });
    /** @type {BlockDetails | undefined} */
    this.details = undefined;
    this.table = new BlockTable(rows, {
      label: "blocks so far",
      selectable: false,
      sortable: false,
      onMenu: (index, at) => this.details?.menu(index, at),
      below: (index) => this.details?.below(index),
      onError: (error) => (this.said.textContent = error instanceof Error ? error.message : String(error)),
      onSay: (text) => (this.said.textContent = text),
    });
    this.details = new BlockDetails(this.table, (text) => (this.said.textContent = text));
    this.table.follow.on = true;
    this.root.append(this.bar, this.boundaries, this.notes, this.waiting, this.table.mount, element("div", "nbt-foot", this.said));
    this.root.addEventListener("keydown", (event) => this.key(event), { capture: true });
    this.root.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation(); // the notebook would take "b" for a new cell
    });
    place.append(this.root);
    this.heardAt = performance.now();
    this.streamed = 0;
    this.stopHearing = rows.listen((change) => this.hear(change));
    this.watcher = () => this.draw();
    rows.watchers.add(this.watcher);
    this.timer = setInterval(() => this.tick(), 500);
    this.draw();
    this.table.toEnd();
  }

  close() {
    clearInterval(this.timer);
    this.stopHearing();
    this.rows.watchers.delete(this.watcher);
    this.table.close();
  }

  /** @param {StepButton} of */
  button(of) {
    const made = element("button", `nbt-button nbt-${of.press}`, drawn(of.icon), element("span", "nbt-word", of.text));
    made.type = "button";
    made.title = `${of.tip}   [${of.key}]`;
    attributes(made, { "aria-keyshortcuts": of.key, "data-lm-suppress-shortcuts": true });
    made.addEventListener("click", () => this.press(of.press));
    this.buttons.set(of.press, made);
    return made;
  }

  /** @param {string} what */
  press(what) {
    const { status, pause } = this.rows.status;
    if (!(ALLOWED[status] ?? []).includes(what)) return;
    this.rows.model.send(what === "step" ? { press: what, pause } : { press: what });
  }

  /** Keys as in a debugger. @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const name = (event.shiftKey ? "Shift+" : "") + event.key;
    const known = BUTTONS.find((one) => one.key === name);
    if (!known) return;
    event.preventDefault();
    event.stopPropagation();
    this.press(known.press);
  }

  /** @param {import("./row_source.js").Change} change */
  hear(change) {
    this.heardAt = performance.now();
    if ("position" in change) this.streamed += change.text.length;
    else this.streamed = this.rows.rows.reduce((sum, row) => sum + (row.open ? (row.body ?? "").length : 0), 0);
  }

  draw() {
    const { status } = this.rows;
    const allowed = ALLOWED[status.status] ?? [];
    for (const [press, button] of this.buttons) this.allow(button, allowed.includes(press));
    const word = /** @type {HTMLElement} */ (this.buttons.get("run")?.querySelector(".nbt-word"));
    word.textContent = status.snapshots > 1 ? "Continue" : "Run";
    this.root.dataset.status = status.status ?? "";
    const words = this.words(status);
    if (this.status.textContent !== words) this.status.textContent = words;
    this.drawBoundaries(status);
    this.notes.replaceChildren(
      ...(status.error ? [element("div", "nbt-error", status.error)] : []),
      ...(status.notices ?? []).map((/** @type {string} */ text) => element("div", "nbt-notice", text)),
    );
    const calls = status.waiting ?? [];
    this.waiting.hidden = !calls.length;
    this.waiting.replaceChildren(...calls.map((/** @type {string} */ call) => element("li", "", call)));
    const unlisted = (status.calls ?? 0) - calls.length;
    if (unlisted > 0) this.waiting.append(element("li", "", `… and ${counted(unlisted)} more, in the table below`));
    this.tick();
  }

  /** A button that has the focus keeps it when it may not be pressed. @param {HTMLButtonElement} button @param {boolean} may */
  allow(button, may) {
    attributes(button, { "aria-disabled": may ? undefined : true });
    button.disabled = !may && document.activeElement !== button;
  }

  /** @param {any} status */
  drawBoundaries(status) {
    const at = status.phase;
    this.boundaries.hidden = !at;
    const paused = status.status === "paused";
    this.boundaries.replaceChildren(
      element("li", "nbt-iteration", `iteration ${status.iteration ?? 0}`),
      ...BOUNDARIES.map((name) => {
        const step = element("li", name === at ? "nbt-at" : "", name === at && paused ? "❚❚ " : "", name);
        step.title = `pauses ${AT[name]}`;
        return attributes(step, { "aria-current": name === at ? "step" : undefined });
      }),
    );
  }

  /** @param {any} status */
  words(status) {
    if (status.status === "paused") {
      const why = status.reason?.startsWith("breakpoint") ? ` (${status.reason})` : "";
      return `paused ${AT[status.phase] ?? ""}${status.calls ? `, ${plural(status.calls, "call")} waiting` : ""}${why}`;
    }
    if (status.status === "running") return status.doing ? `running: ${status.doing}` : "running";
    if (status.status === "pausing") return "pausing at the next boundary …";
    return status.status ?? "";
  }

  /** What goes on by itself: the clock, and how much has come. */
  tick() {
    const { status, since } = this.rows;
    const now = performance.now();
    const going = status.status === "running" || status.status === "pausing";
    const seconds = (status.seconds ?? 0) + (going ? (now - since) / 1000 : 0);
    const said = [];
    if (status.snapshots) said.push(plural(status.snapshots, "snapshot"));
    if (status.tokens) said.push(`${counted(status.tokens)} tokens`);
    if (status.seconds !== undefined) said.push(`${seconds.toFixed(1)} s`);
    this.sums.textContent = said.join(" · ");
    const quiet = now - this.heardAt;
    const live = going && this.streamed ? `${counted(this.streamed)} characters` : "";
    this.live.textContent = going && status.answering && quiet > QUIET ? `${live}${live ? ", " : ""}nothing new for ${Math.floor(quiet / 1000)} s` : live;
  }
}

export default () => {
  /** @type {LiveRows | undefined} */
  let rows;
  return {
    /** @param {{model: any}} given */
    initialize({ model }) {
      rows = new LiveRows(model);
      return () => rows?.end();
    },
    /** @param {{model: any, el: HTMLElement}} given */
    render({ model, el }) {
      rows ??= new LiveRows(model);
      const view = new StepperView(rows, el);
      return () => view.close();
    },
  };
};
