// @ts-check
/* Breakpoints, the rules of the policy, and the decisions so far. */

import { actionButton, labelled, quietButton, selectField, textInput } from "./debug_controls.js";
import { attributes, button, copy, element, plural } from "./elements.js";

const BREAKPOINT_PHASES = /** @type {[string, string][]} */ ([["", "any"], ["pre_inference", "before the model"], ["post_inference", "before the tools"], ["post_tools", "after the tools"], ["final", "at the end"]]);
const WIDE_PANELS = 900; // px of the view, from which the panels start open beside the cards

/** Create a panel that folds. @param {string} title @param {string} note */
function sidePanel(title, note) {
  const count = element("span", "nbt-count");
  const summary = attributes(element("summary", "nbt-panel-head", element("b", "", title), count, element("span", "nbt-dim", note)), { "data-lm-suppress-shortcuts": true });
  const body = element("div", "nbt-panel-body");
  const panel = element("details", "nbt-side-panel", summary, body);
  panel.setAttribute("aria-label", title);
  return { panel, body, count };
}

export class SidePanels {
  /**
   * @param {import("./debug_source.js").DebugSource} source
   * @param {{goTo: (row: number) => void, notify: (text: string) => void}} host
   */
  constructor(source, host) {
    this.source = source;
    this.host = host;
    this.drawn = { breakpoints: "", rules: "", decisions: "" };
    this.breakpoints = sidePanel("Breakpoints", "pause when…");
    this.rules = sidePanel("Rules", "what runs without you");
    this.decisions = sidePanel("Decisions", "kept in the run");
    this.addButton = actionButton("Add", () => this.drawForm(), { key: "b", classes: "nbt-quiet", tip: "execution.break_when(…)" });
    this.list = attributes(element("ul", "nbt-list"), { "data-kernel": true });
    this.form = element("div", "nbt-breakpoint-form");
    this.breakpoints.body.append(this.list, this.addButton, this.form);
    this.element = element("div", "nbt-side", this.breakpoints.panel, this.rules.panel, this.decisions.panel);
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Breakpoints and rules");
    this.wasBeside = false;
  }

  /** Open the panels when they get a column of their own, and fold them when they lose it. @param {boolean} hasCards @param {number} width px of the view */
  arrange(hasCards, width) {
    const isBeside = hasCards && width >= WIDE_PANELS;
    if (isBeside === this.wasBeside) return;
    this.wasBeside = isBeside;
    for (const { panel } of [this.breakpoints, this.rules, this.decisions]) /** @type {HTMLDetailsElement} */ (panel).open = isBeside;
  }

  show() {
    const { state } = this.source;
    this.element.hidden = !state.breakpoints && !state.rules;
    this.redraw("breakpoints", state.breakpoints ?? [], () => this.drawBreakpoints(state.breakpoints ?? []));
    this.redraw("rules", state.rules ?? null, () => this.drawRules(state.rules));
    this.redraw("decisions", state.decisions ?? [], () => this.drawDecisions(state.decisions ?? []));
  }

  /** @param {"breakpoints" | "rules" | "decisions"} name @param {any} value @param {() => void} draw */
  redraw(name, value, draw) {
    const text = JSON.stringify(value);
    if (text === this.drawn[name]) return;
    this.drawn[name] = text;
    draw();
  }

