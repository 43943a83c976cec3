// @ts-check
/* The form of one call: a field for each argument, made from the JSON schema of its tool. Texts are parsed by the kernel. */

import { labelled, quietButton, selectField, stateBadge, textArea, textInput } from "./debug_controls.js";
import { attributes, element, visible } from "./elements.js";

/**
 * One argument, as created by `call_fields`. `text` is its value as text; `options` are JSON texts.
 * @typedef {{name: string, kind: string, type: string, text: string, required: boolean, given: boolean,
 *   unknown?: boolean, note?: string, default?: string, options?: string[]}} Field
 */

/** Where a field of this kind starts when an argument is added. @type {Record<string, string>} */
const START_TEXTS = { boolean: "false", number: "0", json: "null" };
const MAX_WAS = 160; // characters of the value before

export class CallForm {
  /** @param {Field[]} fields @param {() => void} onChange */
  constructor(fields, onChange) {
    this.fields = fields;
    this.onChange = onChange;
    /** @type {Map<string, string | null>} changed texts; null leaves an argument out */
    this.changes = new Map();
    /** @type {Map<string, HTMLElement>} name → row */
    this.rows = new Map();
    this.element = element("div", "nbt-call-form");
    this.draw();
  }

  draw() {
    this.element.replaceChildren(...this.fields.flatMap((field) => this.row(field)));
    if (!this.fields.length) this.element.append(element("span", "nbt-dim", "This tool takes no arguments."));
  }

  /** @param {Field} field @returns {HTMLElement[]} */
  row(field) {
    const isAbsent = this.changes.has(field.name) ? this.changes.get(field.name) === null : !field.given;
    const content = element("div", "nbt-form-value");
    const type = element("span", "nbt-form-type", field.unknown ? "" : visible(field.type));
    if (field.unknown) type.append(stateBadge("⚠", "not in the schema", "wait"));
    this.rows.set(field.name, content);
    if (isAbsent && !(field.required && !field.given)) {
      const caption = element("span", "nbt-form-label", visible(field.name));
      const addButton = quietButton("Add", () => this.add(field), `Give ${field.name} a value`);
      addButton.setAttribute("aria-label", `Add ${field.name}`);
      content.append(element("span", "nbt-dim", field.default === undefined ? "not given" : `not given, ${field.default} by default`), addButton);
      this.drawState(field);
      return [caption, content, type];
    }
    const input = this.input(field, this.changes.get(field.name) ?? field.text);
    const [label] = labelled(visible(field.name), input);
    if (field.note) label.title = field.note;
    content.append(input.type === "checkbox" ? element("span", "nbt-check-field", input, element("span", "nbt-dim nbt-yes-no")) : input);
    if (input.type === "checkbox") this.drawYesNo(input);
    if (field.kind === "lines") content.append(element("span", "nbt-dim nbt-form-hint", "one per line"));
    const leaveOut = field.given && (!field.required || field.unknown) ? [this.leaveOutButton(field)] : [];
    type.append(...leaveOut);
    this.drawState(field);
    return [label, content, type];
  }

  /** @param {Field} field */
  leaveOutButton(field) {
    const result = quietButton("Leave out", () => this.set(field, null, true), `Run without ${field.name}`);
    result.setAttribute("aria-label", `Leave out ${field.name}`);
    return result;
  }

  /** @param {Field} field @param {string} text @returns {any} */
  input(field, text) {
    if (field.kind === "boolean") {
      const box = element("input");
      box.type = "checkbox";
      box.checked = text === "true";
      box.addEventListener("change", () => (this.drawYesNo(box), this.set(field, String(box.checked))));
      return box;
    }
    if (field.kind === "choice") {
      const options = (field.options ?? []).map((option) => /** @type {[string, string]} */ ([option, visible(option.replace(/^"(.*)"$/s, "$1"))]));
      const select = selectField(field.given || text ? options : [["", "choose…"], ...options], text);
      select.addEventListener("change", () => this.set(field, select.value));
      return select;
    }
    const isArea = ["text", "lines", "json"].includes(field.kind);
    const input = isArea ? textArea(text, "nbt-mono") : textInput(text, "nbt-mono");
    if (field.kind === "number") input.inputMode = "decimal";
    input.addEventListener("input", () => this.set(field, input.value));
    return input;
  }

  /** @param {HTMLInputElement} box */
  drawYesNo(box) {
    const words = box.parentElement?.querySelector(".nbt-yes-no");
    if (words) words.textContent = box.checked ? "yes" : "no";
  }

  /** @param {Field} field */
  add(field) {
    this.set(field, field.default !== undefined && field.kind !== "string" ? field.default : (START_TEXTS[field.kind] ?? ""), true);
    /** @type {HTMLElement | null | undefined} */ (this.rows.get(field.name)?.querySelector("input, textarea, select"))?.focus();
  }

  /** Take over a text of a field. @param {Field} field @param {string | null} text @param {boolean} [redraw] */
  set(field, text, redraw = false) {
    const isSame = text === null ? !field.given : field.given && text === field.text;
    if (isSame) this.changes.delete(field.name);
    else this.changes.set(field.name, text);
    if (redraw) this.draw();
    else this.drawState(field);
    this.onChange();
  }

  /** Show whether a field was changed, and what is wrong with it. @param {Field} field */
  drawState(field) {
    const row = this.rows.get(field.name);
    if (!row) return;
    row.querySelector(".nbt-was")?.remove();
    const isChanged = this.changes.has(field.name);
    row.querySelector("input, textarea, select")?.classList.toggle("nbt-changed", isChanged);
    if (!isChanged) return;
    const was = field.given ? (field.kind === "text" ? firstDifference(field.text, this.changes.get(field.name) ?? "") : field.text) : "not given";
    const undo = quietButton("Undo", () => this.undo(field), `Undo the change of ${field.name}`);
    row.append(element("span", "nbt-was", stateBadge("✎", "edited", "hand"), element("span", "", "was ", element("code", "", visible(was.slice(0, MAX_WAS)))), undo));
  }

  /** @param {Field} field */
  undo(field) {
    this.changes.delete(field.name);
    this.draw();
    this.onChange();
  }

  /** @param {{name: string, text: string}[]} faults */
  showFaults(faults) {
    for (const [name, row] of this.rows) {
      row.querySelector(".nbt-fault")?.remove();
      const input = row.querySelector("input, textarea, select");
      const texts = faults.filter((fault) => fault.name === name).map((fault) => fault.text);
      if (input instanceof HTMLElement) attributes(input, { "aria-invalid": texts.length ? true : undefined, "aria-describedby": texts.length ? `${input.id}-fault` : undefined });
      if (!texts.length) continue;
      const note = element("span", "nbt-fault", `⚠\ufe0e ${texts.join("; ")}`);
      if (input instanceof HTMLElement) note.id = `${input.id}-fault`;
      row.append(note);
    }
  }
}

/** Return the first line that differs. @param {string} before @param {string} after */
function firstDifference(before, after) {
  const [beforeLines, afterLines] = [before.split("\n"), after.split("\n")];
  const index = beforeLines.findIndex((line, number) => line !== afterLines[number]);
  return index < 0 ? `${beforeLines.length} lines` : `${beforeLines[index].trim()} in line ${index + 1}`;
}
