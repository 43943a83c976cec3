// @ts-check
/* Tick blocks off and ask the model again without them, in a branch. A call and its result leave together. */

import { actionButton, onEscape, quietButton } from "./debug_controls.js";
import { attributes, element, plural } from "./elements.js";

export class LeaveOutForm {
  /** @param {import("./debug_source.js").DebugSource} source @param {{close: () => void, notify: (text: string) => void, done: () => void}} host */
  constructor(source, host) {
    this.source = source;
    this.host = host;
    this.snapshot = -1;
    /** @type {HTMLInputElement[]} by the number of the block */
    this.boxes = [];
    this.code = element("code", "nbt-code-line");
    this.askButton = actionButton("Ask again", () => void this.send(), { classes: "nbt-main" });
    this.element = attributes(element("div", "nbt-inset"), { role: "group", "aria-label": "Blocks to leave out" });
    onEscape(this.element, () => host.close());
  }

  /** @param {number} snapshot */
  async open(snapshot) {
    this.snapshot = snapshot;
    const { blocks } = await this.source.ask("kept_blocks", { snapshot });
    this.boxes = [];
    const lines = blocks.map((/** @type {any} */ block) => {
      const box = attributes(element("input"), { type: "checkbox", "data-lm-suppress-shortcuts": true });
      box.checked = true;
      box.addEventListener("change", () => {
        for (const row of block.partners) this.boxes[row].checked = box.checked;
        this.draw();
      });
      this.boxes.push(box);
      return element("label", "nbt-kept-block", box, element("span", "nbt-dim", `#${block.row} ${block.kind}`), element("code", "", block.head));
    });
    this.element.replaceChildren(
      element("p", "nbt-inset-lead", element("b", "", "Untick what the model must not see, and ask it again."), element("span", "nbt-dim", " A call and its result leave together. The answer is a branch; its tools wait for you.")),
      attributes(element("div", "nbt-kept-blocks", ...lines), { tabindex: 0, role: "region", "aria-label": "Blocks", "data-lm-suppress-shortcuts": true }),
      element("div", "nbt-card-actions", this.askButton, quietButton("Cancel", () => this.host.close(), "", "Esc"), this.code),
    );
    this.draw();
    this.boxes[0]?.focus();
  }

  /** The numbers of the blocks that are ticked off. */
  get rows() {
    return this.boxes.flatMap((box, row) => (box.checked ? [] : [row]));
  }

  draw() {
    const { rows } = this;
    this.askButton.disabled = !rows.length || rows.length === this.boxes.length;
    const label = this.askButton.querySelector(".nbt-label");
    if (label) label.textContent = rows.length ? `Ask again without ${plural(rows.length, "block")}` : "Ask again";
    this.code.textContent = `fork = session.fork(execution.snapshots[${this.snapshot}].turn${[...rows].reverse().map((row) => `.drop(${row})`).join("")})`;
  }

  async send() {
    try {
      const answer = await this.source.ask("ask_without", { snapshot: this.snapshot, rows: this.rows });
      this.host.done();
      this.host.notify(answer.notice);
    } catch (error) {
      this.host.notify(error instanceof Error ? error.message : String(error));
    }
  }
}
