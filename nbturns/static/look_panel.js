// @ts-check
/* What can be done with an earlier snapshot: fork, retry, compare, and see who changed what was sent. */

import { ComparisonTable } from "./comparison_table.js";
import { ICON_PATHS, actionButton, labelled, onEscape, quietButton, stateBadge, textArea, textInput } from "./debug_controls.js";
import { attributes, button, dollars, element, formatCount, plural } from "./elements.js";
import { LeaveOutForm } from "./leave_out.js";
import { snapshotWords } from "./snapshot_rail.js";

/** @typedef {import("./debug_source.js").DebugSource} DebugSource */

/** What a fork does if it makes the same call again. @type {[string, string][]} */
const EARLIER_CHOICES = [["run", "run again"], ["reuse", "use the recorded result"], ["skip", "skip"], ["confirm", "ask me"]];
const MOCKED = "mock";

/** Return the element of a comparison. @param {any} answer with pairs, total and heads */
export function comparisonElement(answer) {
  const table = new ComparisonTable({ label: `${answer.heads[0]} and ${answer.heads[1]}` });
  table.setHeaders(answer.heads[0], answer.heads[1]);
  table.show(answer.pairs);
  const note = answer.total > answer.pairs.length ? element("div", "nbt-dim", `${answer.total - answer.pairs.length} further pairs: nt.compare(a, b)`) : "";
  const hasChange = answer.pairs.some((/** @type {any} */ pair) => pair.what !== "same");
  const scroll = attributes(element("div", "nbt-scroll nbt-pairs nbt-inset-table", table.element), { tabindex: 0, role: "region", "aria-label": "Comparison", "data-lm-suppress-shortcuts": true });
  return element("div", "", hasChange ? "" : element("div", "nbt-dim nbt-inset-note", "Nothing differs."), scroll, note);
}

/** The dialog of a fork: the calls that already ran, a name, and a message. */
export class ForkDialog {
  /** @param {DebugSource} source @param {{close: () => void, goTo: (row: number) => void, notify: (text: string) => void, done: () => void}} host */
  constructor(source, host) {
    this.source = source;
    this.host = host;
    this.element = attributes(element("div", "nbt-inset"), { role: "alertdialog", "aria-label": "Fork here", tabindex: -1 });
    onEscape(this.element, () => host.close());
  }

  /** @param {number} snapshot */
  async open(snapshot) {
    this.snapshot = snapshot;
    const { calls } = await this.source.ask("earlier_calls", { snapshot });
    /** @type {any[]} */
    const asked = calls.filter((/** @type {any} */ call) => call.effect !== "pure" || call.answered_by !== "tool");
    /** @type {Map<string, string>} */
    this.choices = new Map(asked.map((call) => [call.id, call.answered_by === "tool" || call.answered_by === "recorded" ? "reuse" : "run"]));
    const effects = asked.filter((call) => call.answered_by === "tool").length;
    const others = asked.length - effects;
    const lead = asked.length
      ? [element("b", "", `After this point ${plural(effects, "call")} with effects ran${others ? `, and ${plural(others, "call")} ${others === 1 ? "was" : "were"} answered without running` : ""}.`), element("span", "nbt-dim", " A fork starts from the conversation; files stay as they are. If the fork makes the same call again:")]
      : [element("b", "", "No call with effects ran after this point."), element("span", "nbt-dim", " A fork starts from the conversation; files stay as they are.")];
    this.name = textInput("", "nbt-fork-name");
    this.name.placeholder = "fork";
    this.prompt = textArea("", "", 1);
    const [nameLabel] = labelled("name", this.name);
    const [promptLabel] = labelled("add a message", this.prompt);
    this.code = element("code", "nbt-code-line");
    const forkButton = actionButton("Fork", () => void this.send(), { icon: ICON_PATHS.fork, classes: "nbt-main", key: "⏎" });
    this.element.replaceChildren(
      element("p", "nbt-inset-lead", ...lead),
      ...(asked.length ? [this.table(asked)] : []),
      element("div", "nbt-action-form nbt-fork-fields", nameLabel, this.name, promptLabel, this.prompt),
      element("div", "nbt-card-actions", forkButton, quietButton("Cancel", () => this.host.close(), "", "Esc"), this.code),
    );
    this.drawCode(asked);
    forkButton.focus();
  }

