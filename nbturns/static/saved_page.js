// @ts-check
/* A saved page: the views of a notebook without a kernel. All there is to show stands in the page, as data. */

import { BlockDetails, formTabs } from "./block_detail.js";
import { CompareView } from "./compare_view.js";
import { RunSource } from "./run_source.js";
import { RunView } from "./run_view.js";
import { openMenu } from "./menu.js";

/** A model as a widget has one, with nobody behind it: what would be asked of the kernel stands in `data`. */
class SavedModel {
  /** @param {any} data */
  constructor(data) {
    this.data = data;
    /** @type {Record<string, any>} */
    this.values = { start: data.start, tail: {}, turn: -1, phase: -1, selected: data.start.pairs ? -1 : [] };
    /** @type {Map<string, Set<(...args: any[]) => void>>} */
    this.hearers = new Map();
  }

  /** @param {string} name */
  get(name) {
    return this.values[name];
  }

  /** @param {string} name @param {any} value */
  set(name, value) {
    this.values[name] = value;
  }

  save_changes() {}

  /** @param {string} name @param {(...args: any[]) => void} hear */
  on(name, hear) {
    this.hearers.set(name, (this.hearers.get(name) ?? new Set()).add(hear));
  }

  /** @param {string} name @param {(...args: any[]) => void} hear */
  off(name, hear) {
    this.hearers.get(name)?.delete(hear);
  }

  /** @param {any} message */
  send(message) {
    if (message.want !== "form") return;
    const answer = { id: message.id, text: this.form(message.place, message.form) };
    queueMicrotask(() => this.hearers.get("msg:custom")?.forEach((hear) => hear(answer)));
  }

  /** @param {number} place @param {string} form */
  form(place, form) {
    const block = this.data.blocks[place];
    if (form === "json") return JSON.stringify(block, null, 2);
    if (form === "metadata") return block.metadata ? JSON.stringify(block.metadata, null, 2) : "";
    return this.data.start.rows[place].body ?? "";
  }
}

/** What can be done with a block where there is no Python. */
class SavedDetails extends BlockDetails {
  /** @param {number} index @param {HTMLElement} at */
  menu(index, at) {
    const { table } = this;
    const partner = table.source.partner(index);
    openMenu(at, `block ${index}`, () => [
      { text: "copy text", key: "c", press: () => this.copyForm(index, "text", "the text") },
      { text: "copy as JSON", press: () => this.copyForm(index, "json", "JSON") },
      null,
      { text: "show JSON", key: "i", press: () => this.toggle(index, "json") },
      { text: "show metadata", press: () => this.toggle(index, "metadata") },
      ...(partner === undefined ? [] : [null, { text: `to #${partner}`, key: "g", press: () => void table.go(partner) }]),
    ]);
  }

  /** @param {number} index @param {string} form */
  panel(index, form) {
    const panel = document.createElement("div");
    panel.className = "nbt-detail";
    panel.setAttribute("role", "gridcell");
    const fetch = (/** @type {string} */ name) => this.table.source.text(index, name);
    panel.append(formTabs([["json", "JSON"], ["metadata", "metadata"]], form, `block ${index}`, fetch, (name) => this.open.set(index, name), this.say, () => this.toggle(index, this.open.get(index) ?? form)));
    return panel;
  }
}

function openSaved() {
  const data = JSON.parse(document.getElementById("nbturns-data")?.textContent ?? "{}");
  const still = document.getElementById("nbturns-still");
  const place = document.createElement("main");
  const model = new SavedModel(data);
  document.body.append(place);
  if (data.start.pairs) new CompareView(model, place);
  else new RunView(new RunSource(model), place, SavedDetails);
  still?.remove(); // only now: whatever goes wrong before leaves the static table
}

openSaved();