  /** @param {string} action @param {any} fields */
  async ask(action, fields) {
    try {
      await this.source.ask(action, fields);
      return true;
    } catch (error) {
      this.host.notify(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  /** @param {any[]} breakpoints */
  drawBreakpoints(breakpoints) {
    this.breakpoints.count.textContent = breakpoints.length ? String(breakpoints.length) : "";
    const focused = this.list.contains(document.activeElement) ? document.activeElement?.getAttribute("aria-label") : "";
    this.list.replaceChildren(
      ...breakpoints.map((item) => {
        const box = attributes(element("input"), { type: "checkbox", "aria-label": `Pause when ${item.name}`, "data-lm-suppress-shortcuts": true });
        box.checked = item.enabled;
        box.addEventListener("change", () => void this.ask("breakpoint_change", { key: item.key, enabled: box.checked }));
        const remove = button("nbt-remove", "×", `Remove the breakpoint ${item.name}`, () => void this.ask("breakpoint_change", { key: item.key, remove: true }));
        const name = element("span", item.enabled ? "" : "nbt-dim", element("code", "", item.name), ...(item.here ? [element("b", "nbt-as-wait", " ◆\ufe0e here")] : []));
        return element("li", item.here ? "nbt-hit" : "", box, name, element("span", "nbt-dim nbt-hits", item.enabled ? `${item.hits}×` : "off"), remove);
      }),
    );
    if (focused) /** @type {HTMLElement | null} */ (this.list.querySelector(`[aria-label="${CSS.escape(focused)}"]`))?.focus();
  }

  closeForm() {
    this.form.replaceChildren();
    this.addButton.focus();
  }

  /** Show the form of a new breakpoint, or hide it. */
  drawForm() {
    /** @type {HTMLDetailsElement} */ (this.breakpoints.panel).open = true;
    if (this.form.firstChild) return this.form.replaceChildren();
    const fields = {
      tool: textInput("", "nbt-mono"), argument: textInput("", "nbt-mono"), value: textInput("", "nbt-mono"), phase: selectField(BREAKPOINT_PHASES, ""),
      model: textInput("", "nbt-mono"), text: textInput("", "nbt-mono"), tokens: textInput(), cost: textInput(),
    };
    const words = /** @type {Record<string, string>} */ ({ tool: "tool", argument: "argument", value: "is like", phase: "phase", model: "model", text: "text matches", tokens: "tokens over", cost: "cost over $" });
    const hints = /** @type {Record<string, string>} */ ({ tool: "delete_*", value: "/data/*", model: "gpt-*", text: "rm -rf" });
    const errorBox = attributes(element("input"), { type: "checkbox", "data-lm-suppress-shortcuts": true });
    const lines = Object.entries(fields).map(([name, field]) => {
      if (field instanceof HTMLInputElement) field.placeholder = hints[name] ?? "";
      return element("div", "nbt-action-form", ...labelled(words[name], /** @type {HTMLElement} */ (field)));
    });
    const send = async () => {
      const conditions = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, /** @type {any} */ (field).value.trim()]));
      if (await this.ask("breakpoint_add", { ...conditions, error: errorBox.checked })) {
        this.closeForm();
      }
    };
    this.form.replaceChildren(
      element("div", "nbt-dim nbt-form-hint", "All that you fill in must hold."), ...lines, element("label", "nbt-form-hint", errorBox, " a tool or a model call failed"),
      element("div", "nbt-card-actions", actionButton("Add breakpoint", () => void send(), { classes: "nbt-main", key: "⏎" }), quietButton("Cancel", () => this.closeForm(), "", "Esc")),
    );
    this.form.onkeydown = (event) => {
      if (event.key === "Enter" && !event.isComposing && event.target instanceof HTMLInputElement) void send();
      else if (event.key === "Escape") this.closeForm();
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    fields.tool.focus();
  }

  /** @param {any} rules */
  drawRules(rules) {
    this.rules.panel.hidden = !rules;
    if (!rules) return;
    this.rules.count.textContent = rules.items.length ? String(rules.items.length) : "";
    const items = rules.items.map((/** @type {any} */ rule, /** @type {number} */ index) => {
      const remove = rule.own ? button("nbt-remove", "×", `Remove the rule ${rule.decision} ${rule.text}`, () => void this.ask("rule_remove", { index })) : element("span", "nbt-dim", "profile");
      return element("li", "", element("b", "", rule.decision), element("code", "", rule.text), attributes(element("span", "nbt-dim nbt-hits", `${rule.hits}×`), { title: `decided ${plural(rule.hits, "call")}` }), remove);
    });
    const last = element("div", "nbt-dim nbt-form-hint", rules.items.length ? "The first rule that matches decides; what none matches is allowed." : "No rules: every call is allowed.");
    const save = rules.yaml
      ? [element("div", "nbt-card-actions", actionButton("Copy as YAML", () => void copy(rules.yaml).then(() => this.host.notify("Copied the rules; nt.Policy.from_yaml(text) reads them"), (error) => this.host.notify(error.message)), { tip: "session.policy.to_yaml()" }), actionButton("Save…", () => saveText("policy.yaml", rules.yaml), { tip: "Download the rules as policy.yaml" }))]
      : [];
    this.rules.body.replaceChildren(attributes(element("ul", "nbt-list", ...items), { "data-kernel": true }), last, ...save);
  }

  /** @param {any[]} decisions */
  drawDecisions(decisions) {
    this.decisions.panel.hidden = !decisions.length;
    this.decisions.count.textContent = String(decisions.length);
    this.decisions.body.replaceChildren(
      element("ul", "nbt-list", ...decisions.map((item) => element("li", "", element("span", "nbt-as-hand", item.label), element("code", "", item.name), element("span"), item.row === null || item.row === undefined ? element("span") : button("nbt-link", `#${item.row}`, `Go to block ${item.row}`, () => this.host.goTo(item.row))))),
      element("div", "nbt-dim nbt-form-hint", plural(decisions.length, "decision")),
    );
  }

  /** Handle a key outside of fields. @param {KeyboardEvent} event */
  onKey(event) {
    if (event.key !== "b" || this.element.hidden || event.ctrlKey || event.metaKey || event.altKey) return false;
    this.drawForm();
    return true;
  }
}

/** Offer a text as a file to download. @param {string} name @param {string} text */
function saveText(name, text) {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
