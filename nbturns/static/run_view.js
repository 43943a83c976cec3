// @ts-check
/* A Run or a Session in a cell: its Turns along a line, what each added, its phases, its blocks. */

import { BlockDetails } from "./block_detail.js";
import { BlockTable, PLAIN_COLUMNS } from "./block_table.js";
import { ComparisonTable } from "./comparison_table.js";
import { attributes, button, copy, counted, element, plural } from "./elements.js";
import { AHEAD, RunSource, TurnRows } from "./run_source.js";
import { STATES, Timeline, inWords } from "./timeline.js";
import { Toolbar } from "./toolbar.js";

/**
 * @typedef {import("./run_source.js").TurnEntry} TurnEntry
 * @typedef {import("./run_source.js").Phase} Phase
 * @typedef {import("./run_source.js").Stretch} Stretch
 */

/** @type {Record<string, string>} */
const PHASES = {
  pre_inference: "before the model is asked",
  post_inference: "after the model answered",
  post_tools: "after the tools ran",
  final: "at the end",
};
const GOING = ["running", "pausing", "paused"]; // states of a Turn to which more may come
let views = 0;

export class RunView {
  /** @param {RunSource} run @param {HTMLElement} place @param {typeof BlockDetails} [Details] what can be done with a block */
  constructor(run, place, Details = BlockDetails) {
    this.run = run;
    this.model = run.model;
    const panel = `nbt-panel-${++views}`;
    this.rows = new TurnRows(run);
    this.root = attributes(element("div", "nbt-view nbt-run tex2jax_ignore mathjax_ignore"), { role: "region", "aria-label": "Run" });
    this.title = element("div", "nbt-title");
    this.timeline = new Timeline({ controls: panel, onSelect: (index) => this.chose({ turn: index, phase: -1 }) });
    this.about = attributes(element("div", "nbt-turn-about"), { role: "status", "aria-live": "polite" });
    this.phases = attributes(element("div", "nbt-phases"), { role: "tablist", "aria-label": "phases" });
    this.phases.addEventListener("keydown", (event) => this.phaseKey(event));
    this.changes = element("div", "nbt-changes");
    this.said = attributes(element("span", "nbt-said"), { role: "status", "aria-live": "polite" });
    /** @type {BlockDetails | undefined} */
    this.details = undefined;
    this.table = new BlockTable(this.rows, {
      label: "blocks of the Turn",
      columns: PLAIN_COLUMNS.flatMap((name) => (name === "time" && run.turns.some((turn) => turn.cost !== undefined) ? ["cost", name] : [name])),
      onMenu: (index, at) => this.details?.menu(index, at),
      below: (index) => this.details?.below(index),
      onSelect: (indices) => this.save({ selected: indices }),
      onSay: (text) => (this.said.textContent = text),
      onError: (error) => (this.said.textContent = error instanceof Error ? error.message : String(error)),
    });
    this.details = new Details(this.table, (text) => (this.said.textContent = text));
    this.toolbar = new Toolbar(this.table);
    this.newButton = button("", "new only", "leave out what the Turn before had, too", () => this.onlyNew());
    this.jump = button("", "→ new", "jump to the first block that is new", () => this.toNew());
    this.toolbar.more.prepend(this.jump, this.newButton);
    this.report = element("details", "nbt-report");
    const foot = element("div", "nbt-foot", this.said);
    this.panel = attributes(element("div", "nbt-panel", this.about, this.phases, this.changes, this.toolbar.element, this.toolbar.help, this.table.mount, foot), { role: "tabpanel", id: panel, "aria-label": "Turn" });
    this.root.append(element("div", "nbt-top", this.title, this.toolbar.more), this.timeline.element, this.panel, this.report);
    this.root.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
    });
    place.append(this.root);
    /** @type {{turn: number, phase: number}} */
    this.shown = { turn: -1, phase: -1 };
    this.opened = false;
    this.onChoice = () => this.draw();
    this.onSelected = () => this.table.select(this.model.get("selected"));
    for (const trait of ["turn", "phase"]) this.model.on(`change:${trait}`, this.onChoice);
    this.model.on("change:selected", this.onSelected);
    /** @param {import("./run_source.js").News} what */
    this.hear = (what) => this.heard(what);
    run.hearers.add(this.hear);
    this.drawAll(0);
    this.table.select(this.model.get("selected"));
    this.fetchAhead();
  }

  close() {
    this.run.hearers.delete(this.hear);
    for (const trait of ["turn", "phase"]) this.model.off(`change:${trait}`, this.onChoice);
    this.model.off("change:selected", this.onSelected);
    this.table.close();
  }

  /** @param {import("./run_source.js").News} what */
  heard(what) {
    if ("text" in what) {
      if (this.streams) for (const [number, text] of what.text) this.rows.said(number, text);
    } else if ("rows" in what) this.rows.came(...what.rows);
    else if ("place" in what) this.rows.came(what.place, what.place + 1);
    else this.drawAll(what.from);
    if ("rows" in what) this.toolbar.choose(this.choices());
  }

  /** Whether what the model is saying belongs to what is shown: to the last Turn, as it is. */
  get streams() {
    return this.shown.turn === this.run.turns.length - 1 && this.shown.phase < 0;
  }

  /** Which Turn is shown: the last, while nobody chose another. */
  get turn() {
    const chosen = this.model.get("turn");
    const last = this.run.turns.length - 1;
    return chosen < 0 ? Math.max(last + 1 + chosen, 0) : Math.min(chosen, last);
  }

  /** @param {{turn?: number, phase?: number}} choice */
  chose(choice) {
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

  /** @param {number} from index of the first Turn that is not what it was */
  drawAll(from) {
    const { run } = this;
    this.title.replaceChildren(element("b", "", run.name), ...(run.head ? [element("span", "", `· ${run.head}`)] : []), ...(run.doing ? [element("span", "nbt-badge", run.doing)] : []));
    this.timeline.show(run.turns, this.turn);
    this.timeline.element.hidden = this.about.hidden = this.jump.hidden = this.newButton.hidden = run.single;
    this.drawReport();
    this.draw(this.shown.turn >= from);
    this.toolbar.choose(this.choices());
  }

  /** @param {boolean} [anew] */
  draw(anew = false) {
    const { turn } = this;
    const entry = this.run.turns[turn];
    const phase = Math.min(this.model.get("phase"), (entry?.phases.length ?? 0) - 1);
    if (!anew && this.shown.turn === turn && this.shown.phase === phase) return;
    const another = this.shown.turn !== turn || this.shown.phase !== phase;
    this.shown = { turn, phase };
    if (this.timeline.selected !== turn) this.timeline.select(turn);
    this.panel.hidden = !entry;
    if (!entry) return;
    this.drawAbout(entry);
    this.drawPhases(entry, phase);
    this.drawChanges(entry, phase);
    const at = entry.phases[phase];
    const length = at ? at.blocks : entry.blocks;
    const before = phase > 0 ? entry.phases[phase - 1].blocks : (entry.fresh[0]?.[0] ?? 0);
    const fresh = at ? (at.fresh ?? /** @type {Stretch[]} */ (at.blocks > before ? [[before, at.blocks]] : [])) : entry.fresh;
    const { follow } = this.table;
    const going = this.streams && GOING.includes(entry.state);
    follow.on ||= going; // what came last is followed, too
    this.rows.show(at?.stretches ?? entry.stretches, length, fresh, this.streams ? this.run.open : []);
    follow.on = going;
    this.run.need(Math.max(0, this.run.length - 200), this.run.length);
    this.toolbar.choose(this.choices());
    if (another && this.opened) {
      this.toNew(false);
      follow.looked();
    }
    this.opened = true;
  }

  /** @param {TurnEntry} entry */
  drawAbout(entry) {
    const [sign, word] = STATES[entry.state] ?? ["", entry.state];
    const code = `run[${entry.index}]`;
    const step = (/** @type {number} */ by) => this.chose({ turn: Math.max(0, Math.min(entry.index + by, this.run.turns.length - 1)), phase: -1 });
    const before = button("", "◂", "the Turn before", () => step(-1));
    const next = button("", "▸", "the next Turn", () => step(1));
    before.disabled = entry.index === 0;
    next.disabled = entry.index === this.run.turns.length - 1;
    const copied = button("nbt-code", code, `copy ${code}`, () => void copy(code).then(() => (this.said.textContent = `copied: ${code}`), () => (this.said.textContent = "the browser does not let this page copy")));
    const focused = this.about.contains(document.activeElement) ? document.activeElement?.textContent : null;
    this.about.replaceChildren(
      element("span", "nbt-group", before, next),
      element("b", "", `turn ${entry.index}`),
      ...(sign ? [element("span", `nbt-badge nbt-${entry.state}`, `${sign} ${word}`)] : []),
      element("span", "nbt-asked", entry.title),
      element("span", "nbt-sums", inWords(entry).join(" · ")),
      copied,
    );
    if (focused === "◂" && !before.disabled) before.focus();
    if (focused === "▸" && !next.disabled) next.focus();
  }

  /** @param {TurnEntry} entry @param {number} chosen */
  drawPhases(entry, chosen) {
    this.phases.hidden = !entry.phases.length;
    const focused = this.phases.contains(document.activeElement);
    /** @type {HTMLElement[]} */
    const made = [this.phaseTab("whole turn", entry.blocks, "", -1, chosen)];
    entry.phases.forEach((phase, n) => {
      if (!n || phase.iteration !== entry.phases[n - 1].iteration) made.push(iterationMark(phase.iteration));
      const before = n ? entry.phases[n - 1].blocks : (entry.fresh[0]?.[0] ?? 0);
      const more = phase.blocks - before;
      made.push(this.phaseTab(phase.phase, phase.blocks, more > 0 ? `+${counted(more)}` : more < 0 ? `−${counted(-more)}` : "", n, chosen));
    });
    this.phases.replaceChildren(...made);
    const selected = /** @type {HTMLElement | null} */ (this.phases.querySelector('[aria-selected="true"]'));
    if (selected) this.phases.scrollLeft = selected.offsetLeft - this.phases.clientWidth / 2;
    if (focused) selected?.focus({ preventScroll: true });
  }

  /** @param {string} name @param {number} blocks @param {string} more @param {number} number @param {number} chosen */
  phaseTab(name, blocks, more, number, chosen) {
    const face = element("span", "", name, element("span", "nbt-count", counted(blocks)), ...(more ? [element("span", "nbt-plus", more)] : []));
    const made = button("nbt-phase", face, "", () => this.chose({ phase: number }));
    made.title = `${PHASES[name] ?? "all blocks of the Turn"}: ${plural(blocks, "block")}`;
    return attributes(made, { role: "tab", "aria-selected": number === chosen, tabindex: number === chosen ? 0 : -1 });
  }

  /** @param {KeyboardEvent} event */
  phaseKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const entry = this.run.turns[this.shown.turn];
    const last = entry.phases.length - 1;
    const way = getComputedStyle(this.phases).direction === "rtl" ? -1 : 1;
    /** @type {Record<string, number>} */
    const to = { ArrowRight: this.shown.phase + way, ArrowLeft: this.shown.phase - way, Home: -1, End: last };
    if (!(event.key in to)) return;
    event.preventDefault();
    this.chose({ phase: Math.max(-1, Math.min(to[event.key], last)) });
    const tab = this.phases.querySelector('[aria-selected="true"]');
    if (tab instanceof HTMLElement) tab.focus({ preventScroll: true });
  }

  /** What was edited, removed or moved; what was only added, the table shows. @param {TurnEntry} entry @param {number} phase */
  drawChanges(entry, phase) {
    const changes = (entry.changes ?? []).filter((pair) => pair.what !== "added");
    this.changes.hidden = !changes.length || phase >= 0;
    if (this.changes.hidden) return this.changes.replaceChildren();
    const table = new ComparisonTable({ label: `turn ${entry.index - 1} and turn ${entry.index}` });
    table.name(`turn ${entry.index - 1}`, `turn ${entry.index}`);
    table.changesOnly = true;
    table.show(changes.map((pair) => ({ ...pair, a_turn: 0, b_turn: 0 })));
    const head = element("summary", "", `not only added: ${changeWords(entry)} since turn ${entry.index - 1}`);
    attributes(head, { "data-lm-suppress-shortcuts": true });
    const code = `nt.compare(run[${entry.index - 1}], run[${entry.index}])`;
    const more = entry.more_changes ? `… and ${plural(entry.more_changes, "more change")}; ` : "";
    this.changes.replaceChildren(element("details", "", head, element("div", "nbturns nbt-scroll nbt-pairs", table.element), element("small", "", more, element("code", "", code))));
  }

  drawReport() {
    const { report } = this.run;
    this.report.hidden = !report;
    if (!report || this.report.childElementCount) return;
    const head = element("summary", "", report.head);
    attributes(head, { "data-lm-suppress-shortcuts": true });
    this.report.append(head, element("ul", "", ...report.lines.map((line) => element("li", "", line))));
  }

  // What the reader does.

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

  onlyNew() {
    this.rows.newOnly = !this.rows.newOnly;
    attributes(this.newButton, { "aria-pressed": this.rows.newOnly });
    this.newButton.classList.toggle("nbt-on", this.rows.newOnly);
    this.rows.arrange({});
  }

  /** @param {boolean} [focus] */
  toNew(focus = true) {
    const index = this.rows.fresh.indexOf(true);
    const position = index < 0 ? this.rows.length - 1 : this.rows.position(index);
    if (position < 0) return;
    this.table.reveal(position, focus);
    const line = this.table.line(position);
    if (line && !this.rows.newOnly) this.table.scroller.scrollTop += line.getBoundingClientRect().top - this.table.scroller.getBoundingClientRect().top - this.table.header.offsetHeight - 30;
    if (focus) requestAnimationFrame(() => line?.scrollIntoView({ block: "nearest" }));
  }

  /** In idle time the blocks that nobody looks at yet come, too: then a busy kernel is no matter. */
  fetchAhead() {
    const later = window.requestIdleCallback ?? ((/** @type {() => void} */ run) => setTimeout(run, 100));
    later(() => this.run.need(0, Math.min(this.run.length, AHEAD)));
  }
}

/** @param {number} iteration */
function iterationMark(iteration) {
  const mark = element("span", "nbt-iteration", `iteration ${iteration}`);
  mark.setAttribute("role", "presentation");
  return mark;
}

/** @param {TurnEntry} entry */
function changeWords(entry) {
  return /** @type {("edited" | "moved" | "removed" | "added")[]} */ (["edited", "moved", "removed", "added"])
    .flatMap((what) => (entry[what] ? [`${counted(entry[what] ?? 0)} ${what}`] : []))
    .join(", ");
}

export default () => {
  /** @type {RunSource | undefined} */
  let run;
  return {
    /** @param {{model: any}} given */
    initialize({ model }) {
      run = new RunSource(model);
      return () => run?.close();
    },
    /** @param {{model: any, el: HTMLElement}} given */
    render({ model, el }) {
      run ??= new RunSource(model);
      const view = new RunView(run, el);
      return () => view.close();
    },
  };
};
