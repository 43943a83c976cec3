// @ts-check
/* The row that ends a table when its execution failed, was stopped or reached its limit. */

import { attributes, button, element } from "./elements.js";

/** @typedef {{state: "failed" | "limit" | "stopped", text: string}} Ending */

const ENDING_SIGNS = { failed: "✗", limit: "■", stopped: "■" };

export class EndingRow {
  /** @param {() => void} [retry] ask the failed model call again @param {boolean} [canRetry] */
  constructor(retry, canRetry = true) {
    this.text = element("span", "nbt-ending-text");
    this.retryButton = button("nbt-more nbt-retry", "Retry", "", () => {
      this.retryButton.disabled = true;
      retry?.();
    });
    this.retryButton.dataset.kernel = "true";
    this.retryButton.title = "Ask the failed model call again: session.retry()";
    this.canRetry = !!retry && canRetry;
    this.element = attributes(element("div", "nbt-ending", this.text, this.retryButton), { role: "alert" });
    this.show(null);
  }

  /** @param {Ending | null | undefined} ending @param {boolean} [isLast] whether it can still be retried */
  show(ending, isLast = true) {
    this.element.hidden = !ending;
    if (!ending) return;
    this.element.dataset.state = ending.state;
    const text = `${ENDING_SIGNS[ending.state] ?? "✗"} ${ending.text}`;
    if (this.text.textContent !== text) this.text.textContent = text;
    this.retryButton.hidden = !(this.canRetry && isLast && ending.state === "failed");
    this.retryButton.disabled = false;
  }
}
