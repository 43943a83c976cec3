// @ts-check
/* The box below a session: a prompt, sent with or without steps. The draft survives a reload. */

import { COMMAND_KEY, actionButton, labelled, textArea, textInput } from "./debug_controls.js";
import { attributes, element } from "./elements.js";

const SAVE_DELAY = 400; // ms after the last key

export class PromptBox {
  /** @param {import("./debug_source.js").DebugSource} source */
  constructor(source) {
    this.source = source;
    this.isSending = false;
    this.problem = ""; // why the last prompt was refused
    const { model } = source;
    this.area = textArea(model.get("draft") ?? "", "nbt-prompt", 2);
    const [label] = labelled("Ask the model", this.area);
    label.className = "nbt-visually-hidden";
    this.area.placeholder = "Ask the model";
    this.sendButton = actionButton("Send", () => void this.send(false), { key: COMMAND_KEY, classes: "nbt-main", tip: "session.ask(…)" });
    this.stepButton = actionButton("Send and step", () => void this.send(true), { key: `⇧${COMMAND_KEY}`, tip: "session.ask(…, step=True)" });
    this.engine = textInput("", "nbt-engine-field");
    this.engineList = element("datalist");
    this.engineList.id = `nbt-engines-${Math.random().toString(36).slice(2)}`;
    this.engine.setAttribute("list", this.engineList.id);
    this.engine.title = "Another engine, like openai:gpt-5: session.engine = nt.engine(…)";
    this.drawnEngines = "";
    const engineField = element("span", "nbt-engine-choice", ...labelled("engine", this.engine), this.engineList);
    this.note = attributes(element("span", "nbt-dim nbt-prompt-note"), { "aria-live": "polite" });
    this.element = element("div", "nbt-debug nbt-ask", label, this.area, element("div", "nbt-card-actions", this.sendButton, this.stepButton, engineField, this.note));
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.area.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.saveDraft(), SAVE_DELAY);
      this.draw();
    });
    this.area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      event.stopPropagation();
      void this.send(event.shiftKey);
    });
    this.onDraft = () => {
      if (document.activeElement !== this.area || !model.get("draft")) this.area.value = model.get("draft") ?? "";
      this.draw();
    };
    model.on("change:draft", this.onDraft);
    this.draw();
  }

  close() {
    this.saveDraft();
    this.source.model.off("change:draft", this.onDraft);
  }

  saveDraft() {
    const { model } = this.source;
    if (model.get("draft") === this.area.value) return;
    model.set("draft", this.area.value);
    model.save_changes();
  }

  get isBusy() {
    return ["running", "pausing", "paused"].includes(this.source.state.status);
  }

  /** Show the engine of the session, and offer those that it used before. @param {string[]} engines */
  drawEngines(engines) {
    if (engines.join("\n") === this.drawnEngines) return;
    this.drawnEngines = engines.join("\n");
    this.engine.value = engines[0] ?? "";
    this.engineList.replaceChildren(...engines.map((name) => new Option(name, name)));
  }

  draw() {
    const { status, engines } = this.source.state;
    this.drawEngines(engines ?? []);
    const isDisabled = this.isBusy || this.isSending || !this.area.value.trim();
    this.sendButton.disabled = this.stepButton.disabled = isDisabled;
    const note = status === "paused" ? "You can send when this execution is over: continue or stop it." : this.isBusy ? "You can send when this answer is complete, or stop it." : this.problem;
    if (this.note.textContent !== note) this.note.textContent = note;
  }

  /** @param {boolean} step */
  async send(step) {
    const text = this.area.value;
    if (this.isBusy || this.isSending || !text.trim()) return;
    this.isSending = true;
    this.problem = "";
    clearTimeout(this.timer);
    this.area.value = "";
    this.saveDraft();
    this.draw();
    try {
      const engine = this.engine.value.trim();
      await this.source.ask("prompt", { text, step, engine: engine === this.source.state.engines?.[0] ? "" : engine });
    } catch (error) {
      this.area.value ||= text;
      this.saveDraft();
      this.problem = error instanceof Error ? error.message : String(error); // beside the box: a session without Turns has no status line
    }
    this.isSending = false;
    this.draw();
  }
}
