// @ts-check
/* The phases of a Turn as a slider: the whole Turn at its end, and its state at each boundary of the loop before. */

import { attributes, button, element, formatCount, plural } from "./elements.js";

/** @typedef {import("./run_source.js").TurnEntry} TurnEntry */

/** @type {Record<string, string>} */
const PHASE_WORDS = {
  pre_inference: "before the model call",
  post_inference: "after the model call",
  post_tools: "after the tools",
  final: "at the end",
};

export class PhaseSlider {
  /** @param {(phase: number) => void} onChoose index of the phase, -1 for the whole Turn */
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.count = 0;
    this.field = attributes(element("input", "nbt-phase-field"), { type: "range", min: 0, step: 1, "aria-label": "Phase of the Turn", "data-lm-suppress-shortcuts": true });
    this.previousButton = button("", "◂", "Previous phase", () => this.step(-1));
    this.nextButton = button("", "▸", "Next phase", () => this.step(1));
    this.words = element("span", "nbt-phase-words");
    this.element = attributes(element("div", "nbt-phases", this.previousButton, this.field, this.nextButton, this.words), { role: "group", "aria-label": "Phases" });
    this.field.addEventListener("input", () => this.describe(this.phase)); // words only; letting go shows the blocks
    this.field.addEventListener("change", () => this.onChoose(this.phase));
    /** @type {TurnEntry | undefined} */
    this.entry = undefined;
  }

  /** The phase at which the slider stands. */
  get phase() {
    const value = Number(this.field.value);
    return value >= this.count ? -1 : value;
  }

  /** @param {TurnEntry} entry @param {number} phase */
  show(entry, phase) {
    this.entry = entry;
    this.count = entry.phases.length;
    this.field.max = String(this.count);
    this.field.value = String(phase < 0 ? this.count : phase);
    this.previousButton.disabled = this.field.value === "0";
    this.nextButton.disabled = phase < 0;
    this.describe(phase);
  }

  /** @param {number} phase */
  describe(phase) {
    const entry = /** @type {TurnEntry} */ (this.entry);
    const words = phaseDescription(entry, phase);
    this.words.textContent = words;
    attributes(this.field, { "aria-valuetext": words });
  }

  /** @param {number} offset */
  step(offset) {
    const value = Math.max(0, Math.min(Number(this.field.value) + offset, this.count));
    const focused = document.activeElement;
    this.onChoose(value >= this.count ? -1 : value);
    if (focused instanceof HTMLButtonElement && focused.disabled) this.field.focus({ preventScroll: true });
  }
}

/** Return a phase in words. @param {TurnEntry} entry @param {number} phase */
function phaseDescription(entry, phase) {
  if (phase < 0) return `Whole Turn, ${plural(entry.blocks, "block")}`;
  const { phase: name, iteration, blocks } = entry.phases[phase];
  const previousBlocks = phase ? entry.phases[phase - 1].blocks : (entry.fresh[0]?.[0] ?? 0);
  const added = blocks - previousBlocks;
  const change = added > 0 ? `, +${formatCount(added)}` : added < 0 ? `, −${formatCount(-added)}` : "";
  const place = iteration < 0 ? "" : `, iteration ${formatCount(iteration)}`;
  return `Phase ${formatCount(phase + 1)} of ${formatCount(entry.phases.length)}${place}, ${PHASE_WORDS[name] ?? name}: ${plural(blocks, "block")}${change}`;
}
