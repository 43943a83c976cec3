// @ts-check
/* The overview of a long Run: the tokens of all model calls as one shape, with a window that chooses the calls of the lane. */

import { attributes, element, formatCount, plural } from "./elements.js";
import { callTokens, shortCount } from "./lane_calls.js";

const SHAPE_POINTS = 400;
const SHAPE_HEIGHT = 40; // units of the drawing
const MAX_TICKS = 100;

export class CallsOverview {
  /** @param {(from: number) => void} onMove */
  constructor(onMove) {
    this.onMove = onMove;
    this.total = 0;
    this.size = 1; // calls in the window
    this.from = 0;
    this.shape = svgElement("path", { class: "nbt-overview-shape" });
    this.drawing = svgElement("svg", { preserveAspectRatio: "none", "aria-hidden": "true" });
    this.drawing.append(this.shape);
    this.marks = attributes(element("div", "nbt-overview-marks"), { "aria-hidden": true });
    this.window = attributes(element("div", "nbt-overview-window"), { role: "slider", tabindex: 0, "aria-label": "Model calls in the lane", "data-lm-suppress-shortcuts": true });
    this.track = element("div", "nbt-overview-track", /** @type {any} */ (this.drawing), this.marks, this.window);
    this.axis = attributes(element("div", "nbt-axis"), { "aria-hidden": true });
    this.element = element("div", "nbt-overview", this.axis, this.track);
    this.track.addEventListener("pointerdown", (event) => this.drag(event));
    this.window.addEventListener("keydown", (event) => this.onKey(event));
  }

  get isShown() {
    return this.total > this.size;
  }

  /** @param {import("./lane_calls.js").Slot[]} slots @param {import("./lane_calls.js").LaneScale} scale @param {number} size calls in the window */
  show(slots, scale, size) {
    this.total = slots.length;
    this.size = size;
    this.element.hidden = !this.isShown;
    if (!this.isShown) return;
    this.drawing.setAttribute("viewBox", `0 0 ${SHAPE_POINTS} ${SHAPE_HEIGHT}`);
    this.shape.setAttribute("d", shapePath(slots.map(({ call }) => callTokens(call)), scale.tokens));
    const marked = slots.flatMap(({ call }, n) => {
      const mark = call && scale.mark(call);
      return mark ? [{ place: n / slots.length, failed: !!mark.failed }] : [];
    });
    const places = new Map(marked.map((mark) => [Math.floor(mark.place * MAX_TICKS), mark])); // neighbours are merged
    this.marks.replaceChildren(
      ...[...places.values()].map(({ place, failed }) => {
        const tick = element("span", failed ? "nbt-is-failed" : "");
        tick.style.insetInlineStart = `${100 * place}%`;
        return tick;
      }),
    );
    this.axis.replaceChildren(...[`${plural(slots.filter(({ call }) => call).length, "call")}`, scale.peak ? `≤ ${shortCount(scale.tokens)}` : "", marked.length ? plural(marked.length, "mark") : ""].filter(Boolean).map((text) => element("span", "", text)));
    attributes(this.window, { "aria-valuemin": 1, "aria-valuemax": this.total - size + 1 });
    this.window.style.width = `${(100 * size) / this.total}%`;
  }

  /** Display the window at a call. @param {number} from */
  move(from) {
    if (!this.isShown) return;
    this.from = from;
    this.window.style.insetInlineStart = `${(100 * from) / this.total}%`;
    attributes(this.window, { "aria-valuenow": from + 1, "aria-valuetext": `${formatCount(from + 1)} to ${formatCount(from + this.size)} of ${formatCount(this.total)}` });
  }

  /** @param {number} from */
  choose(from) {
    this.onMove(Math.max(0, Math.min(Math.round(from), this.total - this.size)));
  }

  /** Move the window to the pointer, and with it. @param {PointerEvent} event */
  drag(event) {
    event.preventDefault();
    this.window.focus({ preventScroll: true });
    const box = this.track.getBoundingClientRect();
    const isRightToLeft = getComputedStyle(this.track).direction === "rtl";
    const follow = (/** @type {PointerEvent} */ { clientX }) => this.choose(((isRightToLeft ? box.right - clientX : clientX - box.left) / box.width) * this.total - this.size / 2);
    follow(event);
    this.track.setPointerCapture(event.pointerId);
    this.track.addEventListener("pointermove", follow);
    this.track.addEventListener("lostpointercapture", () => this.track.removeEventListener("pointermove", follow), { once: true });
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const direction = getComputedStyle(this.track).direction === "rtl" ? -1 : 1;
    const step = this.size / 4;
    /** @type {Record<string, number>} */
    const targets = { ArrowRight: this.from + direction * step, ArrowLeft: this.from - direction * step, ArrowUp: this.from + step, ArrowDown: this.from - step, PageUp: this.from + this.size, PageDown: this.from - this.size, Home: 0, End: this.total };
    if (!Object.hasOwn(targets, event.key)) return;
    event.preventDefault();
    this.choose(targets[event.key]);
  }
}

/** Return the outline of values, each part of the width with its largest. @param {number[]} values @param {number} scale */
function shapePath(values, scale) {
  const points = Math.min(SHAPE_POINTS, values.length);
  let path = `M0 ${SHAPE_HEIGHT}`;
  for (let n = 0; n < points; n++) {
    const part = values.slice(Math.floor((n * values.length) / points), Math.floor(((n + 1) * values.length) / points));
    const height = scale ? (Math.max(...part) / scale) * SHAPE_HEIGHT : 0;
    const left = (n * SHAPE_POINTS) / points;
    path += `L${left.toFixed(1)} ${(SHAPE_HEIGHT - height).toFixed(1)}L${(left + SHAPE_POINTS / points).toFixed(1)} ${(SHAPE_HEIGHT - height).toFixed(1)}`;
  }
  return `${path}L${SHAPE_POINTS} ${SHAPE_HEIGHT}Z`;
}

/** @param {string} tag @param {Record<string, string>} values */
function svgElement(tag, values) {
  const result = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(values)) result.setAttribute(name, value);
  return result;
}
