// @ts-check
/* The slider of the snapshots of an execution: a ring before the model, a dot before the tools, a square after them. */

import { attributes, button, element } from "./elements.js";

const PHASE_TEXTS = ["before the model", "before the tools", "after the tools", "at the end"];
const MAX_RAIL_TICKS = 60; // snapshots with a mark each; above it marks are merged
const MARK_KINDS = /** @type {Record<string, string>} */ ({ "✎": "hand", "◇": "hand", "⊘": "hand", "↷": "hand", "✗": "bad", "◆": "wait" });
const MARK_WORDS = /** @type {Record<string, string>} */ ({ "✎": "edited", "◇": "mocked", "⊘": "denied", "↷": "skipped", "✗": "failed", "◆": "breakpoint" });

/** Describe a snapshot in words. @param {[number, number, string][]} rail @param {number} index */
export function snapshotWords(rail, index) {
  const entry = rail[index];
  return entry ? `iteration ${entry[1]}, ${PHASE_TEXTS[entry[0]]}` : "";
}

export class SnapshotRail {
  /** @param {(index: number) => void} look called when the reader chooses a snapshot; the last one is the present */
  constructor(look) {
    this.look = look;
    /** @type {[number, number, string][]} */
    this.rail = [];
    this.index = -1;
    this.drawnLength = -1;
    this.drawnMarks = "";
    this.track = attributes(element("div", "nbt-track"), { role: "slider", tabindex: 0, "aria-label": "Snapshot", "aria-valuemin": 1, "data-lm-suppress-shortcuts": true });
    this.passed = element("span", "nbt-track-passed");
    this.ticks = element("span", "nbt-ticks");
    this.thumb = element("span", "nbt-thumb");
    this.track.append(this.passed, this.ticks, this.thumb);
    this.previousButton = button("nbt-arrow", "◂", "Previous snapshot", () => this.choose(this.index - 1));
    this.nextButton = button("nbt-arrow", "▸", "Next snapshot", () => this.choose(this.index + 1));
    this.words = element("span", "nbt-rail-words");
    this.element = element("div", "nbt-rail", this.previousButton, this.track, this.nextButton, this.words);
    this.track.addEventListener("keydown", (event) => this.onKey(event));
    this.track.addEventListener("pointerdown", (event) => this.onPointer(event));
  }

  /** @param {[number, number, string][]} rail @param {number} index */
  show(rail, index) {
    this.rail = rail;
    this.index = index;
    this.element.hidden = rail.length < 1;
    const marks = rail.map((entry) => entry[2]).join(",");
    if (rail.length !== this.drawnLength || marks !== this.drawnMarks) this.drawTicks();
    this.drawnLength = rail.length;
    this.drawnMarks = marks;
    this.place(index);
  }

  /** @param {number} index @returns {string} its place as a percentage */
  percent(index) {
    return `${this.rail.length > 1 ? ((100 * index) / (this.rail.length - 1)).toFixed(2) : 100}%`;
  }

  drawTicks() {
    /** @type {HTMLElement[]} */
    const ticks = [];
    const { rail } = this;
    const step = Math.max(1, Math.ceil(rail.length / MAX_RAIL_TICKS));
    this.track.classList.toggle("nbt-plain-track", step > 1);
    for (let start = 0; start < rail.length; start += step) {
      const entries = rail.slice(start, start + step);
      const counts = new Map();
      for (const entry of entries) for (const sign of entry[2]) counts.set(sign, (counts.get(sign) ?? 0) + 1);
      if (step === 1) {
        const [phase, iteration] = rail[start];
        ticks.push(this.at(element("span", `nbt-tick nbt-phase-${phase}`), start));
        if (!start || rail[start - 1][1] !== iteration) ticks.push(this.at(element("span", "nbt-tick-label", ...(start ? [] : [element("span", "nbt-tick-word", "iteration ")]), String(iteration)), start));
      }
      if (!counts.size) continue;
      const mark = this.at(element("span", "nbt-rail-mark"), start);
      for (const [sign, count] of counts) mark.append(element("span", `nbt-as-${MARK_KINDS[sign] ?? "dim"}`, `${sign}\ufe0e${count > 1 ? count : ""}`));
      mark.title = [...counts].map(([sign, count]) => `${MARK_WORDS[sign] ?? sign}${count > 1 ? ` ${count} times` : ""}`).join(", ");
      ticks.push(mark);
    }
    this.ticks.replaceChildren(...ticks);
  }

  /** @param {HTMLElement} mark @param {number} index */
  at(mark, index) {
    mark.style.insetInlineStart = this.percent(index);
    if (index === this.rail.length - 1) mark.classList.add("nbt-at-end");
    return mark;
  }

  /** Move the thumb and change the words, without looking. @param {number} index */
  place(index) {
    const count = this.rail.length;
    const place = this.percent(index);
    this.thumb.style.insetInlineStart = place;
    this.passed.style.width = place;
    const words = snapshotWords(this.rail, index);
    this.words.replaceChildren(element("b", "", `${index + 1} of ${count}`), words ? `, ${words}` : "");
    attributes(this.track, { "aria-valuemax": count, "aria-valuenow": index + 1, "aria-valuetext": `Snapshot ${index + 1} of ${count}, ${words}` });
    this.previousButton.disabled = index <= 0;
    this.nextButton.disabled = index >= count - 1;
  }

  /** @param {number} index */
  choose(index) {
    const target = Math.max(0, Math.min(index, this.rail.length - 1));
    if (target === this.index || !this.rail.length) return;
    this.index = target;
    this.place(target);
    this.look(target);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const direction = getComputedStyle(this.track).direction === "rtl" ? -1 : 1;
    /** @type {Record<string, number>} */
    const targets = { ArrowRight: this.index + direction, ArrowLeft: this.index - direction, ArrowUp: this.index + 1, ArrowDown: this.index - 1, Home: 0, End: this.rail.length - 1, PageUp: this.index + 10, PageDown: this.index - 10 };
    if (!(event.key in targets)) return;
    event.preventDefault();
    event.stopPropagation();
    this.choose(targets[event.key]);
  }

  /** Dragging changes the words alone; letting go looks. @param {PointerEvent} event */
  onPointer(event) {
    if (event.button || !this.rail.length) return;
    event.preventDefault();
    this.track.focus();
    this.track.setPointerCapture(event.pointerId);
    let target = this.indexAt(event);
    this.place(target);
    const move = (/** @type {PointerEvent} */ moved) => this.place((target = this.indexAt(moved)));
    const end = () => {
      this.track.removeEventListener("pointermove", move);
      this.track.removeEventListener("pointerup", end);
      this.track.removeEventListener("pointercancel", end);
      if (target === this.index) this.place(target);
      else this.choose(target);
    };
    this.track.addEventListener("pointermove", move);
    this.track.addEventListener("pointerup", end);
    this.track.addEventListener("pointercancel", end);
  }

  /** @param {PointerEvent} event */
  indexAt(event) {
    const box = this.track.getBoundingClientRect();
    const share = (event.clientX - box.left) / Math.max(box.width, 1);
    const position = getComputedStyle(this.track).direction === "rtl" ? 1 - share : share;
    return Math.max(0, Math.min(Math.round(position * (this.rail.length - 1)), this.rail.length - 1));
  }
}
