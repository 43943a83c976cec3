// @ts-check
/* The view of a Run or a Session: timeline, phases, changes and blocks of the selected Turn. */

import { BlockDetails } from "./block_detail.js";
import { BlockTable, DEFAULT_COLUMNS } from "./block_table.js";
import { ComparisonTable } from "./comparison_table.js";
import { COPY_REFUSED, attributes, button, copy, formatCount, element, plural } from "./elements.js";
import { MAX_PREFETCH, RunSource, TurnRows } from "./run_source.js";
import { STATES, Timeline, summaryParts } from "./timeline.js";
import { Toolbar } from "./toolbar.js";

/**
 * @typedef {import("./run_source.js").TurnEntry} TurnEntry
 * @typedef {import("./run_source.js").Phase} Phase
 * @typedef {import("./run_source.js").Stretch} Stretch
 */

/** @type {Record<string, string>} */
const PHASES = {
  pre_inference: "Before the model call",
  post_inference: "After the model call",
  post_tools: "After the tools",
  final: "At the end",
};
const ACTIVE_STATES = ["running", "pausing", "paused"]; // Turns in these states may still grow
let viewCount = 0;

export class RunView {
  /** @param {RunSource} run @param {HTMLElement} container @param {typeof BlockDetails} [Details] menu and panels of a block */
  constructor(run, container, Details = BlockDetails) {
    this.run = run;
    this.model = run.model;
    const panelId = `nbt-panel-${++viewCount}`;
    this.rows = new TurnRows(run);
    this.root = attributes(element("div", "nbt-view nbt-run tex2jax_ignore mathjax_ignore"), { role: "region", "aria-label": "Run" });
    this.title = element("div", "nbt-title");
    this.timeline = new Timeline({ controls: panelId, onSelect: (index) => this.choose({ turn: index, phase: -1 }) });
    this.turnSummary = attributes(element("div", "nbt-turn-summary"), { role: "status", "aria-live": "polite" });
    this.phases = attributes(element("div", "nbt-phases"), { role: "tablist", "aria-label": "Phases" });
    this.phases.addEventListener("keydown", (event) => this.phaseKey(event));
    this.changes = element("div", "nbt-changes");
    this.message = attributes(element("span", "nbt-message"), { role: "status", "aria-live": "polite" });
    /** @type {BlockDetails | undefined} */
    this.blockDetails = undefined;
    this.table = new BlockTable(this.rows, {
      label: "Blocks of the Turn",
      columns: DEFAULT_COLUMNS.flatMap((name) => (name === "time" && run.turns.some((turn) => turn.cost !== undefined) ? ["cost", name] : [name])),
      onMenu: (index, anchor) => this.blockDetails?.openMenu(index, anchor),
      detailPanel: (index) => this.blockDetails?.detailPanel(index),
      onSelect: (indices) => this.save({ selected: indices }),
      onNotify: (text) => (this.message.textContent = text),
      onError: (error) => (this.message.textContent = error instanceof Error ? error.message : String(error)),
    });
    this.blockDetails = new Details(this.table, (text) => (this.message.textContent = text));
    this.toolbar = new Toolbar(this.table);
    this.newButton = button("", "New only", "Hide blocks carried over from the previous Turn", () => this.toggleOnlyNew());
    this.jumpButton = button("", "→ New", "Jump to the first new block", () => this.jumpToNew());
    this.toolbar.extraButtons.prepend(this.jumpButton, this.newButton);
    this.report = element("details", "nbt-report");
    const footer = element("div", "nbt-foot", this.message);
    this.panel = attributes(element("div", "nbt-panel", this.turnSummary, this.phases, this.changes, this.toolbar.element, this.toolbar.keyHelp, this.table.mount, footer), { role: "tabpanel", id: panelId, "aria-label": "Turn" });
    this.root.append(element("div", "nbt-top", this.title, this.toolbar.extraButtons), this.timeline.element, this.panel, this.report);
    this.root.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
    });
    container.append(this.root);
    /** @type {{turn: number, phase: number}} */
    this.displayed = { turn: -1, phase: -1 };
    this.isOpened = false;
    this.onChoice = () => this.draw();
    this.onSelected = () => this.table.showSelected(this.model.get("selected"));
    for (const trait of ["turn", "phase"]) this.model.on(`change:${trait}`, this.onChoice);
    this.model.on("change:selected", this.onSelected);
    /** @param {import("./run_source.js").RunChange} change */
    this.onRunChange = (change) => this.handleChange(change);
    run.listeners.add(this.onRunChange);
    this.drawAll(0);
    this.table.showSelected(this.model.get("selected"));
    this.prefetch();
  }

  close() {
    this.run.listeners.delete(this.onRunChange);
    for (const trait of ["turn", "phase"]) this.model.off(`change:${trait}`, this.onChoice);
    this.model.off("change:selected", this.onSelected);
    this.table.close();
  }

  /** @param {import("./run_source.js").RunChange} change */
  handleChange(change) {
    if ("text" in change) {
      if (this.displaysStreaming) for (const [number, text] of change.text) this.rows.addStreamedText(number, text);
    } else if ("rows" in change) this.rows.rowsArrived(...change.rows);
    else if ("place" in change) this.rows.rowsArrived(change.place, change.place + 1);
    else this.drawAll(change.from);
    if ("rows" in change) this.toolbar.setChoices(this.choices());
  }

  /** True if streaming blocks are displayed: they belong to the end of the last Turn. */
  get displaysStreaming() {
    return this.displayed.turn === this.run.turns.length - 1 && this.displayed.phase < 0;
  }

  /** Index of the displayed Turn; the last one, if the reader did not choose another. */
  get turn() {
    const selectedTurn = this.model.get("turn");
    const last = this.run.turns.length - 1;
    return selectedTurn < 0 ? Math.max(last + 1 + selectedTurn, 0) : Math.min(selectedTurn, last);
  }

  /** @param {{turn?: number, phase?: number}} choice */
  choose(choice) {
    const last = this.run.turns.length - 1;
    const turn = choice.turn === undefined ? this.model.get("turn") : choice.turn === last ? -1 : choice.turn;
    this.save({ ...choice, turn });
    this.draw();
  }

  /** @param {Record<string, unknown>} traits */
  save(traits) {
    for (const [name, value] of Object.entries(traits)) this.model.set(name, value);
    this.model.save_changes();
  }

  // Drawing.

  /** @param {number} from index of the first changed Turn */
  drawAll(from) {
    const { run } = this;
    this.title.replaceChildren(element("b", "", run.name), ...(run.head ? [element("span", "", `· ${run.head}`)] : []), ...(run.activity ? [element("span", "nbt-badge", run.activity)] : []));
    this.timeline.show(run.turns, this.turn);
    this.timeline.element.hidden = this.turnSummary.hidden = this.jumpButton.hidden = this.newButton.hidden = run.single;
    this.drawReport();
    this.draw(this.displayed.turn >= from);
    this.toolbar.setChoices(this.choices());
  }

  /** @param {boolean} [force] */
  draw(force = false) {
    const { turn } = this;
    const entry = this.run.turns[turn];
    const phase = Math.min(this.model.get("phase"), (entry?.phases.length ?? 0) - 1);
    if (!force && this.displayed.turn === turn && this.displayed.phase === phase) return;
    const isOtherTurn = this.displayed.turn !== turn || this.displayed.phase !== phase;
    this.displayed = { turn, phase };
    if (this.timeline.selected !== turn) this.timeline.select(turn);
    this.panel.hidden = !entry;
    if (!entry) return;
    this.drawTurnSummary(entry);
    this.drawPhases(entry, phase);
    this.drawChanges(entry, phase);
    const phaseEntry = entry.phases[phase];
    const length = phaseEntry ? phaseEntry.blocks : entry.blocks;
    const previousLength = phase > 0 ? entry.phases[phase - 1].blocks : (entry.fresh[0]?.[0] ?? 0);
    const newIndices = phaseEntry ? (phaseEntry.fresh ?? /** @type {Stretch[]} */ (phaseEntry.blocks > previousLength ? [[previousLength, phaseEntry.blocks]] : [])) : entry.fresh;
    const { stickToEnd } = this.table;
    const isActive = this.displaysStreaming && ACTIVE_STATES.includes(entry.state);
    stickToEnd.enabled ||= isActive; // the last addition is followed as well
    this.rows.showBlocks(phaseEntry?.stretches ?? entry.stretches, length, newIndices, this.displaysStreaming ? this.run.streamingRows : []);
    stickToEnd.enabled = isActive;
    this.run.load(Math.max(0, this.run.length - 200), this.run.length);
    this.toolbar.setChoices(this.choices());
    if (isOtherTurn && this.isOpened) {
      this.jumpToNew(false);
      stickToEnd.readerResized();
    }
    this.isOpened = true;
  }

  /** @param {TurnEntry} entry */
  drawTurnSummary(entry) {
    const [symbol, word] = STATES[entry.state] ?? ["", entry.state];
    const code = `run[${entry.index}]`;
    const step = (/** @type {number} */ offset) => this.choose({ turn: Math.max(0, Math.min(entry.index + offset, this.run.turns.length - 1)), phase: -1 });
    const previousButton = button("", "◂", "Previous Turn", () => step(-1));
    const nextButton = button("", "▸", "Next Turn", () => step(1));
    previousButton.disabled = entry.index === 0;
    nextButton.disabled = entry.index === this.run.turns.length - 1;
    const copyButton = button("nbt-code", code, `Copy ${code}`, () => void copy(code).then(() => (this.message.textContent = `Copied ${code}`), () => (this.message.textContent = COPY_REFUSED)));
    const focused = this.turnSummary.contains(document.activeElement) ? document.activeElement?.textContent : null;
    this.turnSummary.replaceChildren(
      element("span", "nbt-group", previousButton, nextButton),
      element("b", "", `Turn ${entry.index}`),
      ...(symbol ? [element("span", `nbt-badge nbt-${entry.state}`, `${symbol} ${word}`)] : []),
      element("span", "nbt-turn-title", entry.title),
      element("span", "nbt-totals", summaryParts(entry).join(" · ")),
      copyButton,
    );
    if (focused === "◂" && !previousButton.disabled) previousButton.focus();
    if (focused === "▸" && !nextButton.disabled) nextButton.focus();
  }

  /** @param {TurnEntry} entry @param {number} selectedPhase */
  drawPhases(entry, selectedPhase) {
    this.phases.hidden = !entry.phases.length;
    const focused = this.phases.contains(document.activeElement);
    /** @type {HTMLElement[]} */
    const tabs = [this.phaseTab("Whole Turn", entry.blocks, "", -1, selectedPhase)];
    entry.phases.forEach((phase, n) => {
      if (!n || phase.iteration !== entry.phases[n - 1].iteration) tabs.push(iterationLabel(phase.iteration));
      const previousLength = n ? entry.phases[n - 1].blocks : (entry.fresh[0]?.[0] ?? 0);
      const added = phase.blocks - previousLength;
      tabs.push(this.phaseTab(phase.phase, phase.blocks, added > 0 ? `+${formatCount(added)}` : added < 0 ? `−${formatCount(-added)}` : "", n, selectedPhase));
    });
    this.phases.replaceChildren(...tabs);
    const selected = /** @type {HTMLElement | null} */ (this.phases.querySelector('[aria-selected="true"]'));
    if (selected) this.phases.scrollLeft = selected.offsetLeft - this.phases.clientWidth / 2;
    if (focused) selected?.focus({ preventScroll: true });
  }

  /** @param {string} name @param {number} blocks @param {string} addedText @param {number} number @param {number} selectedPhase */
  phaseTab(name, blocks, addedText, number, selectedPhase) {
    const content = element("span", "", name, element("span", "nbt-count", formatCount(blocks)), ...(addedText ? [element("span", "nbt-added-count", addedText)] : []));
    const result = button("nbt-phase", content, "", () => this.choose({ phase: number }));
    result.title = `${PHASES[name] ?? "All blocks of the Turn"}: ${plural(blocks, "block")}`;
    return attributes(result, { role: "tab", "aria-selected": number === selectedPhase, tabindex: number === selectedPhase ? 0 : -1 });
  }

  /** @param {KeyboardEvent} event */
  phaseKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const entry = this.run.turns[this.displayed.turn];
    const last = entry.phases.length - 1;
    const direction = getComputedStyle(this.phases).direction === "rtl" ? -1 : 1;
    /** @type {Record<string, number>} */
    const targets = { ArrowRight: this.displayed.phase + direction, ArrowLeft: this.displayed.phase - direction, Home: -1, End: last };
    if (!(event.key in targets)) return;
    event.preventDefault();
    this.choose({ phase: Math.max(-1, Math.min(targets[event.key], last)) });
    const tab = this.phases.querySelector('[aria-selected="true"]');
    if (tab instanceof HTMLElement) tab.focus({ preventScroll: true });
  }

  /** List edited, removed and moved blocks; the table already marks added ones. @param {TurnEntry} entry @param {number} phase */
  drawChanges(entry, phase) {
    const changes = (entry.changes ?? []).filter((pair) => pair.what !== "added");
    this.changes.hidden = !changes.length || phase >= 0;
    if (this.changes.hidden) return this.changes.replaceChildren();
    const table = new ComparisonTable({ label: `Turn ${entry.index - 1} and Turn ${entry.index}` });
    table.setHeaders(`Turn ${entry.index - 1}`, `Turn ${entry.index}`);
    table.changesOnly = true;
    table.show(changes.map((pair) => ({ ...pair, a_turn: 0, b_turn: 0 })));
    const summary = element("summary", "", `Changes since Turn ${entry.index - 1}: ${changeDescription(entry)}`);
    attributes(summary, { "data-lm-suppress-shortcuts": true });
    const code = `nt.compare(run[${entry.index - 1}], run[${entry.index}])`;
    const moreText = entry.more_changes ? `… and ${plural(entry.more_changes, "more change")}; ` : "";
    this.changes.replaceChildren(element("details", "", summary, element("div", "nbturns nbt-scroll nbt-pairs", table.element), element("small", "", moreText, element("code", "", code))));
  }

  drawReport() {
    const { report } = this.run;
    this.report.hidden = !report;
    if (!report || this.report.childElementCount) return;
    const summary = element("summary", "", report.head);
    attributes(summary, { "data-lm-suppress-shortcuts": true });
    this.report.append(summary, element("ul", "", ...report.lines.map((line) => element("li", "", line))));
  }

  // Actions of the reader.

  choices() {
    /** @type {Map<string, number>} */
    const kinds = new Map();
    /** @type {Set<string>} */
    const tools = new Set();
    for (const row of this.rows.rows) {
      if (!row) continue;
      kinds.set(row.kind, (kinds.get(row.kind) ?? 0) + 1);
      if (row.kind === "tool_call" && row.name) tools.add(row.name);
    }
    return { kinds: [...kinds], tools: [...tools].sort() };
  }

  toggleOnlyNew() {
    this.rows.onlyNew = !this.rows.onlyNew;
    attributes(this.newButton, { "aria-pressed": this.rows.onlyNew });
    this.newButton.classList.toggle("nbt-pressed", this.rows.onlyNew);
    this.rows.setFilterSort({});
  }

  /** @param {boolean} [focus] */
  jumpToNew(focus = true) {
    const index = this.rows.isNew.indexOf(true);
    const position = index < 0 ? this.rows.length - 1 : this.rows.position(index);
    if (position < 0) return;
    this.table.reveal(position, focus);
    const line = this.table.line(position);
    if (line && !this.rows.onlyNew) this.table.scroller.scrollTop += line.getBoundingClientRect().top - this.table.scroller.getBoundingClientRect().top - this.table.header.offsetHeight - 30;
    if (focus) requestAnimationFrame(() => line?.scrollIntoView({ block: "nearest" }));
  }

  /** Load further blocks in idle time, so that they are available when the kernel is busy. */
  prefetch() {
    const whenIdle = window.requestIdleCallback ?? ((/** @type {() => void} */ callback) => setTimeout(callback, 100));
    whenIdle(() => this.run.load(0, Math.min(this.run.length, MAX_PREFETCH)));
  }
}

/** @param {number} iteration */
function iterationLabel(iteration) {
  const label = element("span", "nbt-iteration", `Iteration ${iteration}`);
  label.setAttribute("role", "presentation");
  return label;
}

/** @param {TurnEntry} entry */
function changeDescription(entry) {
  return /** @type {("edited" | "moved" | "removed" | "added")[]} */ (["edited", "moved", "removed", "added"])
    .flatMap((change) => (entry[change] ? [`${formatCount(entry[change] ?? 0)} ${change}`] : []))
    .join(", ");
}

export default () => {
  /** @type {RunSource | undefined} */
  let run;
  return {
    /** @param {{model: any}} context */
    initialize({ model }) {
      run = new RunSource(model);
      return () => run?.close();
    },
    /** @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      run ??= new RunSource(model);
      const view = new RunView(run, el);
      return () => view.close();
    },
  };
};
