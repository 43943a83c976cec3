// @ts-check
/*
 * Where the rows of a table stand: CHUNK rows to a place, and STRETCH places to a stretch.
 *
 * What is far from what is seen is one empty place a stretch, as high as its rows were or are thought to be. So a
 * table of any length is a few dozen elements: a browser looks at each of them whenever it draws.
 */

import { element } from "./elements.js";

export const EVERY = 2000; // rows up to which all stand in the page
export const CHUNK = 40; // rows that are drawn, and taken away, together
const STRETCH = 50; // chunks
const ROW = 29; // px: how high a row is before it has been seen
const NEAR = 700; // px from what is seen, in which rows are drawn
const FAR = 3000; // px, in which a stretch has its places

/**
 * `height` in px, once its rows were taken away, else 0. Without an element its stretch is empty.
 * @typedef {{element: HTMLElement | undefined, drawn: boolean, height: number}} Chunk
 * @typedef {{element: HTMLElement, open: boolean}} Stretch
 */

export class Places {
  /** @param {HTMLElement} parent @param {HTMLElement} scroller @param {(numbers: number[]) => void} near the rows of these chunks are to be drawn */
  constructor(parent, scroller, near) {
    this.parent = parent;
    this.scroller = scroller;
    this.near = near;
    this.rows = 0;
    /** @type {Chunk[]} */
    this.chunks = [];
    /** @type {Stretch[]} */
    this.stretches = [];
    this.watchStretches = new IntersectionObserver((seen) => this.sawStretches(seen), { root: scroller, rootMargin: `${FAR}px 0px` });
    this.watchChunks = new IntersectionObserver((seen) => this.sawChunks(seen), { root: scroller, rootMargin: `${NEAR}px 0px` });
  }

  close() {
    this.watchStretches.disconnect();
    this.watchChunks.disconnect();
  }

  /** There are so many rows now. @param {number} rows */
  resize(rows) {
    if (rows === this.rows) return;
    const same = Math.min(this.rows, rows);
    this.rows = rows;
    const wanted = Math.ceil(rows / CHUNK);
    const edge = this.chunks[Math.floor(same / CHUNK)]; // it has more rows now, or fewer
    if (edge) edge.height = 0;
    for (const gone of this.chunks.splice(wanted)) this.remove(gone);
    while (this.chunks.length < wanted) this.chunks.push({ element: undefined, drawn: false, height: 0 });
    for (const { element } of this.stretches.splice(Math.ceil(wanted / STRETCH))) {
      this.watchStretches.unobserve(element);
      element.remove();
    }
    const first = Math.floor(same / CHUNK / STRETCH);
    while (this.stretches.length < Math.ceil(wanted / STRETCH)) this.addStretch();
    for (let number = first; number < this.stretches.length; number++) this.fit(number);
  }

  addStretch() {
    const place = element("div", "nbt-stretch");
    place.setAttribute("role", "presentation");
    place.dataset.number = String(this.stretches.length);
    this.stretches.push({ element: place, open: false });
    this.parent.append(place);
    this.watchStretches.observe(place);
  }

  /** Rows that are not drawn are others now: how high they are is not known. */
  forget() {
    for (const chunk of this.chunks) if (!chunk.drawn) chunk.height = 0;
    for (let number = 0; number < this.stretches.length; number++) this.fit(number);
  }

  /** px. @param {number} number of a chunk */
  height(number) {
    return this.chunks[number].height || Math.min(CHUNK, this.rows - number * CHUNK) * ROW;
  }

  /** Numbers of the chunks of a stretch: from, and up to. @param {number} number @returns {[number, number]} */
  span(number) {
    return [number * STRETCH, Math.min((number + 1) * STRETCH, this.chunks.length)];
  }

  /** A stretch as high as its rows, or with a place for each of its chunks. @param {number} number */
  fit(number) {
    const stretch = this.stretches[number];
    const [from, to] = this.span(number);
    let height = 0;
    for (let at = from; at < to; at++) {
      const chunk = this.chunks[at];
      if (stretch.open && !chunk.element) this.add(at, stretch);
      else if (chunk.element && !chunk.drawn) chunk.element.style.height = `${this.height(at)}px`;
      if (!stretch.open) height += this.height(at);
    }
    stretch.element.style.height = stretch.open ? "" : `${height}px`;
  }

  /** @param {number} number of a chunk @param {Stretch} stretch */
  add(number, stretch) {
    const place = element("div", "nbt-chunk");
    place.dataset.number = String(number);
    place.style.height = `${this.height(number)}px`;
    this.chunks[number].element = place;
    stretch.element.append(place);
    this.watchChunks.observe(place);
  }

  /** @param {Chunk} chunk */
  remove(chunk) {
    if (!chunk.element) return;
    this.watchChunks.unobserve(chunk.element);
    chunk.element.remove();
    chunk.element = undefined;
    chunk.drawn = false;
  }

  /** Where the rows of a chunk go. @param {number} number @returns {HTMLElement} */
  place(number) {
    const stretch = this.stretches[Math.floor(number / STRETCH)];
    if (!stretch.open) {
      stretch.open = true;
      this.fit(Math.floor(number / STRETCH));
    }
    return /** @type {HTMLElement} */ (this.chunks[number].element);
  }

  /** The rows of a chunk stand in its place. @param {number} number */
  drew(number) {
    const place = this.place(number);
    place.setAttribute("role", "rowgroup");
    place.style.height = "";
    this.chunks[number].drawn = true;
  }

  /** Take the rows of a chunk away and keep their height. @param {number} number */
  empty(number) {
    const chunk = this.chunks[number];
    if (!chunk.element || !chunk.drawn) return;
    chunk.height = chunk.element.offsetHeight;
    chunk.drawn = false;
    chunk.element.replaceChildren();
    chunk.element.removeAttribute("role");
    chunk.element.style.height = `${this.height(number)}px`;
  }

  /** @param {IntersectionObserverEntry[]} seen */
  sawChunks(seen) {
    const near = [];
    for (const { target, isIntersecting } of seen) {
      const number = Number(/** @type {HTMLElement} */ (target).dataset.number);
      const chunk = this.chunks[number];
      if (chunk?.element !== target) continue;
      if (isIntersecting && !chunk.drawn) near.push(number);
      else if (!isIntersecting && this.mayEmpty(target)) this.empty(number);
    }
    if (near.length) this.near(near);
  }

  /** @param {IntersectionObserverEntry[]} seen */
  sawStretches(seen) {
    for (const { target, isIntersecting } of seen) {
      const number = Number(/** @type {HTMLElement} */ (target).dataset.number);
      const stretch = this.stretches[number];
      if (stretch?.element !== target || stretch.open === isIntersecting) continue;
      if (!isIntersecting && !this.mayEmpty(target)) continue;
      stretch.open = isIntersecting;
      const [from, to] = this.span(number);
      if (!isIntersecting) {
        for (let at = from; at < to; at++) this.empty(at);
        for (let at = from; at < to; at++) this.remove(this.chunks[at]);
      }
      this.fit(number);
    }
  }

  /** Rows go when there are many, but not the one that has the focus, nor those of a table that is out of sight as a whole. @param {Element} place */
  mayEmpty(place) {
    return this.rows > EVERY && this.scroller.clientHeight > 0 && !place.contains(document.activeElement);
  }
}
