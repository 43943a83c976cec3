// @ts-check
/*
 * The debugger around a table of blocks: control bar, snapshot slider, the panel of the state, waiting calls, breakpoints,
 * rules, branches. The view that has the table gives a host, which shows an earlier snapshot and goes to a block;
 * `hasSnapshots`: it has their rows without asking.
 */

import { BranchTree } from "./branch_tree.js";
import { CallCards } from "./call_cards.js";
import { ControlBar } from "./control_bar.js";
import { isTyping, quietButton } from "./debug_controls.js";
import { attributes, element, visible } from "./elements.js";
import { FailurePanel } from "./failure_panel.js";
import { LookPanel } from "./look_panel.js";
import { SidePanels } from "./side_panels.js";
import { SnapshotRail } from "./snapshot_rail.js";

/**
 * @typedef {{root: HTMLElement, status: () => any, goTo: (row: number) => void, notify: (text: string) => void,
 *   look: (index: number, answer: any) => void, tools: () => string[], hasSnapshots: boolean, table: () => import("./block_table.js").BlockTable}} DebugHost
 */

export class DebugPanel {
  /** @param {import("./debug_source.js").DebugSource} source @param {DebugHost} host */
  constructor(source, host) {
    this.source = source;
    this.host = host;
    this.lookedAt = -1; // the snapshot that is shown; -1 is the present
    this.lookCount = 0;
    this.execution = "";
    this.chipKey = "";
    /** @type {number[]} blocks that have the number of a waiting call */
    this.chipRows = [];
    const parts = { goTo: host.goTo, notify: host.notify };
    this.bar = new ControlBar({ press: (action) => this.press(action), stepTo: (target, tool) => void this.stepTo(target, tool), isDisconnected: () => this.isDisconnected, tools: host.tools });
    this.rail = new SnapshotRail((index) => void this.look(index));
    this.lookPanel = new LookPanel(source, { ...parts, back: () => void this.look(source.rail.length - 1) });
    this.failure = new FailurePanel(source, { notify: host.notify, forkBefore: () => void this.forkBefore() });
    this.cards = new CallCards(source, parts);
    this.side = new SidePanels(source, parts);
    this.branches = new BranchTree(source, { notify: host.notify, opened: () => (this.lookedAt = -1) });
    this.branchButton = quietButton("Branches", () => this.toggleBranches(), "The sessions that were forked from this one: session.tree");
    this.withoutButton = quietButton("Ask again without…", () => void this.lookBeforeModel().then(() => this.lookPanel.leaveOut()), "Untick blocks and ask the last model call again, in a branch");
    this.branchName = element("span", "nbt-branch-name");
    this.branchLine = element("div", "nbt-branch-line", this.branchName, this.branchButton, this.withoutButton);
    this.columns = element("div", "nbt-debug-columns", this.cards.element, this.side.element);
    this.element = element("div", "nbt-debug", this.bar.element, this.rail.element, this.failure.element, this.lookPanel.element, this.columns, this.branchLine, this.branches.element);
    this.watcher = () => this.draw();
    source.watchers.add(this.watcher);
    this.sizes = new ResizeObserver(() => this.side.arrange(this.cards.isShown, this.element.clientWidth));
    this.sizes.observe(this.element);
    this.draw();
  }

  close() {
    this.bar.close();
    this.sizes.disconnect();
    this.source.watchers.delete(this.watcher);
  }

  get isDisconnected() {
    return this.host.root.classList.contains("nbt-disconnected");
  }

  draw() {
    const { source } = this;
    const { state, rail } = source;
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    if (state.execution !== this.execution) {
      this.execution = state.execution;
      if (this.lookedAt >= 0) this.showPresent();
    }
    const isLooking = this.lookedAt >= 0;
    this.drawBar();
    this.rail.show(rail, isLooking ? this.lookedAt : rail.length - 1);
    this.failure.show(state.failure, isLooking);
    this.cards.show(isLooking ? null : (state.cards ?? null));
    this.drawChips();
    this.drawLiveStart();
    this.side.show();
    this.columns.classList.toggle("nbt-with-cards", this.cards.isShown);
    this.side.arrange(this.cards.isShown, this.element.clientWidth);
    const branch = state.branch;
    const hasBranches = !!branch && branch.count > 1;
    this.branchName.hidden = this.branchButton.hidden = !hasBranches;
    this.withoutButton.hidden = !state.has_session || !rail.length || isLooking || !["done", "stopped", "failed"].includes(state.status);
    this.branchLine.hidden = !hasBranches && this.withoutButton.hidden;
    if (branch && this.branchName.textContent !== branch.name) this.branchName.textContent = branch.name;
    const label = this.branchButton.querySelector(".nbt-label");
    if (label && branch) label.textContent = `Branches ${branch.count}`;
    void this.branches.refresh();
    if (focused && !focused.checkVisibility()) this.rail.track.focus({ preventScroll: true }); // keys stay with the debugger
  }

