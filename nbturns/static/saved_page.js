// @ts-check
/* The views of a notebook without a kernel. All data is embedded in the page. */

import { BlockDetails, formItem, formatTabs } from "./block_detail.js";
import { CompareView } from "./compare_view.js";
import { RunSource } from "./run_source.js";
import { RunView } from "./run_view.js";
import { JsonObject, indentedJson, parseJson } from "./json_text.js";
import { openMenu } from "./menu.js";

/** A widget model without a kernel; it answers requests from `data`. */
class SavedModel {
  /** @param {any} data */
  constructor(data) {
    this.data = data;
    this.isSaved = true;
    /** @type {Record<string, any>} */
    this.values = { markdown: !!data.nodes, start: data.start, update: {}, turn: 0, phase: -1, selected: data.start.pairs ? -1 : [] };
    /** @type {Map<string, Set<(...args: any[]) => void>>} */
    this.listeners = new Map();
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

  /** @param {string} name @param {(...args: any[]) => void} listener */
  on(name, listener) {
    this.listeners.set(name, (this.listeners.get(name) ?? new Set()).add(listener));
  }

  /** @param {string} name @param {(...args: any[]) => void} listener */
  off(name, listener) {
    this.listeners.get(name)?.delete(listener);
  }

  /** Answer a request of a view; requests other than for a format of a block need a kernel. @param {any} message */
  send(message) {
    if (message.request !== "format") return;
    const answer = { id: message.id, text: this.blockText(message.place, message.format) };
    queueMicrotask(() => this.listeners.get("msg:custom")?.forEach((listener) => listener(answer)));
  }

  /** Return a block as text in a format. @param {number} index @param {string} format */
  blockText(index, format) {
    if (format === "nodes") return JSON.stringify(this.data.nodes?.[index] ?? []);
    const block = this.data.blocks?.[index];
    const json = parseJson(block ?? "") ?? new JsonObject([]);
    if (format === "json") return indentedJson(json);
    if (format === "metadata") {
      const metadata = json instanceof JsonObject ? json.members.find(([name]) => name === "metadata") : undefined;
      return metadata ? indentedJson(metadata[1]) : "";
    }
    return this.data.start.rows[index].body ?? "";
  }
}

/** The menu and panels of a block, without the formats that need Python. */
class SavedDetails extends BlockDetails {
  /** True if the page has the blocks themselves, and not only their rows. */
  get hasBlocks() {
    return !!(/** @type {any} */ (this.table.source).run?.model.data.blocks);
  }

  /** @param {number} index @param {string} format */
  toggle(index, format) {
    if (this.hasBlocks) super.toggle(index, format);
  }

  /** @param {number} index @param {HTMLElement} anchor */
  openMenu(index, anchor) {
    const { table } = this;
    const partner = table.source.partner(index);
    openMenu(anchor, `Block ${index}`, () => [
      { text: "Copy text", key: "c", press: () => this.copyFormat(index, "text", "the text") },
      ...(this.hasBlocks
        ? [
            { text: "Copy as JSON", press: () => this.copyFormat(index, "json", "JSON") },
            null,
            { text: "Show JSON", key: "i", press: () => this.toggle(index, "json") },
            { text: "Show metadata", press: () => this.toggle(index, "metadata") },
          ]
        : []),
      ...formItem(table, index, table.source.row(table.source.position(index))),
      ...(partner === undefined ? [] : [null, { text: `Go to #${partner}`, key: "g", press: () => void table.jumpTo(partner) }]),
    ]);
  }

  /** @param {number} index @param {string} format */
  panel(index, format) {
    const panel = document.createElement("div");
    panel.className = "nbt-detail";
    panel.setAttribute("role", "gridcell");
    const fetchText = (/** @type {string} */ newFormat) => this.table.source.text(index, newFormat);
    panel.append(formatTabs([["json", "JSON"], ["metadata", "Metadata"]], format, `Block ${index}`, fetchText, (newFormat) => this.openFormats.set(index, newFormat), this.notify, () => this.toggle(index, this.openFormats.get(index) ?? format)));
    return panel;
  }
}

/** Open the view of embedded data in a container. @param {any} data @param {HTMLElement} container */
export function openSavedView(data, container) {
  const model = new SavedModel(data);
  if (data.start.pairs) new CompareView(model, container);
  else new RunView(new RunSource(model), container, SavedDetails);
}
