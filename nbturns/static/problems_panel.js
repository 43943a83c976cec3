// @ts-check
/* The problems of a Run: a button with their number, a panel that lists them, and keys that go from one to the next. */

import { attributes, button, element, formatCount, plural } from "./elements.js";
import { problemKind, problemSign } from "./problem_kinds.js";
import { ProblemRulesForm } from "./problem_rules.js";

/**
 * @typedef {import("./problem_kinds.js").Problem} Problem
 * @typedef {import("./problem_rules.js").ChangedRules} ChangedRules
 */

const MAX_LISTED = 200;
const CLOSED_RULES = "Rules…";

export class ProblemsPanel {
  /** @param {{onProblem: (problem: Problem) => void, ask: (rules: ChangedRules) => Promise<Problem[]>, notify: (text: string) => void, code: string}} options */
  constructor(options) {
    this.options = options;
    /** @type {Problem[]} */
    this.problems = [];
    /** @type {import("./problem_kinds.js").ProblemRules} */
    this.rules = { patterns: [], repeats: 3, gap_seconds: 600, near_limit: 0.9 };
    this.canAsk = false; // a kernel can apply other rules
    this.isKnown = false; // the problems have arrived
    this.current = -1; // among the listed problems
    this.openButton = attributes(button("nbt-toggle", "Problems", "", () => this.toggle()), { "aria-expanded": false });
    this.chip = attributes(button("nbt-problem-chip", "", "", () => this.toggle()), { "aria-expanded": false });
    this.status = attributes(element("span", "nbt-dim"), { role: "status", "aria-live": "polite" });
    const previousButton = button("nbt-quiet", element("span", "", "Previous ", key("E")), "", () => this.step(-1));
    const nextButton = button("nbt-quiet", element("span", "", "Next ", key("e")), "", () => this.step(1));
    previousButton.title = "Go to the previous problem (Shift+e)";
    nextButton.title = "Go to the next problem (e)";
    this.stepButtons = [previousButton, nextButton];
    this.rulesButton = attributes(button("nbt-quiet", CLOSED_RULES, "", () => this.toggleRules()), { "aria-expanded": false });
    this.form = new ProblemRulesForm({ onKinds: () => this.draw(), onRules: (rules) => void this.applyRules(rules) });
    this.form.element.hidden = true;
    this.list = element("ul", "nbt-problems");
    const head = element("div", "nbt-run-panel-head", element("b", "", "Problems"), this.status, element("span", "nbt-spacer"), previousButton, nextButton, this.rulesButton);
    const foot = element("div", "nbt-run-panel-foot", "The same as a frame: ", element("code", "", options.code));
    this.element = attributes(element("div", "nbt-run-panel", head, this.form.element, this.list, foot), { role: "group", "aria-label": "Problems" });
    this.element.hidden = true;
    this.draw();
  }

  /** @param {Problem[] | undefined} problems undefined if they have not arrived @param {import("./problem_kinds.js").ProblemRules} rules @param {boolean} canAsk */
  show(problems, rules, canAsk) {
    this.isKnown = problems !== undefined;
    this.problems = problems ?? [];
    this.rules = rules;
    this.canAsk = canAsk;
    this.current = Math.min(this.current, this.listed.length - 1);
    this.draw();
  }

  /** The problems of the kinds that are shown. */
  get listed() {
    return this.problems.filter(({ kind }) => !this.form.hiddenKinds.has(kind));
  }

  /** @param {boolean} [isOpen] */
  toggle(isOpen = this.element.hidden) {
    this.element.hidden = !isOpen;
    for (const toggle of [this.openButton, this.chip]) attributes(toggle, { "aria-expanded": isOpen });
    this.draw();
  }

  toggleRules() {
    this.form.element.hidden = !this.form.element.hidden;
    attributes(this.rulesButton, { "aria-expanded": !this.form.element.hidden });
    this.rulesButton.textContent = this.form.element.hidden ? CLOSED_RULES : "Close rules";
    this.draw();
  }

  /** @param {ChangedRules} rules */
  async applyRules(rules) {
    this.status.textContent = "Waiting for the kernel …";
    try {
      this.problems = await this.options.ask(rules);
      this.current = -1;
    } catch (error) {
      this.options.notify(error instanceof Error ? error.message : String(error));
    }
    this.draw();
  }

  draw() {
    const { listed } = this;
    this.chip.hidden = !listed.length;
    this.chip.replaceChildren(`⚠\ufe0e ${plural(listed.length, "problem")} `, key("e"));
    this.chip.title = "List the problems; the key e goes to the next one";
    this.openButton.textContent = this.isKnown ? `Problems ${formatCount(listed.length)}` : "Problems";
    if (this.element.hidden) return;
    const count = formatCount(listed.length);
    this.status.textContent = !this.isKnown ? "Waiting for the kernel …" : !listed.length ? "No problems found" : this.current < 0 ? count : `${formatCount(this.current + 1)} of ${count}`;
    for (const stepButton of this.stepButtons) stepButton.disabled = !listed.length;
    this.list.replaceChildren(...listed.slice(0, MAX_LISTED).map((problem, n) => this.item(problem, n)));
    if (listed.length > MAX_LISTED) this.list.append(element("li", "nbt-dim", `${formatCount(listed.length - MAX_LISTED)} more; the key e reaches them`));
    if (!this.form.element.hidden) this.form.show(this.rules, this.counts(), this.canAsk);
  }

  counts() {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const { kind } of this.problems) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    return counts;
  }

  /** @param {Problem} problem @param {number} n */
  item(problem, n) {
    const { failed, word } = problemKind(problem.kind);
    const place = problem.index === undefined ? `Turn ${problem.turn}` : `#${problem.index}`;
    const jump = button("nbt-link", place, "", () => this.goTo(n));
    attributes(jump, { "aria-label": problem.index === undefined ? `Go to Turn ${problem.turn}` : `Go to block ${problem.index} of Turn ${problem.turn}` });
    const item = element("li", "", element("span", failed ? "nbt-bad" : "nbt-wait", problemSign(problem)), element("span", "nbt-problem-text", problem.message), element("span", "nbt-dim nbt-problem-kind", word), jump);
    item.addEventListener("click", (event) => {
      if (!(/** @type {HTMLElement} */ (event.target).closest("button"))) this.goTo(n);
    });
    return attributes(item, { "aria-current": n === this.current ? "true" : undefined });
  }

  /** Go to the next or the previous problem, and round at the end. @param {1 | -1} offset */
  step(offset) {
    const { length } = this.listed;
    if (!length) return this.options.notify(this.isKnown ? "No problems found" : "The problems have not arrived");
    this.goTo(this.current < 0 ? (offset > 0 ? 0 : length - 1) : (this.current + offset + length) % length);
  }

  /** @param {number} n among the listed problems */
  goTo(n) {
    const problem = this.listed[n];
    this.current = n;
    this.draw();
    const item = /** @type {HTMLElement | undefined} */ (this.list.children[n]);
    if (item && !this.element.hidden) this.list.scrollTop = Math.max(0, item.offsetTop - this.list.offsetTop - this.list.clientHeight / 2);
    this.options.notify(`Problem ${formatCount(n + 1)} of ${formatCount(this.listed.length)}: ${problem.message}`);
    this.options.onProblem(problem);
  }
}

/** @param {string} name */
function key(name) {
  return attributes(element("kbd", "", name), { "aria-hidden": true });
}
