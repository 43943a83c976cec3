// @ts-check
/*
 * Virtual scrolling for a table of any length.
 *
 * Rows are grouped into chunks of CHUNK_ROWS rows, and chunks into stretches of STRETCH_CHUNKS chunks. Far from the
 * visible part, a stretch is a single empty element with the measured or estimated height of its rows. A long table
 * therefore has only a few dozen elements, which matters because the browser visits each of them whenever it draws.
 */

import { element } from "./elements.js";

const MAX_FULL_ROWS = 2000; // a table with more rows is virtual
export const CHUNK_ROWS = 40; // rows that are drawn and removed together
const STRETCH_CHUNKS = 50;
const ROW_HEIGHT = 29; // px, the estimate for a row that was never drawn
const DRAW_MARGIN = 700; // px around the visible part in which rows are drawn
const STRETCH_MARGIN = 3000; // px around the visible part in which stretches have chunk elements

/**
 * `height`: px, measured when its rows were removed, else 0. A chunk has no element while its stretch is closed.
 * @typedef {{element: HTMLElement | undefined, isDrawn: boolean, height: number}} Chunk
 * @typedef {{element: HTMLElement, isOpen: boolean}} Stretch
 */

export class VirtualRows {
  /** @param {HTMLElement} parent @param {HTMLElement} scroller @param {(numbers: number[]) => void} drawChunks called with the numbers of chunks that became visible */
  constructor(parent, scroller, drawChunks) {
    this.parent = parent;
    this.scroller = scroller;
    this.drawChunks = drawChunks;
    this.rowCount = 0;
    this.fullRows = MAX_FULL_ROWS;
    /** @type {Chunk[]} */
    this.chunks = [];
    /** @type {Stretch[]} */
    this.stretches = [];
    this.stretchObserver = new IntersectionObserver((entries) => this.onStretchesVisible(entries), { root: scroller, rootMargin: `${STRETCH_MARGIN}px 0px` });
    this.chunkObserver = new IntersectionObserver((entries) => this.onChunksVisible(entries), { root: scroller, rootMargin: `${DRAW_MARGIN}px 0px` });
  }

  close() {
    this.stretchObserver.disconnect();
    this.chunkObserver.disconnect();
  }

  /** Change the number of rows. @param {number} rowCount */
  resize(rowCount) {
    if (rowCount === this.rowCount) return;
    const unchangedRows = Math.min(this.rowCount, rowCount);
    this.rowCount = rowCount;
    const chunkCount = Math.ceil(rowCount / CHUNK_ROWS);
    const changedChunk = this.chunks[Math.floor(unchangedRows / CHUNK_ROWS)]; // its number of rows changed
    if (changedChunk) changedChunk.height = 0;
    for (const removedChunk of this.chunks.splice(chunkCount)) this.removeChunk(removedChunk);
    while (this.chunks.length < chunkCount) this.chunks.push({ element: undefined, isDrawn: false, height: 0 });
    for (const { element } of this.stretches.splice(Math.ceil(chunkCount / STRETCH_CHUNKS))) {
      this.stretchObserver.unobserve(element);
      element.remove();
    }
    const first = Math.floor(unchangedRows / CHUNK_ROWS / STRETCH_CHUNKS);
    while (this.stretches.length < Math.ceil(chunkCount / STRETCH_CHUNKS)) this.addStretch();
    for (let number = first; number < this.stretches.length; number++) this.fitStretch(number);
  }

  addStretch() {
    const container = element("div", "nbt-stretch");
    container.setAttribute("role", "presentation");
    container.dataset.number = String(this.stretches.length);
    this.stretches.push({ element: container, isOpen: false });
    this.parent.append(container);
    this.stretchObserver.observe(container);
  }

  /** Discard measured heights, because other rows will be displayed there. */
  forgetHeights() {
    for (const chunk of this.chunks) if (!chunk.isDrawn) chunk.height = 0;
    for (let number = 0; number < this.stretches.length; number++) this.fitStretch(number);
  }

  /** Return the height in px. @param {number} number of a chunk */
  height(number) {
    return this.chunks[number].height || Math.min(CHUNK_ROWS, this.rowCount - number * CHUNK_ROWS) * ROW_HEIGHT;
  }

  /** Return the first chunk of a stretch and the one after its last. @param {number} number @returns {[number, number]} */
  chunkRange(number) {
    return [number * STRETCH_CHUNKS, Math.min((number + 1) * STRETCH_CHUNKS, this.chunks.length)];
  }

