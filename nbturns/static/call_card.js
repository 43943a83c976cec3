// @ts-check
/* One waiting call: its form, what is wrong with it, and what a person decides. */

import { CallForm } from "./call_form.js";
import { COMMAND_KEY, actionButton, labelled, quietButton, selectField, stateBadge, textArea, textInput } from "./debug_controls.js";
import { attributes, element, visible } from "./elements.js";

const CHECK_DELAY = 250; // ms after the last change of a form

/**
 * What a card needs: `decide` sends the decision of one call.
 * @typedef {{decide: (card: CallCard, decision: any) => void, check: (id: string, edit: any) => Promise<any>,
 *   reform: (id: string, edit: any) => Promise<any>, addRule: (rule: any) => Promise<any>, open: (card: CallCard) => void,
 *   goTo: (row: number) => void, hasRules: () => boolean, notify: (text: string) => void}} CardHost
 */

export class CallCard {
  /** @param {any} call as created by `call_cards` @param {number} number from 1 @param {number} count @param {CardHost} host */
  constructor(call, number, count, host) {
    this.call = call;
    this.number = number;
    this.host = host;
    this.isOpen = false;
    this.isJson = false;
    this.isSent = false;
    /** @type {"" | "result" | "deny" | "rule"} */
    this.action = "";
    this.faults = call.faults;
    /** @type {CallForm | undefined} */
    this.form = call.fields ? new CallForm(call.fields, () => this.onChange()) : undefined;
    this.jsonArea = textArea(call.json ?? "", "nbt-mono", 4);
    attributes(this.jsonArea, { "aria-label": "Arguments as JSON" });
    this.jsonBase = call.json ?? "";
    this.jsonArea.addEventListener("input", () => this.onChange());
    this.actionArea = element("div", "nbt-card-action");
    this.actions = element("div", "nbt-card-actions");
    this.faultList = element("div", "nbt-card-faults");
    /** @type {HTMLInputElement | undefined} the reason of a denial */
    this.reason = undefined;
    /** @type {HTMLTextAreaElement | undefined} the result that a person gives */
    this.resultArea = undefined;
    /** @type {HTMLSelectElement | undefined} */
    this.resultKind = undefined;
    /** @type {HTMLInputElement | undefined} */
    this.errorBox = undefined;
    this.element = attributes(element("div", "nbt-card"), { role: "group", "aria-label": `Waiting call ${number} of ${count}: ${call.name}` });
    this.element.addEventListener("keydown", (event) => this.onKey(event));
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.draw();
  }

  get isEdited() {
    return this.isJson ? this.jsonArea.value !== this.jsonBase || !!this.form?.changes.size : !!this.form?.changes.size;
  }

  /** Whether the call can run as it is; that of a tool that only a recording has needs the recorded arguments. */
  get canRun() {
    return this.call.known && (!this.call.origin || this.isEdited);
  }

  /** The changed arguments, for the kernel. */
  get edit() {
    if (this.isJson && this.jsonArea.value !== this.call.json) return { json: this.jsonArea.value };
    return this.form?.changes.size ? { fields: Object.fromEntries(this.form.changes) } : {};
  }

  /** The decision as the card is now: edited arguments, or a result, or a reason that is being written. */
  get decision() {
    if (this.action === "deny") return { do: "deny", text: this.reason?.value ?? "" };
    if (this.action === "result") return this.resultDecision();
    return { do: "run", ...this.edit };
  }

  /** @param {boolean} isOpen */
  setOpen(isOpen) {
    if (this.isOpen === isOpen) return;
    this.isOpen = isOpen;
    this.draw();
  }

