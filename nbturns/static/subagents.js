// @ts-check
/* The Runs that tool calls started: a line below the call, which unfolds to the blocks of the Run. */

import { BlockDetails } from "./block_detail.js";
import { BlockTable } from "./block_table.js";
import { element, visible } from "./elements.js";
import { Rendering } from "./rendering.js";
import { PageRows } from "./row_source.js";

/** @typedef {{name: string, phrases: string[], outcome?: {state: string, text: string} | null}} Child */

/** The rows of a child; whole texts and formats come from the kernel. */
class ChildRows extends PageRows {
  /** @param {import("./run_source.js").RunSource} run @param {string} child @param {any} answer */
  constructor(run, child, answer) {
    super(answer.rows, answer.calls);
    this.ask = (/** @type {number} */ place, /** @type {string} */ format) => run.ask({ request: "format", child, place, format });
  }

  /** @param {number} index @param {string} format */
  text(index, format) {
    return this.ask(index, format);
  }

  /** @param {number} index */
  async loadMore(index) {
    Object.assign(this.rows[index], { body: await this.ask(index, "body"), cut: false });
    this.notify({ from: this.position(index), to: this.position(index) + 1 });
  }
}

export class Subagents {
  /** @param {import("./run_source.js").RunSource} run @param {(text: string) => void} notify */
  constructor(run, notify) {
    this.run = run;
    this.notify = notify;
    /** @type {Map<string, HTMLElement>} panels by call, kept while rows are drawn again */
    this.panels = new Map();
    /** @type {(() => void)[]} */
    this.closers = [];
  }

  close() {
    for (const close of this.closers) close();
  }

  /** Return the line of the Run that a call started, if the view has this Run. @param {string} id @param {number} index of the call */
  element(id, index) {
    const child = this.run.children.get(id);
    const key = `${index} ${id}`;
    if (child && !this.panels.has(key)) this.panels.set(key, this.createPanel(id, index, child));
    return child && this.panels.get(key);
  }

  /** @param {string} id @param {number} index @param {Child} child */
  createPanel(id, index, child) {
    const { outcome } = child;
    const badge = outcome?.text ? element("span", `nbt-badge nbt-is-${outcome.state || "plain"}`, outcome.text) : "";
    const summary = element("summary", "", element("b", "", child.name), ` ${child.phrases.join(" · ")} `, badge);
    summary.dataset.lmSuppressShortcuts = "true";
    const panel = element("details", "nbt-subagent", summary);
    for (const type of ["click", "dblclick", "pointerover", "focusin", "keydown"]) panel.addEventListener(type, (event) => event.stopPropagation());
    panel.addEventListener("toggle", () => panel.childElementCount > 1 || this.fill(panel, id, index, child));
    return panel;
  }

  /** @param {HTMLElement} panel @param {string} child @param {number} index @param {Child} entry */
  fill(panel, child, index, entry) {
    const waiting = element("div", "nbt-dim", "Waiting for the kernel …");
    panel.append(waiting);
    this.run.ask({ request: "child", child }).then(
      (answer) => {
        /** @type {BlockDetails | undefined} */
        let details;
        const table = new BlockTable(new ChildRows(this.run, child, answer), {
          label: `Blocks of ${visible(entry.name)}`,
          numberPrefix: `${index}.`,
          selectable: false,
          sortable: false,
          onMenu: (place, anchor) => details?.openMenu(place, anchor),
          detailPanel: (place) => details?.detailPanel(place),
          onError: (error) => this.notify(String(error)),
          onNotify: this.notify,
        });
        details = new BlockDetails(table, this.notify);
        const rendering = new Rendering(table, this.run.model);
        this.closers.push(() => (rendering.close(), table.close()));
        waiting.replaceWith(table.mount);
      },
      (error) => waiting.replaceChildren(String(error.message)),
    );
  }
}