  /** Give a closed stretch the height of its rows, and an open one an element for each chunk. @param {number} number */
  fitStretch(number) {
    const stretch = this.stretches[number];
    const [from, to] = this.chunkRange(number);
    let height = 0;
    for (let chunkNumber = from; chunkNumber < to; chunkNumber++) {
      const chunk = this.chunks[chunkNumber];
      if (stretch.isOpen && !chunk.element) this.addChunk(chunkNumber, stretch);
      else if (chunk.element && !chunk.isDrawn) chunk.element.style.height = `${this.height(chunkNumber)}px`;
      if (!stretch.isOpen) height += this.height(chunkNumber);
    }
    stretch.element.style.height = stretch.isOpen ? "" : `${height}px`;
  }

  /** Add the empty element of a chunk to its stretch. @param {number} number of a chunk @param {Stretch} stretch */
  addChunk(number, stretch) {
    const placeholder = element("div", "nbt-chunk");
    placeholder.dataset.number = String(number);
    placeholder.style.height = `${this.height(number)}px`;
    this.chunks[number].element = placeholder;
    stretch.element.append(placeholder);
    this.chunkObserver.observe(placeholder);
  }

  /** Remove the element of a chunk. @param {Chunk} chunk */
  removeChunk(chunk) {
    if (!chunk.element) return;
    this.chunkObserver.unobserve(chunk.element);
    chunk.element.remove();
    chunk.element = undefined;
    chunk.isDrawn = false;
  }

  /** Return the element for the rows of a chunk, and open its stretch if necessary. @param {number} number @returns {HTMLElement} */
  chunkElement(number) {
    const stretch = this.stretches[Math.floor(number / STRETCH_CHUNKS)];
    if (!stretch.isOpen) {
      stretch.isOpen = true;
      this.fitStretch(Math.floor(number / STRETCH_CHUNKS));
    }
    return /** @type {HTMLElement} */ (this.chunks[number].element);
  }

  /** Record that the rows of a chunk are drawn. @param {number} number */
  markDrawn(number) {
    const container = this.chunkElement(number);
    container.setAttribute("role", "rowgroup");
    container.style.height = "";
    this.chunks[number].isDrawn = true;
  }

  /** Remove the rows of a chunk and keep their height. @param {number} number */
  emptyChunk(number) {
    const chunk = this.chunks[number];
    if (!chunk.element || !chunk.isDrawn) return;
    chunk.height = chunk.element.offsetHeight;
    chunk.isDrawn = false;
    chunk.element.replaceChildren();
    chunk.element.removeAttribute("role");
    chunk.element.style.height = `${this.height(number)}px`;
  }

  /** Draw the chunks that became visible, and empty the others. @param {IntersectionObserverEntry[]} entries */
  onChunksVisible(entries) {
    const visibleNumbers = [];
    for (const { target, isIntersecting } of entries) {
      const number = Number(/** @type {HTMLElement} */ (target).dataset.number);
      const chunk = this.chunks[number];
      if (chunk?.element !== target) continue;
      if (isIntersecting && !chunk.isDrawn) visibleNumbers.push(number);
      else if (!isIntersecting && this.mayEmpty(target)) this.emptyChunk(number);
    }
    if (visibleNumbers.length) this.drawChunks(visibleNumbers);
  }

  /** Open the stretches that became visible, and close the others. @param {IntersectionObserverEntry[]} entries */
  onStretchesVisible(entries) {
    for (const { target, isIntersecting } of entries) {
      const number = Number(/** @type {HTMLElement} */ (target).dataset.number);
      const stretch = this.stretches[number];
      if (stretch?.element !== target || stretch.isOpen === isIntersecting) continue;
      if (!isIntersecting && !this.mayEmpty(target)) continue;
      stretch.isOpen = isIntersecting;
      const [from, to] = this.chunkRange(number);
      if (!isIntersecting) {
        for (let chunkNumber = from; chunkNumber < to; chunkNumber++) this.emptyChunk(chunkNumber);
        for (let chunkNumber = from; chunkNumber < to; chunkNumber++) this.removeChunk(this.chunks[chunkNumber]);
      }
      this.fitStretch(number);
    }
  }

  /** Return whether rows may be removed: only in long, visible tables, and never the row with the focus. @param {Element} target */
  mayEmpty(target) {
    return this.rowCount > this.fullRows && this.scroller.clientHeight > 0 && !target.contains(document.activeElement);
  }
}
