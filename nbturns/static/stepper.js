// @ts-check
/* The buttons of an execution, where it stands, and its table. */

const BUTTONS = [
  { press: "run", text: "Run", icon: "M2 1l9 5-9 5z", key: "F9", tip: "run on, up to a breakpoint or the end: execution.resume()" },
  { press: "step", text: "Step", icon: "M1 1l7 5-7 5zM9 1h2v10H9z", key: "F10", tip: "pass this pause and stand at the next: execution.step()" },
  { press: "pause", text: "Pause", icon: "M2 1h3v10H2zM7 1h3v10H7z", key: "F8", tip: "stand at the next boundary: execution.pause()" },
  { press: "stop", text: "Stop", icon: "M2 2h8v8H2z", key: "Shift+F9", tip: "end it here, with the Turn as far as it came: execution.stop()" },
];

/** Which buttons may be pressed where. @type {Record<string, string[]>} */
const ALLOWED = { running: ["pause", "stop"], pausing: ["run", "stop"], paused: ["run", "step", "stop"], done: [], stopped: [], failed: [] };

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
  /** @param {Store} store @param {HTMLElement} element */
  constructor(store, element) {
    this.store = store;
    this.table = new BlockTable(store);
    this.root = make("div", "nbturns nbt-stepper");
    this.root.tabIndex = -1;
    this.bar = make("div", "nbt-bar");
    this.bar.setAttribute("role", "toolbar");
    this.bar.setAttribute("aria-label", "execution");
    /** @type {Map<string, HTMLButtonElement>} */
    this.buttons = new Map();
    for (const button of BUTTONS) this.bar.append(this.button(button));
    this.status = make("span", "nbt-status");
    this.status.setAttribute("role", "status");
    this.status.setAttribute("aria-live", "polite");
    this.sums = make("span", "nbt-sums");
    this.bar.append(this.status, this.sums);
    this.waiting = make("ul", "nbt-waiting");
    this.said = make("div", "nbt-said");
    this.scroll = make("div", "nbt-scroll");
    this.scroll.append(this.table.element);
    this.root.append(this.bar, this.said, this.waiting, this.scroll);
    this.root.addEventListener("keydown", (event) => this.key(event));
    element.append(this.root);
    this.follows = true;
    this.scroll.addEventListener("scroll", () => {
      this.follows = this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < 24;
    });
    /** @param {number} from @param {[number, string][] | null} more */
    this.listener = (from, more) => this.draw(from, more);
    store.views.add(this.listener);
    this.draw(0, null);
  }

  close() {
    this.store.views.delete(this.listener);
  }

  /** @param {{press: string, text: string, icon: string, key: string, tip: string}} of */
  button(of) {
    const button = /** @type {HTMLButtonElement} */ (make("button", `nbt-button nbt-${of.press}`));
    button.type = "button";
    button.title = `${of.tip}   [${of.key}]`;
    button.append(drawn(of.icon), make("span", "nbt-word", of.text));
    button.addEventListener("click", () => this.press(of.press));
    this.buttons.set(of.press, button);
    return button;
  }

  /** @param {string} what */
  press(what) {
    const { status, pause } = this.store.table.status;
    if (!(ALLOWED[status] ?? []).includes(what)) return;
    this.store.model.send(what === "step" ? { press: what, pause } : { press: what });
  }

  /** A key without Ctrl is for this view: the notebook would take "b" for a new cell. @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    const name = (event.shiftKey ? "Shift+" : "") + event.key;
    const button = BUTTONS.find((one) => one.key === name);
    if (!button) return;
    event.preventDefault();
    this.press(button.press);
  }

  /** @param {number} from @param {[number, string][] | null} more */
  draw(from, more) {
    this.table.draw(from, more);
    const status = this.store.table.status;
    const allowed = ALLOWED[status.status] ?? [];
    for (const [press, button] of this.buttons) button.disabled = !allowed.includes(press);
    const run = /** @type {HTMLElement} */ (this.buttons.get("run")?.querySelector(".nbt-word"));
    run.textContent = status.snapshots > 1 ? "Continue" : "Run";
    this.root.dataset.status = status.status ?? "";
    const words = this.words(status);
    if (this.status.textContent !== words) this.status.textContent = words;
    this.sums.textContent = this.summed(status);
    this.said.replaceChildren(
      ...(status.error ? [make("div", "nbt-error", status.error)] : []),
      ...(status.notices ?? []).map((/** @type {string} */ text) => make("div", "nbt-notice", text)),
    );
    this.waiting.replaceChildren(...(status.waiting ?? []).map((/** @type {string} */ call) => make("li", "", call)));
    const unlisted = (status.calls ?? 0) - (status.waiting ?? []).length;
    if (unlisted > 0) this.waiting.append(make("li", "", `… and ${unlisted.toLocaleString("en")} more, in the table below`));
    this.table.tint(status.status === "paused" || status.status === "running" ? (status.new ?? Infinity) : Infinity);
    if (this.follows) this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  /** @param {any} status */
  words(status) {
    const at = { pre_inference: "before the model is asked", post_inference: "before the tools run", post_tools: "after the tools", final: "before the end" };
    if (status.status === "paused") {
      const calls = status.calls ?? 0;
      const why = status.reason?.startsWith("breakpoint") ? ` (${status.reason})` : "";
      return `paused ${at[/** @type {keyof typeof at} */ (status.phase)] ?? ""}${calls ? `, ${calls} call${calls === 1 ? "" : "s"} waiting` : ""}${why}`;
    }
    if (status.status === "running") return status.doing ? `running: ${status.doing}` : "running";
    if (status.status === "pausing") return "pausing at the next boundary …";
    return status.status ?? "";
  }

  /** @param {any} status */
  summed(status) {
    const said = [];
    if (status.snapshots) said.push(`iteration ${status.iteration}`, `${status.snapshots} snapshot${status.snapshots === 1 ? "" : "s"}`);
    if (status.tokens) said.push(`${status.tokens.toLocaleString("en")} tokens`);
    if (status.seconds !== undefined) said.push(`${status.seconds.toFixed(1)} s`);
    return said.join(" · ");
  }
}

export default () => {
  /** @type {Store} */
  let store;
  return {
    /** @param {{model: any}} given */
    initialize({ model }) {
      store = new Store(model);
      return () => store.close();
    },
    /** @param {{model: any, el: HTMLElement}} given */
    render({ model, el }) {
      store ??= new Store(model);
      const view = new StepperView(store, el);
      return () => view.close();
    },
  };
};
