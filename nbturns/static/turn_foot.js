// @ts-check
/* The line below the blocks of a Run: the displayed Turn with its totals, the way to its neighbours, and messages. */

import { COPY_REFUSED, attributes, button, copy, element, formatCount } from "./elements.js";
import { STATES, summaryParts } from "./turn_states.js";

/** @typedef {import("./run_source.js").TurnEntry} TurnEntry */

export class TurnFoot {
  /** @param {(turn: number) => void} onTurn */
  constructor(onTurn) {
    this.onTurn = onTurn;
    this.turn = 0;
    this.code = "";
    this.previousButton = button("nbt-turn-step", "Previous Turn", "", () => this.onTurn(this.turn - 1));
    this.nextButton = button("nbt-turn-step", "Next Turn", "", () => this.onTurn(this.turn + 1));
    this.steps = element("span", "nbt-group", this.previousButton, this.nextButton);
    this.summary = attributes(element("span", "nbt-turn-summary"), { role: "status", "aria-live": "polite" });
    this.message = attributes(element("span", "nbt-message"), { role: "status", "aria-live": "polite" });
    this.copyButton = button("nbt-code-button", "", "", () => void copy(this.code).then(() => this.notify(`Copied ${this.code}`), () => this.notify(COPY_REFUSED)));
    this.element = element("div", "nbt-foot", this.steps, this.summary, this.copyButton, this.message);
  }

  /** @param {string} text */
  notify(text) {
    this.message.textContent = text;
  }

  /** @param {TurnEntry} entry @param {number} count Turns of the Run */
  show(entry, count) {
    this.turn = entry.index;
    this.code = `run[${entry.index}]`;
    const isFocused = document.activeElement;
    this.previousButton.disabled = entry.index === 0;
    this.nextButton.disabled = entry.index === count - 1;
    if (isFocused === this.previousButton && this.previousButton.disabled) this.nextButton.focus();
    if (isFocused === this.nextButton && this.nextButton.disabled) this.previousButton.focus();
    const [symbol, word] = STATES[entry.state] ?? ["", entry.state];
    this.summary.replaceChildren(
      element("b", "", `Turn ${entry.index}`),
      ` of ${formatCount(count)}`,
      ...(symbol ? [" · ", element("span", `nbt-state nbt-${entry.state}`, `${symbol} ${word}`)] : []),
      ` · ${summaryParts(entry).join(" · ")}`,
    );
    this.copyButton.textContent = this.code;
    this.copyButton.title = `Copy ${this.code}`;
  }

  /** Hide what a single Turn does not need. @param {boolean} isSingle */
  setSingle(isSingle) {
    this.steps.hidden = this.summary.hidden = this.copyButton.hidden = isSingle;
  }
}
