// @ts-check
/* The rules by which problems are found, as a form: which kinds are shown, the limits, and what a failed result looks like. */

import { attributes, button, element, formatCount } from "./elements.js";
import { PROBLEM_KINDS } from "./problem_kinds.js";

/** @typedef {{left_out: number[], text: string, repeats: number, gap_seconds: number, near_limit: number}} ChangedRules */

/** Kinds with a limit: its name, what it counts, and the units of the field in those of the rule. @type {Record<string, {name: "repeats" | "gap_seconds" | "near_limit", unit: string, factor: number, min: number}>} */
const LIMITS = {
  repeated_call: { name: "repeats", unit: "times", factor: 1, min: 2 },
  long_gap: { name: "gap_seconds", unit: "minutes", factor: 60, min: 1 },
  context_near_limit: { name: "near_limit", unit: "% of the window", factor: 0.01, min: 1 },
};

export class ProblemRulesForm {
  /** @param {{onKinds: () => void, onRules: (rules: ChangedRules) => void}} options */
  constructor(options) {
    this.options = options;
    /** @type {Set<string>} kinds that are not shown */
    this.hiddenKinds = new Set();
    /** @type {ChangedRules} */
    this.rules = { left_out: [], text: "", repeats: 3, gap_seconds: 600, near_limit: 0.9 };
    this.element = attributes(element("div", "nbt-rules"), { role: "group", "aria-label": "Rules for problems" });
  }

  /** @param {import("./problem_kinds.js").ProblemRules} rules @param {Map<string, number>} counts problems by kind @param {boolean} canChange false: only kinds can be hidden */
  show(rules, counts, canChange) {
    if (!this.element.childElementCount) this.rules = { ...this.rules, repeats: rules.repeats, gap_seconds: rules.gap_seconds, near_limit: rules.near_limit };
    const kinds = Object.entries(PROBLEM_KINDS).map(([kind, { rule }]) => {
      const limit = LIMITS[kind];
      const parts = [this.check(rule, !this.hiddenKinds.has(kind), (isShown) => this.showKind(kind, isShown)), ...(limit ? this.limitField(limit, canChange) : [])];
      return element("div", "nbt-rule", ...parts, element("span", "nbt-dim nbt-rule-count", formatCount(counts.get(kind) ?? 0)));
    });
    const patterns = rules.patterns.map((pattern, number) => {
      const label = this.check("", !this.rules.left_out.includes(number), (isUsed) => this.usePattern(number, isUsed), !canChange);
      label.append(element("code", "nbt-pattern", pattern));
      return element("div", "nbt-rule", label);
    });
    const details = attributes(element("details", "nbt-patterns", attributes(element("summary", "", "What a failed result looks like"), { "data-lm-suppress-shortcuts": true }), ...patterns, this.textField(canChange)), {});
    const isOpen = this.element.querySelector("details")?.open ?? false;
    details.open = isOpen;
    const hint = element("div", "nbt-dim", canChange ? "Your own pattern: " : "The limits and patterns need a running kernel. ", element("code", "", 'nt.view(run, failed=r"…")'));
    this.element.replaceChildren(...kinds, details, hint);
  }

  /** @param {string} text @param {boolean} checked @param {(checked: boolean) => void} onChange @param {boolean} [disabled] */
  check(text, checked, onChange, disabled = false) {
    const box = attributes(element("input"), { type: "checkbox", "data-lm-suppress-shortcuts": true });
    box.checked = checked;
    box.disabled = disabled;
    box.addEventListener("change", () => onChange(box.checked));
    return element("label", "nbt-rule-label", box, text);
  }

  /** @param {string} kind @param {boolean} isShown */
  showKind(kind, isShown) {
    if (isShown) this.hiddenKinds.delete(kind);
    else this.hiddenKinds.add(kind);
    this.options.onKinds();
  }

  /** @param {number} number @param {boolean} isUsed */
  usePattern(number, isUsed) {
    const others = this.rules.left_out.filter((other) => other !== number);
    this.change({ left_out: isUsed ? others : [...others, number] });
  }

  /** @param {Partial<ChangedRules>} change */
  change(change) {
    this.rules = { ...this.rules, ...change };
    this.options.onRules(this.rules);
  }

  /** @param {{name: "repeats" | "gap_seconds" | "near_limit", unit: string, factor: number, min: number}} limit @param {boolean} canChange */
  limitField({ name, unit, factor, min }, canChange) {
    const field = attributes(element("input", "nbt-limit"), { type: "number", min, step: 1, "aria-label": unit, "data-lm-suppress-shortcuts": true });
    field.value = String(Math.round(this.rules[name] / factor));
    field.disabled = !canChange;
    field.addEventListener("change", () => {
      const value = Number(field.value);
      if (value >= min) this.change({ [name]: value * factor });
      else field.value = String(Math.round(this.rules[name] / factor));
    });
    return [field, element("span", "nbt-dim", unit)];
  }

  /** @param {boolean} canChange */
  textField(canChange) {
    const field = attributes(element("input", "nbt-failed-text"), { type: "text", maxlength: 200, placeholder: "none", "aria-label": "A failed result also contains", spellcheck: false, autocomplete: "off", "data-lm-suppress-shortcuts": true });
    field.value = this.rules.text;
    const apply = () => field.value !== this.rules.text && this.change({ text: field.value });
    field.addEventListener("change", apply);
    const useButton = button("nbt-more", "Use", "", apply);
    field.disabled = useButton.disabled = !canChange;
    return element("div", "nbt-rule", element("label", "nbt-rule-label", "or contains ", field), useButton);
  }
}
