// @ts-check
/* A place that scrolls and stays at its end while more comes: until the reader goes up, and again when they are back. */

export class Follow {
  /** @param {HTMLElement} scroller @param {() => void} toEnd */
  constructor(scroller, toEnd) {
    this.scroller = scroller;
    this.toEnd = toEnd;
    this.on = false;
    this.held = true; // at the end
    this.top = 0; // px, where the reader was when last heard of
    scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    scroller.addEventListener("wheel", (event) => event.deltaY < 0 && this.letGo(), { passive: true });
  }

  /** px that are below what is seen. */
  get left() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  scrolled() {
    const { left } = this;
    const { scrollTop } = this.scroller;
    if (left < 2) this.held = true;
    else if (scrollTop < this.top) this.held = false; // up, by however little: else what comes would draw them back
    else if (left < 24) this.held = true;
    this.top = scrollTop;
  }

  /** The reader is about to go up, and no row that comes in between may draw them back. */
  letGo() {
    if (this.scroller.scrollTop > 0) this.held = false;
  }

  /** Something changed. */
  came() {
    if (this.on && this.held) this.toEnd();
  }

  /** The reader made something longer or shorter: who unfolds something wants to read it. */
  looked() {
    if (this.on) this.held = this.left < 24;
  }
}