  /** Mark the first block that the recording does not have. */
  drawLiveStart() {
    const table = this.host.table();
    const liveFrom = this.source.state.live_from ?? -1;
    if (liveFrom === table.liveFrom) return;
    const rows = [table.liveFrom, liveFrom];
    table.liveFrom = liveFrom;
    for (const row of rows) if (row >= 0) table.redraw(table.source.position(row));
  }

  /** Show the number of each waiting call in the row of its block; it goes to the card. */
  drawChips() {
    const { cards, shownKey } = this.cards;
    if (shownKey === this.chipKey) return;
    this.chipKey = shownKey;
    const table = this.host.table();
    const rows = [...this.chipRows, ...(this.chipRows = cards.map((card) => card.call.row))];
    table.chips = new Map(cards.map((card) => [visible(card.call.id), this.cards.chip(card)]));
    for (const row of rows) table.redraw(table.source.position(row));
  }

  drawBar() {
    this.bar.show(Object.assign(this.host.status(), { at_limit: this.source.state.failure?.state === "limit" }), this.lookedAt >= 0);
  }

  toggleBranches() {
    attributes(this.branchButton, { "aria-expanded": this.branches.toggle() });
  }

  // Actions.

  /** @param {string} action */
  press(action) {
    const { pause } = this.host.status();
    if ((action === "step" || action === "run") && this.cards.isShown) return void this.cards.run(action === "step" ? "step" : "resume");
    this.send(action === "step" ? { press: action, pause } : { press: action });
  }

  /** @param {any} message */
  send(message) {
    try {
      this.source.model.send(message);
    } catch { // the kernel is gone
      this.host.root.dispatchEvent(new CustomEvent("nbt-lost", { bubbles: true }));
    }
  }

  /** @param {string} target @param {string} [tool] */
  async stepTo(target, tool) {
    try {
      await this.source.ask("step_to", { target, tool, pause: this.host.status().pause, calls: this.cards.isShown && target !== "call" ? this.cards.decisions : {} });
    } catch (error) {
      this.host.notify(error instanceof Error ? error.message : String(error));
    }
  }

  // Snapshots.

  /** Show a snapshot; the last one is the present. @param {number} index */
  async look(index) {
    if (index >= this.source.rail.length - 1) return this.showPresent();
    const count = ++this.lookCount;
    if (this.host.hasSnapshots) this.showSnapshot(index, null); // what it cost follows
    try {
      const answer = await this.source.ask("look", { snapshot: index });
      if (count !== this.lookCount) return; // another one was chosen meanwhile
      if (this.host.hasSnapshots) this.lookPanel.show(index, answer.totals);
      else this.showSnapshot(index, answer);
    } catch (error) {
      this.host.notify(error instanceof Error ? error.message : String(error));
      this.rail.show(this.source.rail, this.lookedAt >= 0 ? this.lookedAt : this.source.rail.length - 1);
    }
  }

  /** @param {number} index @param {any} answer of the request "look"; null before it arrives */
  showSnapshot(index, answer) {
    this.lookedAt = index;
    this.host.look(index, answer);
    this.lookPanel.show(index, answer?.totals);
    this.draw();
  }

  showPresent() {
    this.lookCount++;
    const hadFocus = this.lookPanel.element.contains(document.activeElement);
    this.lookedAt = -1;
    this.host.look(-1, null);
    this.lookPanel.show(-1, null);
    this.draw();
    if (hadFocus) this.rail.track.focus();
  }

  /** Look at the snapshot before the failed model call, and open its fork. */
  async forkBefore() {
    await this.lookBeforeModel();
    await this.lookPanel.fork();
  }

  /** Look at the snapshot before the last model call. */
  async lookBeforeModel() {
    const { rail } = this.source;
    let index = rail.length - 1;
    while (index > 0 && rail[index][0] !== 0) index--;
    if (index === rail.length - 1) {
      this.lookedAt = index;
      const answer = await this.source.ask("look", { snapshot: index }).catch(() => null);
      this.lookPanel.show(index, answer?.totals);
      this.draw();
    } else await this.look(index);
  }

  /** Handle a key of the view; return whether it was one of the debugger. @param {KeyboardEvent} event */
  onKey(event) {
    if (this.bar.onKey(event)) return true;
    const target = /** @type {HTMLElement} */ (event.target);
    if (isTyping(event) || target.closest(".nbt-menu")) return false;
    if (event.key === "Enter" && !event.shiftKey) return false;
    if (this.cards.onKey(event) || this.lookPanel.onKey(event) || this.failure.onKey(event) || this.side.onKey(event)) return true;
    if (["ArrowLeft", "ArrowRight"].includes(event.key) && !target.closest("[role=grid], [role=treegrid], [role=slider], [role=radiogroup], summary, input")) {
      this.rail.onKey(event);
      return true;
    }
    return false;
  }
}
