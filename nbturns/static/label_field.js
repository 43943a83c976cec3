// @ts-check
/* The field in which a reader labels a block: `l` opens it, Enter adds the label, Escape closes it. */

import { attributes, element } from "./elements.js";

export class LabelField {
  /**
   * @param {import("./block_table.js").BlockTable} table @param {import("./toolbar.js").Toolbar} toolbar
   * @param {(index: number, label: string) => Promise<unknown>} add @param {(text: string) => void} notify
   */
  constructor(table, toolbar, add, notify) {
    this.table = table;
    this.add = add;
    this.notify = notify;
    this.index = 0;
    this.caption = element("span");
    this.field = element("input");
    attributes(this.field, { type: "text", maxlength: 200, placeholder: "Enter adds it", "data-lm-suppress-shortcuts": true, spellcheck: false, autocomplete: "off" });
    this.element = element("label", "nbt-toolbar nbt-label-field", this.caption, this.field);
    this.element.hidden = true;
    this.field.addEventListener("keydown", (event) => this.key(event));
    table.keys.extraKeys.set("l", () => this.open());
    toolbar.addHelp([["l", "Add a label to the block"]]);
  }

  open() {
    const index = this.table.source.index(this.table.active);
    if (index === undefined) return;
    this.index = index;
    this.caption.textContent = `Label of block ${index}`;
    this.field.value = "";
    this.element.hidden = false;
    this.field.focus();
  }

  close() {
    this.element.hidden = true;
    this.table.focus(this.table.active);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    event.stopPropagation();
    if (event.key === "Escape") return this.close();
    const label = this.field.value.trim();
    if (event.key !== "Enter" || !label) return;
    event.preventDefault();
    this.add(this.index, label).then(
      () => this.notify(`Added a label to block ${this.index}`),
      (error) => this.notify(error instanceof Error ? error.message : String(error)),
    );
    this.close();
  }
}
