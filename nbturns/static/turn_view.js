// @ts-check
/* A Turn in a cell: what it comes to, its toolbar, its block table. */

import { BlockDetails, formTabs } from "./block_detail.js";
import { BlockTable } from "./block_table.js";
import { attributes, button, counted, duration, element, plural } from "./elements.js";
import { KernelRows } from "./kernel_rows.js";
import { Toolbar } from "./toolbar.js";

const AROUND = 120; // rows on both sides of one that is brought to be seen, fetched before: they push it no more

class TurnView {
  /** @param {KernelRows} source @param {any} model @param {HTMLElement} place */
  constructor(source, model, place) {
    this.source = source;
    this.model = model;
    this.root = element("div", "nbt-view tex2jax_ignore mathjax_ignore");
    attributes(this.root, { role: "region", "aria-label": "Turn" });
    this.title = element("div", "nbt-title");
    /** @type {BlockDetails | undefined} */
    this.details = undefined;
    this.said = attributes(element("span", "nbt-said"), { role: "status", "aria-live": "polite" });
    this.state = element("span", "nbt-state");
    this.table = new BlockTable(source, {
      label: "blocks of the Turn",
      columns: model.get("columns"),
      onSelect: (indices) => this.save("selected", indices),
      onMenu: (index, at) => this.details?.menu(index, at),
      below: (index) => this.details?.below(index),
      onError: (error) => this.say(error instanceof Error ? error.message : String(error)),
      onSay: (text) => this.say(text),
    });
    this.details = new BlockDetails(this.table, (text) => this.say(text));
    this.toolbar = new Toolbar(this.table, { onColumns: (names) => this.save("columns", names) });
    this.about = element("div", "nbt-about");
    this.about.hidden = true;
    this.aboutButton = button("", "Turn", "", () => this.showAbout());
    this.aboutButton.title = "metadata and data of the Turn";
    this.toolbar.more.prepend(this.aboutButton);
    const foot = element("div", "nbt-foot", this.state, this.said);
    this.root.append(element("div", "nbt-top", this.title, this.toolbar.more), this.toolbar.element, this.toolbar.help, this.about, this.table.mount, foot);
    this.root.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
    });
    place.append(this.root);
    this.onSelected = () => (this.table.select(model.get("selected")), this.drawState());
    this.onColumns = () => {
      if (JSON.stringify(model.get("columns")) !== JSON.stringify(this.table.columns)) this.table.setColumns(model.get("columns"));
    };
    model.on("change:selected", this.onSelected);
    model.on("change:columns", this.onColumns);
    this.watcher = () => this.draw();
    source.watchers.add(this.watcher);
    this.stopHearing = source.listen(() => this.drawState());
    this.table.select(model.get("selected"));
    this.draw();
    source.prefetch();
    if (model.get("selected").length) this.whenLaidOut(() => void this.showSelected());
  }

  /** Once, when the view has its place in the page. @param {() => void} act */
  whenLaidOut(act) {
    const watch = new ResizeObserver(() => {
      if (!this.root.clientHeight) return;
      watch.disconnect();
      act();
    });
    watch.observe(this.root);
  }

  /** Bring the first of what is selected from the start to be seen; the reader's place in the page stays. */
  async showSelected() {
    const position = await this.source.locate(Math.min(...this.model.get("selected")));
    if (position < 0) return;
    await this.source.need(Math.max(0, position - AROUND), Math.min(position + AROUND, this.source.length));
    this.table.reveal(position);
  }

  close() {
    this.model.off("change:selected", this.onSelected);
    this.model.off("change:columns", this.onColumns);
    this.source.watchers.delete(this.watcher);
    this.stopHearing();
    this.table.close();
  }

  /** @param {string} trait @param {unknown} value */
  save(trait, value) {
    this.model.set(trait, value);
    this.model.save_changes();
    this.drawState();
  }

  /** @param {string} text */
  say(text) {
    this.said.textContent = text;
  }

  draw() {
    this.title.replaceChildren(...titleOf(this.source.about, this.source.total));
    this.toolbar.choose(this.source.about.choices ?? { kinds: [], tools: [] });
    this.drawState();
  }

  drawState() {
    const { source } = this;
    const selected = this.table.selected.size;
    const parts = [
      source.length < source.total ? `${counted(source.length)} of ${plural(source.total, "block")} shown` : "",
      selected ? `${counted(selected)} selected` : "",
      source.gone ? "the kernel is gone: what is not here cannot be shown" : source.slow ? "the kernel does not answer: it is busy, or gone" : "",
    ];
    this.state.textContent = parts.filter(Boolean).join(" · ");
    this.state.classList.toggle("nbt-slow", source.slow || source.gone);
  }

  showAbout() {
    this.about.hidden = !this.about.hidden;
    attributes(this.aboutButton, { "aria-expanded": !this.about.hidden });
    if (this.about.hidden) return this.about.replaceChildren();
    const fetch = async (/** @type {string} */ part) => (await this.source.ask({ want: "about", part })).text;
    this.about.replaceChildren(formTabs([["metadata", "metadata"], ["data", "data"], ["ids", "ids"]], "metadata", "about the Turn", fetch, () => undefined, (text) => this.say(text), () => this.showAbout()));
  }
}

/** What a Turn comes to, in words. @param {any} about @param {number} total @returns {(Node | string)[]} */
function titleOf(about, total) {
  const parts = [plural(total, "block")];
  if (about.calls) parts.push(plural(about.calls, "model call"));
  if (about.input !== undefined) parts.push(`${counted(about.input)} → ${counted(about.output)} tokens`);
  if (about.cost !== undefined) parts.push(`$${about.cost.toFixed(4)}`);
  if (about.ms) parts.push(duration(about.ms));
  const made = [element("b", "", "Turn"), element("span", "", `· ${parts.join(" · ")}`)];
  if (about.pending) made.push(element("span", "nbt-badge", `${plural(about.pending, "call")} pending`));
  if (about.failed) made.push(element("span", "nbt-badge", `${about.failed} failed or stopped`));
  return made;
}

export default () => {
  /** @type {KernelRows | undefined} */
  let source;
  return {
    /** @param {{model: any}} given */
    initialize({ model }) {
      source = new KernelRows(model);
      return () => source?.end();
    },
    /** @param {{model: any, el: HTMLElement}} given */
    render({ model, el }) {
      source ??= new KernelRows(model);
      const view = new TurnView(source, model, el);
      return () => view.close();
    },
  };
};