  /** @param {any[]} calls */
  table(calls) {
    const rows = calls.map((call) => {
      const link = call.row === null || call.row === undefined ? element("span") : button("nbt-link", `#${call.row}`, `Go to block ${call.row}`, () => this.host.goTo(call.row));
      const answerer = call.answered_by === "tool" ? [] : [stateBadge(call.answered_by === MOCKED ? "◇" : "⊘", call.answered_by === MOCKED ? "mocked" : call.answered_by, call.answered_by === "recorded" ? "dim" : "hand"), " "];
      const choices = EARLIER_CHOICES.map(([value, text]) => {
        const radio = attributes(element("input"), { type: "radio", name: `nbt-${call.id}-${this.snapshot}`, "data-lm-suppress-shortcuts": true });
        radio.checked = this.choices?.get(call.id) === value;
        radio.addEventListener("change", () => (this.choices?.set(call.id, value), this.drawCode(calls)));
        return element("label", "", radio, ` ${text}`);
      });
      const group = attributes(element("div", "nbt-radio-group", ...choices), { role: "radiogroup", "aria-label": `In the fork: ${call.line}` });
      return element("tr", "", element("td", "", link, " ", element("code", "", call.line)), element("td", "", ...answerer, `${call.failed ? "✗ " : ""}${call.result}`), element("td", "", group));
    });
    const head = element("tr", "", ...["call", "what it did", "in the fork"].map((text) => attributes(element("th", "", text), { scope: "col" })));
    return element("table", "nbt-plain-table", element("thead", "", head), element("tbody", "", ...rows));
  }

  /** Show the Python of this fork. @param {any[]} calls */
  drawCode(calls) {
    const lists = ["reuse", "skip", "confirm"].flatMap((choice) => {
      const ids = calls.filter((call) => this.choices?.get(call.id) === choice).map((call) => JSON.stringify(call.id));
      return ids.length ? [`${choice}=[${ids.join(", ")}]`] : [];
    });
    if (this.code) this.code.textContent = `session.fork(${[`execution.snapshots[${this.snapshot}]`, ...lists].join(", ")})`;
  }

  async send() {
    try {
      const answer = await this.source.ask("fork", { snapshot: this.snapshot, calls: Object.fromEntries(this.choices ?? []), name: this.name?.value ?? "", text: this.prompt?.value ?? "" });
      this.host.done();
      this.host.notify(answer.notice ?? "");
    } catch (error) {
      this.host.notify(error instanceof Error ? error.message : String(error));
    }
  }
}

export class LookPanel {
  /**
   * @param {DebugSource} source
   * @param {{back: () => void, goTo: (row: number) => void, notify: (text: string) => void}} host
   */
  constructor(source, host) {
    this.source = source;
    this.host = host;
    this.index = -1;
    this.title = element("h4");
    this.note = element("p", "nbt-dim");
    this.inset = element("div");
    this.forkButton = actionButton("Fork here", () => void this.fork(), { icon: ICON_PATHS.fork, key: "f", tip: "session.fork(execution.snapshots[…])" });
    this.retryButton = actionButton("Retry this call", () => void this.act("retry"), { icon: ICON_PATHS.retry, key: "t", tip: "session.retry(execution.snapshots[…])" });
    this.compareButton = actionButton("Compare with its parent", () => void this.compare("parent"), { key: "c", tip: "nt.compare(execution.snapshots[… − 1], execution.snapshots[…])" });
    this.nowButton = actionButton("Compare with now", () => void this.compare("now"), { tip: "nt.compare(execution.snapshots[…], execution.turn)" });
    this.leaveOutButton = actionButton("Leave out blocks…", () => void this.leaveOut(), { tip: "Ask again without some blocks: session.fork(turn.drop(…))" });
    this.layersButton = actionButton("Who changed it", () => void this.layers(), { tip: "The Turn into and out of each middleware: execution.layers(iteration)" });
    this.backButton = quietButton("Back to now", () => host.back(), "", "Esc");
    this.element = attributes(element("div", "nbt-alert nbt-as-info", this.title, this.note, element("div", "nbt-actions-line", this.forkButton, this.retryButton, this.compareButton, this.nowButton, this.layersButton, this.leaveOutButton, element("span", "nbt-spacer"), this.backButton), this.inset), { role: "group", "aria-label": "Earlier snapshot" });
    this.element.hidden = true;
  }

