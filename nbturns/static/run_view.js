// @ts-check
/* The view of a Run or a Session: its head, the lane of its model calls, and the blocks of the selected Turn. */

import { BlockDetails } from "./block_detail.js";
import { BlockTable } from "./block_table.js";
import { CallsLane } from "./calls_lane.js";
import { ContextLens } from "./context_lens.js";
import { attributes, button, element } from "./elements.js";
import { EndingRow } from "./ending_row.js";
import { LabelField } from "./label_field.js";
import { PhaseSlider } from "./phase_slider.js";
import { ProblemsPanel } from "./problems_panel.js";
import { Rendering } from "./rendering.js";
import { runTitle, runTotals } from "./run_header.js";
import { MAX_PREFETCH, RunSource, TurnRows } from "./run_source.js";
import { Subagents } from "./subagents.js";
import { Toolbar } from "./toolbar.js";
import { drawReport, drawTurnChanges } from "./turn_changes.js";
import { TurnFoot } from "./turn_foot.js";

/**
 * @typedef {import("./run_source.js").TurnEntry} TurnEntry
 * @typedef {import("./run_source.js").Stretch} Stretch
 */

const ACTIVE_STATES = ["running", "pausing", "paused"]; // Turns in these states may still grow
const PROBLEM_DELAY = 600; // ms
/** @type {[string, string][]} */
const RUN_HELP = [["e  E", "Next, previous problem"], ["▲", "Call: its context grew most"], ["↺", "Call: tokens billed again, because the cache broke"], ["■", "The Turn stopped at a limit"]];
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
    this.totals = element("div", "nbt-stats");
    this.lane = new CallsLane({
      controls: panelId,
      onTurn: (index) => this.choose({ turn: index, phase: -1 }),
      onCall: (slot) => this.goToCall(slot),
      onSelect: (slot) => this.lens.select(slot),
      nameOf: (turn, index) => this.run.blockName(turn, index),
    });
    this.phases = new PhaseSlider((phase) => this.choose({ phase }));
    this.phases.element.hidden = true;
    this.changes = element("div", "nbt-changes");
    this.problems = new ProblemsPanel({
      onProblem: ({ turn, index }) => void this.goToBlock(turn, index ?? this.run.turns[turn].blocks - 1),
      ask: (rules) => run.ask({ request: "problems", rules }),
      notify: (text) => this.foot.notify(text),
      code: "nt.problems(run)",
    });
    this.lens = new ContextLens({
      ask: (turn, first) => run.ask({ request: "context", turn, first }),
      onBlock: (turn, index) => void this.goToBlock(turn, index),
      onStep: (offset) => this.lane.step(offset),
      canAsk: run.hasKernel,
    });
    this.sidePanels = element("div", "nbt-run-panels", this.lens.element, this.problems.element);
    this.foot = new TurnFoot((turn) => this.choose({ turn, phase: -1 }));
    /** @type {BlockDetails | undefined} */
    this.blockDetails = undefined;
    this.subagents = new Subagents(run, (text) => this.foot.notify(text));
    this.table = new BlockTable(this.rows, {
      subagents: this.subagents,
      label: "Blocks of the Turn",
      onMenu: (index, anchor) => this.blockDetails?.openMenu(index, anchor),
      detailPanel: (index) => this.blockDetails?.detailPanel(index),
      onSelect: (indices) => this.save({ selected: indices }),
      onActivate: (index) => this.lane.selectSlot(this.lane.slotOfBlock(this.displayed.turn, index)),
      onNotify: (text) => this.foot.notify(text),
      onError: (error) => this.foot.notify(error instanceof Error ? error.message : String(error)),
    });
    this.ending = new EndingRow(() => this.model.send({ press: "retry" }), run.canRetry);
    this.blockDetails = new Details(this.table, (text) => this.foot.notify(text));
    this.toolbar = new Toolbar(this.table);
    this.labelField = run.canLabel ? new LabelField(this.table, this.toolbar, (index, label) => this.addLabel(index, label), (text) => this.foot.notify(text)) : undefined;
    this.newButton = button("", "New only", "Hide blocks carried over from the previous Turn", () => this.toggleOnlyNew());
    this.jumpButton = button("", "Next new block", "Go to the first block that the previous Turn does not have", () => this.jumpToNew());
    this.phaseButton = attributes(button("nbt-toggle", "Phases", "", () => this.togglePhases()), { "aria-expanded": false });
    this.phaseButton.title = "Show the Turn at a phase of its loop";
    this.toolbar.extraButtons.prepend(this.jumpButton, this.newButton);
    this.rendering = run.canRender ? new Rendering(this.table, this.model) : undefined;
    this.toolbar.extraButtons.prepend(this.rendering?.button ?? "");
    this.toolbar.panelButtons.append(this.lens.openButton, this.problems.openButton, this.phaseButton);
    this.table.keys.extraKeys.set("e", () => this.problems.step(1));
    this.table.keys.extraKeys.set("E", () => this.problems.step(-1));
    this.toolbar.addHelp(RUN_HELP);
    this.report = element("details", "nbt-report");
    this.panel = attributes(element("div", "nbt-panel", this.toolbar.element, this.toolbar.keyHelp, this.labelField?.element ?? "", this.phases.element, this.changes, this.sidePanels, this.table.mount, this.ending.element, this.foot.element), { role: "tabpanel", id: panelId, "aria-label": "Turn" });
    this.root.append(element("div", "nbt-top", this.title, this.toolbar.extraButtons), this.totals, this.lane.element, this.panel, this.report);
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    container.append(this.root);
    /** @type {{turn: number, phase: number}} */
    this.displayed = { turn: -1, phase: -1 };
    this.isOpened = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.problemTimer = undefined;
    this.onChoice = () => this.draw();
    this.onSelected = () => this.table.showSelected(this.model.get("selected"));
    for (const trait of ["turn", "phase"]) this.model.on(`change:${trait}`, this.onChoice);
    this.model.on("change:selected", this.onSelected);
    /** @param {import("./run_source.js").RunChange} change */
    this.onRunChange = (change) => this.handleChange(change);
    run.listeners.add(this.onRunChange);
    this.drawAll(0);
    this.table.showSelected(this.model.get("selected"));
    if (this.model.get("selected").length) void this.goToBlock(this.displayed.turn, Math.min(...this.model.get("selected")), false);
    this.prefetch();
  }

  /** Add a label to a block of the displayed Turn. @param {number} index @param {string} label */
  addLabel(index, label) {
    const place = this.rows.places[index];
    return place === undefined ? Promise.reject(new Error("This block is still streaming")) : this.run.addLabel(place, label);
  }

  /** Go on to a problem from anywhere in the view but a field, and keep keys from the notebook, which adds a cell on "b". @param {KeyboardEvent} event */
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    if (event.defaultPrevented || /** @type {HTMLElement} */ (event.target).closest("input, select, textarea, .nbt-menu")) return;
    if (event.key.toLowerCase() !== "e") return;
    event.preventDefault();
    this.problems.step(event.key === "e" ? 1 : -1);
  }

  close() {
    clearTimeout(this.problemTimer);
    this.run.listeners.delete(this.onRunChange);
    for (const trait of ["turn", "phase"]) this.model.off(`change:${trait}`, this.onChoice);
    this.model.off("change:selected", this.onSelected);
    this.rendering?.close();
    this.subagents.close();
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

  /** Index of the displayed Turn; negative values of the trait count from the last one. */
  get turn() {
    const selectedTurn = this.model.get("turn");
    const last = this.run.turns.length - 1;
    return Math.max(selectedTurn < 0 ? last + 1 + selectedTurn : Math.min(selectedTurn, last), 0);
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
    attributes(this.root, { "aria-label": run.name === "Run" ? "Run" : `Run ${run.name}` }); // of several views on a page
    this.title.replaceChildren(...runTitle(run), this.problems.chip);
    this.totals.replaceChildren(...runTotals(run));
    this.lane.element.hidden = run.turns.length < 2 && !run.turns.some((turn) => turn.lane?.length);
    this.lane.show(run.turns, this.turn);
    this.jumpButton.hidden = this.newButton.hidden = run.turns.length < 2;
    this.problems.show(run.problems, run.problemRules, run.hasKernel);
    this.findProblems(run.problems === undefined || this.isOpened ? PROBLEM_DELAY : -1);
    this.foot.setSingle(run.single);
    drawReport(this.report, run.report);
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
    if (this.lane.selectedTurn !== turn) this.lane.selectTurn(turn);
    this.panel.hidden = !entry;
    if (!entry) return;
    this.foot.show(entry, this.run.turns.length);
    this.phaseButton.hidden = !entry.phases.length;
    if (phase >= 0) this.togglePhases(true);
    this.phases.show(entry, phase);
    drawTurnChanges(this.changes, entry, phase);
    this.ending.show(phase < 0 ? entry.ending : null, !!entry.can_retry && entry.index === this.run.turns.length - 1);
    const phaseEntry = entry.phases[phase];
    const length = phaseEntry ? phaseEntry.blocks : entry.blocks;
    const previousLength = phase > 0 ? entry.phases[phase - 1].blocks : (entry.fresh[0]?.[0] ?? 0);
    const newIndices = phaseEntry ? (phaseEntry.fresh ?? /** @type {Stretch[]} */ (phaseEntry.blocks > previousLength ? [[previousLength, phaseEntry.blocks]] : [])) : entry.fresh;
    const { stickToEnd } = this.table;
    const isActive = this.displaysStreaming && ACTIVE_STATES.includes(entry.state);
    stickToEnd.enabled ||= isActive; // the last addition is followed as well
    this.rows.showBlocks(phaseEntry?.stretches ?? entry.stretches, length, newIndices, this.displaysStreaming ? this.run.streamingRows : []);
    stickToEnd.enabled = isActive;
    this.toolbar.setChoices(this.choices());
    if (isOtherTurn && (this.isOpened || this.model.get("turn") < 0)) {
      this.run.load(Math.max(0, this.run.length - 200), this.run.length);
      this.jumpToNew(false);
      if (this.isOpened) stickToEnd.readerResized();
    }
    this.isOpened = true;
  }

  /** Request the problems when nothing has changed for a time. @param {number} delay ms, negative if they have arrived */
  findProblems(delay) {
    clearTimeout(this.problemTimer);
    if (delay < 0 || !this.run.hasKernel) return;
    this.problemTimer = setTimeout(() => {
      this.run.ask({ request: "problems", rules: this.problems.form.rules }).then(
        (problems) => this.problems.show(problems, this.run.problemRules, true),
        (error) => this.foot.notify(error.message),
      );
    }, delay);
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

  /** Show or hide the slider of phases. @param {boolean} [isShown] */
  togglePhases(isShown = this.phases.element.hidden) {
    this.phases.element.hidden = !isShown;
    attributes(this.phaseButton, { "aria-expanded": isShown });
    if (!isShown && this.displayed.phase >= 0) this.choose({ phase: -1 });
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
    this.table.revealInUpperThird(position, focus);
  }

  /** Show the first block of a model call. @param {import("./lane_calls.js").Slot} slot */
  goToCall({ turn, call }) {
    if (call) void this.goToBlock(turn.index, Math.max(0, Math.min(call.first, turn.blocks - 1)), false);
  }

  /** Show a block of a Turn in the upper third of the table, and select it with its call or result. @param {number} turn @param {number} index @param {boolean} [select] */
  async goToBlock(turn, index, select = true) {
    if (this.displayed.turn !== turn || this.displayed.phase >= 0) this.choose({ turn, phase: -1 });
    await this.table.jumpTo(index, { select });
  }

  /** Load further blocks in idle time, so that they are available when the kernel is busy. */
  prefetch() {
    const whenIdle = window.requestIdleCallback ?? ((/** @type {() => void} */ callback) => setTimeout(callback, 100));
    whenIdle(() => this.run.load(0, Math.min(this.run.length, MAX_PREFETCH)));
  }
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
