// @ts-check
/* The view of a Turn: title with totals, toolbar, block table. */

import { BlockDetails, formatTabs } from "./block_detail.js";
import { BlockTable } from "./block_table.js";
import { attributes, button, formatCount, element, plural } from "./elements.js";
import { EndingRow } from "./ending_row.js";
import { KernelRows } from "./kernel_rows.js";
import { LabelField } from "./label_field.js";
import { Rendering } from "./rendering.js";
import { Toolbar } from "./toolbar.js";

const PREFETCH_AROUND = 120; // rows around a revealed row, loaded first so that they do not move it later

class TurnView {
  /** @param {KernelRows} source @param {any} model @param {HTMLElement} container */
  constructor(source, model, container) {
    this.source = source;
    this.model = model;
    this.root = element("div", "nbt-view tex2jax_ignore mathjax_ignore");
    attributes(this.root, { role: "region", "aria-label": "Turn" });
    this.title = element("div", "nbt-title");
    /** @type {BlockDetails | undefined} */
    this.blockDetails = undefined;
    this.message = attributes(element("span", "nbt-message"), { role: "status", "aria-live": "polite" });
    this.status = element("span", "nbt-status-text");
    this.table = new BlockTable(source, {
      label: "Blocks of the Turn",
      columns: model.get("columns"),
      onSelect: (indices) => this.save("selected", indices),
      onMenu: (index, anchor) => this.blockDetails?.openMenu(index, anchor),
      detailPanel: (index) => this.blockDetails?.detailPanel(index),
      onError: (error) => this.notify(error instanceof Error ? error.message : String(error)),
      onNotify: (text) => this.notify(text),
    });
    this.ending = new EndingRow();
    this.blockDetails = new BlockDetails(this.table, (text) => this.notify(text));
    this.toolbar = new Toolbar(this.table, { onColumns: (names) => this.save("columns", names) });
    this.labelField = model.get("can_label") ? new LabelField(this.table, this.toolbar, (row, label) => source.ask({ request: "label", row, label }), (text) => this.notify(text)) : undefined;
    this.rendering = new Rendering(this.table, model);
    this.details = element("div", "nbt-turn-details");
    this.details.hidden = true;
    this.detailsButton = button("", "Turn data", "", () => this.toggleDetails());
    this.detailsButton.dataset.kernel = "true";
    this.detailsButton.title = "Metadata and data of the Turn";
    this.toolbar.extraButtons.prepend(this.rendering.button, this.detailsButton);
    const footer = element("div", "nbt-foot", this.status, this.message);
    this.root.append(element("div", "nbt-top", this.title, this.toolbar.extraButtons), this.toolbar.element, this.toolbar.keyHelp, this.labelField?.element ?? "", this.details, this.table.mount, this.ending.element, footer);
    this.root.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
    });
    container.append(this.root);
    this.onSelected = () => (this.table.showSelected(model.get("selected")), this.drawStatus());
    this.onColumns = () => {
      if (JSON.stringify(model.get("columns")) !== JSON.stringify(this.table.columns)) this.table.setColumns(model.get("columns"));
    };
    model.on("change:selected", this.onSelected);
    model.on("change:columns", this.onColumns);
    this.watcher = () => this.draw();
    source.watchers.add(this.watcher);
    this.stopListening = source.listen(() => this.drawStatus());
    this.table.showSelected(model.get("selected"));
    this.draw();
    source.prefetch();
    if (model.get("selected").length) this.whenLaidOut(() => void this.revealSelected());
  }

  /** Call a function once, when the view has a size. @param {() => void} callback */
  whenLaidOut(callback) {
    const observer = new ResizeObserver(() => {
      if (!this.root.clientHeight) return;
      observer.disconnect();
      callback();
    });
    observer.observe(this.root);
  }

  /** Scroll the table, but not the page, to the first selected row. */
  async revealSelected() {
    const position = await this.source.locate(Math.min(...this.model.get("selected")));
    if (position < 0) return;
    await this.source.load(Math.max(0, position - PREFETCH_AROUND), Math.min(position + PREFETCH_AROUND, this.source.length));
    this.table.revealInUpperThird(position);
  }

  close() {
    this.model.off("change:selected", this.onSelected);
    this.model.off("change:columns", this.onColumns);
    this.source.watchers.delete(this.watcher);
    this.stopListening();
    this.rendering.close();
    this.table.close();
  }

  /** @param {string} trait @param {unknown} value */
  save(trait, value) {
    this.model.set(trait, value);
    this.model.save_changes();
    this.drawStatus();
  }

  /** @param {string} text */
  notify(text) {
    this.message.textContent = text;
  }

  draw() {
    this.title.replaceChildren(...titleNodes(this.source.summary, this.source.total));
    this.ending.show(this.source.summary.ending);
    this.toolbar.setChoices(this.source.summary.choices ?? { kinds: [], tools: [] });
    this.drawStatus();
  }

  drawStatus() {
    const { source } = this;
    const selected = this.table.selected.size;
    const parts = [
      source.length < source.total ? `${formatCount(source.length)} of ${plural(source.total, "block")} shown` : "",
      selected ? `${formatCount(selected)} selected` : "",
      source.kernelIsGone ? "The kernel is gone; rows that were not loaded cannot be shown" : source.isSlow ? "The kernel is not responding; it is busy or gone" : "",
    ];
    this.status.textContent = parts.filter(Boolean).join(" · ");
    this.status.classList.toggle("nbt-kernel-slow", source.isSlow || source.kernelIsGone);
  }

  toggleDetails() {
    this.details.hidden = !this.details.hidden;
    attributes(this.detailsButton, { "aria-expanded": !this.details.hidden });
    if (this.details.hidden) return this.details.replaceChildren();
    const fetchPart = async (/** @type {string} */ part) => (await this.source.ask({ request: "details", part })).text;
    this.details.replaceChildren(formatTabs([["metadata", "Metadata"], ["data", "Data"], ["ids", "IDs"]], "metadata", "Details of the Turn", fetchPart, () => undefined, (text) => this.notify(text), () => this.toggleDetails()));
  }
}

/** Return the title with the totals of a Turn. @param {any} summary @param {number} total @returns {(Node | string)[]} */
function titleNodes(summary, total) {
  const parts = [plural(total, "block"), ...(summary.phrases ?? [])];
  const nodes = [element("b", "", "Turn"), element("span", "", parts.join(" · "))];
  if (summary.pending) nodes.push(element("span", "nbt-badge", `${plural(summary.pending, "call")} pending`));
  if (summary.failed) nodes.push(element("span", "nbt-badge", `${summary.failed} failed or stopped`));
  return nodes;
}

export default () => {
  /** @type {KernelRows | undefined} */
  let source;
  return {
    /** @param {{model: any}} context */
    initialize({ model }) {
      source = new KernelRows(model);
      return () => source?.close();
    },
    /** @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      source ??= new KernelRows(model);
      const view = new TurnView(source, model, el);
      return () => view.close();
    },
  };
};