  draw() {
    const { call } = this;
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    const isOpen = this.isOpen && !!call.editable;
    this.element.classList.toggle("nbt-open-card", isOpen);
    const numberBadge = attributes(element("button", "nbt-card-number", String(this.number)), { type: "button", "aria-label": `Go to the block of call ${this.number}`, "data-lm-suppress-shortcuts": true });
    numberBadge.addEventListener("click", () => this.host.goTo(call.row));
    const title = element("code", "nbt-card-line", ...(isOpen ? [element("b", "", call.name)] : callNodes(call)));
    const head = element("div", "nbt-card-head", numberBadge, title, ...this.badges());
    if (isOpen) head.append(element("span", "nbt-spacer"), ...this.openTools());
    else if (!this.action) head.append(...this.closedTools());
    const body = isOpen && !this.action ? [this.isJson ? element("div", "nbt-card-json", this.jsonArea) : (this.form?.element ?? "")] : [];
    this.element.replaceChildren(head, ...body, this.faultList, this.actionArea, this.actions);
    this.drawAction();
    this.drawFaults();
    this.drawActions();
    if (focused && document.activeElement !== focused) this.focusButton(focused.textContent ?? "");
  }

  /** Focus the button with this text, or the first one. @param {string} text */
  focusButton(text) {
    const same = [.../** @type {NodeListOf<HTMLElement>} */ (this.element.querySelectorAll("button"))].find((item) => item.textContent?.startsWith(text));
    if (same) same.focus();
    else this.focus();
  }

  /** @returns {HTMLElement[]} */
  badges() {
    const { call } = this;
    const badges = [];
    if (!call.known) badges.push(stateBadge("⚠", "unknown tool", "wait", "No tool has this name"));
    if (call.effect === "effectful") badges.push(stateBadge("⚑", "has effects", "wait", "Another call has another effect: nt.Tool(function, effect=…)"));
    if (call.effect === "idempotent") badges.push(stateBadge("⚑", "same effect again", "dim", "Another call has the same effect"));
    if (call.origin) badges.push(stateBadge("◌", "not at hand", "dim", `This tool is ${call.origin}; it does not run`));
    if (call.interrupted) badges.push(stateBadge("⚠", "was interrupted", "wait", "It may have taken effect"));
    return badges;
  }

  closedTools() {
    const tools = [];
    if (this.call.editable) tools.push(actionButton(this.faults.length ? "Correct…" : "Open", () => this.host.open(this), { key: String(this.number), tip: "Show the arguments as a form" }));
    if (this.canRun) tools.push(actionButton(this.faults.length ? "Run as asked" : "Run", () => this.host.decide(this, { do: "run" }), { tip: `execution.step(only=["${this.call.id}"])` }));
    return tools;
  }

  openTools() {
    const formButton = actionButton("Form", () => this.showForm(), { tip: "The arguments as fields" });
    const jsonButton = actionButton("JSON", () => void this.showJson(), { tip: "The arguments as one JSON text" });
    attributes(formButton, { "aria-pressed": !this.isJson });
    attributes(jsonButton, { "aria-pressed": this.isJson });
    const pair = element("span", "nbt-button-group", formButton, jsonButton);
    const always = this.host.hasRules() ? [quietButton("Always allow…", () => this.setAction("rule"), "Write a rule for calls like this", "a")] : [];
    for (const opener of always) opener.dataset.kernel = "true";
    return [...always, pair];
  }

  showForm() {
    if (!this.isJson) return;
    if (this.jsonArea.value !== this.jsonBase) return this.host.notify("Undo the change of the JSON to use the form");
    this.isJson = false;
    this.draw();
  }

  /** Show the arguments as JSON, with the changes of the form. */
  async showJson() {
    if (this.isJson) return;
    try {
      if (this.form?.changes.size) this.jsonArea.value = (await this.host.reform(this.call.id, this.edit)).json;
      else this.jsonArea.value = this.call.json;
    } catch (error) {
      return this.showError(error);
    }
    this.jsonBase = this.jsonArea.value;
    this.isJson = true;
    this.draw();
  }

