// @ts-check
/* Keep a scrolling element at its end while content is added, until the reader scrolls up, and again after they return. */

export class StickToEnd {
  /** @param {HTMLElement} scroller @param {() => void} scrollToEnd */
  constructor(scroller, scrollToEnd) {
    this.scroller = scroller;
    this.scrollToEnd = scrollToEnd;
    this.enabled = false;
    this.atEnd = true; // the reader is at the end
    this.lastScrollTop = 0; // px, at the last scroll event
    scroller.addEventListener("scroll", () => this.onScroll(), { passive: true });
    scroller.addEventListener("wheel", (event) => event.deltaY < 0 && this.release(), { passive: true });
  }

  /** px below the visible part. */
  get distanceToEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  onScroll() {
    const { distanceToEnd } = this;
    const { scrollTop } = this.scroller;
    if (distanceToEnd < 2) this.atEnd = true;
    else if (scrollTop < this.lastScrollTop) this.atEnd = false; // any step up releases, or new content would pull the reader back
    else if (distanceToEnd < 24) this.atEnd = true;
    this.lastScrollTop = scrollTop;
  }

  /** Release before the scroll event of a wheel turn arrives, so that a row added in between does not pull the reader back. */
  release() {
    if (this.scroller.scrollTop > 0) this.atEnd = false;
  }

  /** Scroll to the end after content was added. */
  contentAdded() {
    if (this.enabled && this.atEnd) this.scrollToEnd();
  }

  /** Stop following if the reader unfolded something and thereby left the end. */
  readerResized() {
    if (this.enabled) this.atEnd = this.distanceToEnd < 24;
  }
}
