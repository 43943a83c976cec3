// @ts-check
/* The branches of a session as a tree: what each changed, its calls, cost and outcome. Two can be compared. */

import { actionButton, stateBadge } from "./debug_controls.js";
import { attributes, dollars, element } from "./elements.js";
import { comparisonElement } from "./look_panel.js";

/** Status → sign and kind. @type {Record<string, [string, string]>} */
const BRANCH_STATES = { done: ["✓", "good"], ready: ["", "dim"], failed: ["✗", "bad"], stopped: ["■", "wait"], paused: ["❚❚", "wait"], running: ["●", "good"], pausing: ["●", "good"] };

export class BranchTree {
  /** @param {import("./debug_source.js").DebugSource} source @param {{notify: (text: string) => void, opened: () => void}} host */
  constructor(source, host) {
    this.source = source;
    this.host = host;
    /** @type {any[]} */
    this.branches = [];
    /** @type {Set<number>} */
    this.ticked = new Set();
    this.drawn = "";
    this.compareButton = actionButton("Compare 2", () => void this.compare(), { tip: "Tick two branches: nt.compare(a, b)" });
    this.tree = attributes(element("div", "nbt-tree"), { role: "treegrid", "aria-label": "Branches" });
    this.inset = element("div");
    const head = element("div", "nbt-panel-head", element("b", "", "Branches"), element("span", "nbt-dim", "each shares its blocks with the one above: session.tree"), element("span", "nbt-spacer"), this.compareButton);
    this.element = attributes(element("div", "nbt-branches", head, this.tree, this.inset), { role: "group", "aria-label": "Branches" });
    this.tree.addEventListener("keydown", (event) => this.onTreeKey(event));
    this.element.hidden = true;
  }

  toggle() {
    this.element.hidden = !this.element.hidden;
    if (!this.element.hidden) void this.refresh();
    return !this.element.hidden;
  }

  async refresh() {
    if (this.element.hidden) return;
    try {
      this.branches = (await this.source.ask("branches")).branches;
      this.draw();
    } catch (error) {
      this.host.notify(error instanceof Error ? error.message : String(error));
    }
  }

  draw() {
    const text = JSON.stringify(this.branches);
    this.compareButton.disabled = this.ticked.size !== 2;
    if (text === this.drawn) return;
    this.drawn = text;
    const focused = this.tree.contains(document.activeElement) ? [...this.tree.querySelectorAll("[role=row]")].indexOf(/** @type {Element} */ (document.activeElement?.closest("[role=row]"))) : -1;
    const names = [element("span", "nbt-visually-hidden", "compare"), "branch", "what was changed", "from", "calls", "cost", "outcome", element("span", "nbt-visually-hidden", "open")];
    const head = attributes(element("div", "nbt-node nbt-node-head", ...names.map((name, n) => attributes(element("span", `nbt-node-${n}`, name), { role: "columnheader" }))), { role: "row" });
    this.tree.replaceChildren(head, ...this.branches.map((branch, index) => this.row(branch, index)));
    if (focused > 0) /** @type {HTMLElement | undefined} */ (this.tree.querySelectorAll("[role=row]")[focused])?.focus();
  }

  /** @param {any} branch @param {number} index */
  row(branch, index) {
    const box = attributes(element("input"), { type: "checkbox", "aria-label": `Compare ${branch.name}`, "data-lm-suppress-shortcuts": true });
    box.checked = this.ticked.has(index);
    box.addEventListener("change", () => {
      if (box.checked) this.ticked.add(index);
      else this.ticked.delete(index);
      this.compareButton.disabled = this.ticked.size !== 2;
    });
    const [sign, kind] = BRANCH_STATES[branch.status] ?? ["", "dim"];
    const lines = Array.from({ length: branch.depth }, (_, level) => element("i", this.lineClass(index, level + 1, branch.depth)));
    const changes = branch.changes.flatMap((/** @type {[string, string]} */ [subject, mark]) => [`${subject} `, ...(mark ? [stateBadge("", mark, "hand"), " "] : [])]);
    const open = actionButton(branch.here ? "Shown" : "Open", () => void this.open(index), { classes: "nbt-quiet", tip: "Show this branch here" });
    open.setAttribute("aria-label", `Open ${branch.name}`);
    open.disabled = branch.here;
    const cells = [
      [box], [...lines, element("span", "", branch.name)], changes, branch.from === null ? [] : [`at ${branch.from}`], [String(branch.calls)],
      [branch.cost === null ? "—" : dollars(branch.cost)], [element("span", `nbt-as-${kind}`, sign ? `${sign}\ufe0e ` : ""), branch.outcome || branch.status], [open],
    ];
    const row = element("div", `nbt-node${branch.here ? " nbt-here" : ""}`, ...cells.map((content, n) => attributes(element("span", `nbt-node-${n}`, ...content), { role: n === 1 ? "rowheader" : "gridcell" })));
    return attributes(row, { role: "row", "aria-level": branch.depth + 1, "aria-selected": branch.here, tabindex: branch.here ? 0 : -1, "data-lm-suppress-shortcuts": true });
  }

  /** Return the class of the line of a level before a branch. @param {number} index @param {number} level @param {number} depth */
  lineClass(index, level, depth) {
    let hasSibling = false;
    for (let next = index + 1; next < this.branches.length && this.branches[next].depth >= level; next++) hasSibling ||= this.branches[next].depth === level;
    if (level === depth) return hasSibling ? "nbt-tee" : "nbt-corner";
    return hasSibling ? "nbt-line" : "";
  }

  /** @param {number} index */
  async open(index) {
    try {
      await this.source.ask("open_branch", { branch: index });
      this.host.opened();
      await this.refresh();
    } catch (error) {
      this.host.notify(error instanceof Error ? error.message : String(error));
    }
  }

  async compare() {
    try {
      const answer = await this.source.ask("compare_branches", { branches: [...this.ticked].sort((a, b) => a - b) });
      this.inset.replaceChildren(element("div", "nbt-inset", comparisonElement(answer)));
    } catch (error) {
      this.host.notify(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {KeyboardEvent} event */
  onTreeKey(event) {
    const rows = /** @type {HTMLElement[]} */ ([...this.tree.querySelectorAll(".nbt-node[tabindex]")]);
    const current = rows.indexOf(/** @type {HTMLElement} */ (/** @type {HTMLElement} */ (event.target).closest(".nbt-node")));
    const targets = /** @type {Record<string, number>} */ ({ ArrowDown: current + 1, ArrowUp: current - 1, Home: 0, End: rows.length - 1 });
    if (event.key === "Enter" && event.target === rows[current]) void this.open(current);
    else if (event.key in targets && rows[targets[event.key]]) rows[targets[event.key]].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