  /** @param {number} index @param {any} totals */
  show(index, totals) {
    const { rail, state } = this.source;
    if (index !== this.index) this.inset.replaceChildren();
    this.index = index;
    this.element.hidden = index < 0;
    if (index < 0) return;
    this.title.textContent = `You look at snapshot ${index + 1} of ${rail.length}: ${snapshotWords(rail, index)}`;
    const spent = totals ? ` At that time: ${plural(totals.model_calls, "model call")}${totals.input ? `, ${formatCount(totals.input)} → ${formatCount(totals.output)} tokens` : ""}${totals.cost ? `, ${dollars(totals.cost)}` : ""}.` : "";
    this.note.textContent = `The execution is at ${rail.length} and does not change. Rows that came later are hidden.${spent}`;
    this.forkButton.hidden = this.retryButton.hidden = !state.has_session;
    this.leaveOutButton.hidden = !state.has_session || rail[index]?.[0] !== 0; // before a model call
    const call = (totals?.model_calls ?? 0) + (rail[index]?.[0] === 0 ? 1 : 0);
    this.retryButton.disabled = !call || state.status === "running" || state.status === "paused" || state.status === "pausing";
    this.retryButton.title = this.retryButton.disabled ? "The execution is in progress: stop it, or fork here" : "session.retry(execution.snapshots[…])";
    const label = this.retryButton.querySelector(".nbt-label");
    if (label) label.textContent = call ? `Retry model call ${call}` : "Retry this call";
  }

  closeInset() {
    this.inset.replaceChildren();
    this.forkButton.focus();
  }

  async fork() {
    const dialog = new ForkDialog(this.source, { close: () => this.closeInset(), goTo: this.host.goTo, notify: this.host.notify, done: () => this.host.back() });
    this.inset.replaceChildren(dialog.element);
    await dialog.open(this.index).catch((error) => this.host.notify(error.message));
  }

  async leaveOut() {
    const form = new LeaveOutForm(this.source, { close: () => this.closeInset(), notify: this.host.notify, done: () => this.host.back() });
    this.inset.replaceChildren(form.element);
    await form.open(this.index).catch((error) => this.host.notify(error.message));
  }

  /** @param {string} action */
  async act(action) {
    try {
      const answer = await this.source.ask(action, { snapshot: this.index });
      this.host.back();
      this.host.notify(answer.notice ?? "");
    } catch (error) {
      this.host.notify(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {string} other */
  async compare(other) {
    try {
      this.inset.replaceChildren(element("div", "nbt-inset", comparisonElement(await this.source.ask("compare", { snapshot: this.index, with: other }))));
    } catch (error) {
      this.host.notify(error instanceof Error ? error.message : String(error));
    }
  }

  async layers() {
    try {
      const { layers } = await this.source.ask("layers", { snapshot: this.index });
      const comparison = element("div");
      const compare = async (/** @type {any} */ fields) => {
        try {
          comparison.replaceChildren(comparisonElement(await this.source.ask("compare_layer", { snapshot: this.index, ...fields })));
        } catch (error) {
          this.host.notify(error instanceof Error ? error.message : String(error));
        }
      };
      const cell = (/** @type {any} */ layer, /** @type {number} */ number, /** @type {"sent" | "answer"} */ side) => {
        const words = side === "sent" ? "what was sent" : "the answer";
        const button = quietButton("Compare", () => void compare({ layer: number, side }), `The Turn into and out of ${layer.name}: execution.layers(…)[${number}]`);
        button.setAttribute("aria-label", `Compare ${words} of ${layer.name}`);
        const lines = layer[side].map((/** @type {string} */ line) => element("div", "", line));
        return attributes(element("td", "", ...(lines.length ? [...lines, button] : [element("span", "nbt-dim", "nothing")])), { "data-label": side === "sent" ? "sent" : "answer" });
      };
      const rows = layers.map((/** @type {any} */ layer, /** @type {number} */ number) => element("tr", "", element("td", "", element("code", "", layer.name)), cell(layer, number, "sent"), cell(layer, number, "answer")));
      const head = element("tr", "", ...["middleware", "changed in what was sent", "changed in the answer"].map((text) => attributes(element("th", "", text), { scope: "col" })));
      const body = rows.length ? element("table", "nbt-plain-table", element("thead", "", head), element("tbody", "", ...rows)) : element("div", "nbt-dim nbt-inset-note", "No middleware was around this model call.");
      this.inset.replaceChildren(element("div", "nbt-inset", body, comparison));
    } catch (error) {
      this.host.notify(error instanceof Error ? error.message : String(error));
    }
  }

  /** Handle a key outside of fields. @param {KeyboardEvent} event */
  onKey(event) {
    if (this.element.hidden || event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key === "Escape" && this.inset.firstChild) this.closeInset();
    else if (event.key === "Escape") this.host.back();
    else if (event.key === "f" && !this.forkButton.hidden) void this.fork();
    else if (event.key === "t" && !this.retryButton.hidden && !this.retryButton.disabled) void this.act("retry");
    else if (event.key === "c") void this.compare("parent");
    else return false;
    return true;
  }
}