  onChange() {
    this.drawActions();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.check(), CHECK_DELAY);
  }

  /** Ask the kernel whether the arguments fit. */
  async check() {
    try {
      this.faults = this.isEdited ? (await this.host.check(this.call.id, this.edit)).faults : this.call.faults;
      this.drawFaults();
    } catch { // the kernel is busy; it checks again before anything runs
    }
  }

  drawFaults() {
    const showsForm = this.isOpen && !this.isJson && !this.action && !!this.form;
    const names = new Set((this.call.fields ?? []).map((/** @type {any} */ field) => field.name));
    if (showsForm) this.form?.showFaults(this.faults);
    const others = showsForm ? this.faults.filter((/** @type {any} */ fault) => !names.has(fault.name)) : this.faults;
    const note = this.isEdited || !others.length ? "" : " Run as asked and the tool answers with this error.";
    this.faultList.replaceChildren(...others.map((/** @type {any} */ fault) => element("div", "nbt-fault", `⚠\ufe0e ${fault.text}.${note}`)));
  }

  drawActions() {
    const { call } = this;
    const isShown = !this.action && (this.isOpen || !call.known || !call.editable);
    this.actions.hidden = !isShown;
    if (!isShown) return;
    const focusedText = this.actions.contains(document.activeElement) ? document.activeElement?.textContent : "";
    const decide = (/** @type {any} */ decision) => this.host.decide(this, decision);
    const buttons = [];
    if (call.editable && this.isOpen && this.canRun) {
      const text = this.isEdited ? "Run edited" : this.faults.length ? "Run as asked" : "Run";
      buttons.push(actionButton(text, () => decide({ do: "run", ...this.edit }), { key: COMMAND_KEY, classes: "nbt-main", tip: this.isEdited ? "execution.step(turn.edit(…), only=[…])" : `execution.step(only=["${call.id}"])` }));
      if (this.isEdited && !call.origin) buttons.push(actionButton("Run as asked", () => decide({ do: "run" }), { tip: "Without your changes" }));
    }
    buttons.push(actionButton("Use this result…", () => this.setAction("result"), { key: "u", tip: `execution.step(mock={"${call.id}": …})` }));
    buttons.push(actionButton("Deny…", () => this.setAction("deny"), { key: "d", tip: `execution.step(deny={"${call.id}": "reason"})` }));
    buttons.push(actionButton("Skip", () => decide({ do: "skip" }), { key: "s", tip: `execution.step(skip=["${call.id}"])` }));
    this.actions.replaceChildren(...buttons);
    if (focusedText) buttons.find((item) => item.textContent === focusedText)?.focus();
  }

  /** @param {"" | "result" | "deny" | "rule"} action */
  setAction(action) {
    const opener = { "": "", result: "Use this", deny: "Deny", rule: "Always" }[this.action];
    this.action = action;
    this.draw();
    /** @type {HTMLElement | null} */ (this.actionArea.querySelector("input, textarea"))?.focus();
    if (!action) this.focusButton(opener);
  }

  focus() {
    /** @type {HTMLElement | null} */ (this.element.querySelector(".nbt-card-actions button, .nbt-card-head .nbt-button"))?.focus();
  }

  drawAction() {
    this.actionArea.hidden = !this.action;
    if (!this.action) return this.actionArea.replaceChildren();
    if (this.action === "deny") this.drawDeny();
    else if (this.action === "result") this.drawResult();
    else this.drawRule();
  }

  /** @param {string} text @param {() => void} press @param {string} key */
  actionBar(text, press, key) {
    return element("div", "nbt-card-actions", actionButton(text, press, { key, classes: "nbt-main" }), quietButton("Cancel", () => this.setAction(""), "", "Esc"));
  }

  drawDeny() {
    this.reason = textInput(this.reason?.value ?? "");
    const [label] = labelled("reason", this.reason);
    const send = () => this.host.decide(this, this.decision);
    this.reason.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) send();
    });
    this.actionArea.replaceChildren(element("div", "nbt-action-form", label, this.reason), element("div", "nbt-dim nbt-form-hint", "The model reads this as the result. Its block says that a person denied it."), this.actionBar("Deny", send, "⏎"));
  }

  drawResult() {
    const { last } = this.call;
    this.resultArea ??= textArea(last && !last.error ? last.text : "", "nbt-mono", 4);
    this.resultKind ??= selectField([["text", "text"], ["json", "JSON"]], last?.json ? "json" : "text");
    this.errorBox ??= attributes(element("input"), { type: "checkbox", "data-lm-suppress-shortcuts": true });
    const [label] = labelled("result", this.resultArea);
    const [kindLabel] = labelled("as", this.resultKind);
    const errorLabel = element("label", "", this.errorBox, " as an error");
    const note = last ? "The last result of the same call. " : "";
    this.actionArea.replaceChildren(
      element("div", "nbt-action-form", label, this.resultArea),
      element("div", "nbt-action-line", kindLabel, this.resultKind, errorLabel, element("span", "nbt-dim", `${note}The tool does not run; the block says that a person gave this result.`)),
      this.actionBar("Use this result", () => this.host.decide(this, this.decision), COMMAND_KEY),
    );
  }

  resultDecision() {
    return { do: "result", text: this.resultArea?.value ?? "", json: this.resultKind?.value === "json", error: !!this.errorBox?.checked };
  }

  drawRule() {
    const tool = textInput(this.call.name, "nbt-mono");
    const args = textArea("", "nbt-mono", 1);
    args.placeholder = "path /data/*";
    const preview = element("code", "nbt-rule-preview");
    const rule = () => ({ tool: tool.value.trim(), args: parseArgumentGlobs(args.value), decision: "allow" });
    const show = () => (preview.textContent = ruleText(rule()));
    tool.addEventListener("input", show);
    args.addEventListener("input", show);
    show();
    const send = () => void this.host.addRule(rule()).then(() => (this.setAction(""), this.host.notify("The rule was added to Rules")), (error) => this.showError(error));
    const [toolLabel] = labelled("tool", tool);
    const [argsLabel] = labelled("arguments", args);
    this.actionArea.replaceChildren(
      element("div", "nbt-action-form", toolLabel, tool, argsLabel, args),
      element("div", "nbt-form-hint", element("span", "nbt-dim", "Patterns; * stands for anything. The rule: "), preview),
      this.actionBar("Add this rule", send, COMMAND_KEY),
    );
  }

  /** @param {any} error */
  showError(error) {
    this.isSent = false;
    this.element.classList.remove("nbt-sent");
    if (error.faults?.length && error.call === this.call.id) {
      this.faults = error.faults;
      if (!this.isOpen) this.host.open(this);
      this.drawFaults();
    } else this.host.notify(error instanceof Error ? error.message : String(error));
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      event.preventDefault();
      event.stopPropagation();
      if (this.action === "rule") /** @type {HTMLElement | null} */ (this.actionArea.querySelector(".nbt-main"))?.click();
      else if (this.action || this.canRun) this.host.decide(this, this.decision);
    } else if (event.key === "Escape" && this.action) {
      event.preventDefault();
      event.stopPropagation();
      this.setAction("");
    }
  }
}

/** Return the nodes of a call with places where it may break. @param {any} call */
function callNodes(call) {
  const text = call.line.startsWith(call.name) ? call.line.slice(call.name.length) : call.line;
  const pieces = text.split(/(?<=[/(_.=,])/);
  return [...(call.line.startsWith(call.name) ? [element("b", "", call.name)] : []), ...pieces.flatMap((/** @type {string} */ piece) => [piece, document.createElement("wbr")])];
}

/** Read lines like `path /data/*`. @param {string} text @returns {Record<string, string>} */
function parseArgumentGlobs(text) {
  return Object.fromEntries(text.split("\n").flatMap((line) => {
    const match = /^\s*(\S+?)[\s:=]+(.*\S)\s*$/.exec(line);
    return match ? [[match[1], match[2]]] : [];
  }));
}

/** @param {{tool: string, args: Record<string, string>, decision: string}} rule */
function ruleText(rule) {
  const args = Object.entries(rule.args).map(([name, glob]) => `${name}: ${glob}`).join(", ");
  return visible(`{tool: ${rule.tool}${args ? `, args: {${args}}` : ""}, decision: ${rule.decision}}`);
}
