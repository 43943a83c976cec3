// @ts-check
/* The waiting calls of a pause, a card for each. What was typed stays while the state around it changes. */

import { CallCard } from "./call_card.js";
import { actionButton, keyCap, labelled, textInput } from "./debug_controls.js";
import { attributes, button, element, formatCount, plural } from "./elements.js";

export class CallCards {
  /**
   * @param {import("./debug_source.js").DebugSource} source
   * @param {{goTo: (row: number) => void, notify: (text: string) => void}} host
   */
  constructor(source, host) {
    this.source = source;
    this.host = host;
    /** @type {CallCard[]} */
    this.cards = [];
    this.shownKey = "";
    this.pause = 0;
    this.head = element("div", "nbt-cards-head");
    this.denyAll = element("div", "nbt-deny-all");
    this.list = element("div", "nbt-card-list");
    this.element = attributes(element("div", "nbt-cards", this.head, this.denyAll, this.list), { role: "group", "aria-label": "Waiting calls" });
    this.show(null);
  }

  /** @param {any} state the cards of the current pause, or null */
  show(state) {
    this.element.hidden = !state;
    const key = state ? `${this.source.state.execution} ${state.pause} ${state.items.map((/** @type {any} */ call) => call.id).join(" ")}` : "";
    if (key === this.shownKey) return;
    this.shownKey = key;
    this.pause = state?.pause ?? 0;
    this.cards = (state?.items ?? []).map((/** @type {any} */ call, /** @type {number} */ n) => new CallCard(call, n + 1, state.count, this.cardHost()));
    this.list.replaceChildren(...this.cards.map((card) => card.element));
    this.denyAll.replaceChildren();
    const first = this.cards.find((card) => card.call.editable && card.faults.length) ?? this.cards.find((card) => card.call.editable);
    first?.setOpen(true);
    if (state) this.drawHead(state);
  }

  /** @returns {import("./call_card.js").CardHost} */
  cardHost() {
    return {
      decide: (card, decision) => this.decide(card, decision),
      check: (call, edit) => this.source.ask("check", { call, ...edit }),
      reform: (call, edit) => this.source.ask("args_json", { call, ...edit }),
      addRule: (rule) => this.source.ask("rule_add", { rule }),
      open: (card) => this.open(card),
      goTo: (row) => this.host.goTo(row),
      hasRules: () => !!this.source.state.has_session,
      notify: (text) => this.host.notify(text),
    };
  }

  /** @param {any} state */
  drawHead(state) {
    const unlisted = state.count - state.items.length;
    const words = [`Asked by model call ${state.asked_by}.`, ...(unlisted > 0 ? [`${formatCount(unlisted)} more are in the table below.`] : [])];
    const keys = this.cards.length > 1 ? [element("span", "nbt-cards-keys", " Keys ", keyCap("1"), "–", keyCap(String(Math.min(this.cards.length, 9))), " go to a call.")] : [];
    this.head.replaceChildren(
      element("b", "", `${plural(state.count, "call")} wait${state.count === 1 ? "s" : ""}`),
      element("span", "nbt-dim nbt-cards-note", words.join(" "), ...keys),
      ...(state.count > 1
        ? [
            actionButton("Run all", () => this.run("step"), { key: "⇧⏎", tip: "Run every call as its form is now: execution.step()" }),
            actionButton("Deny all…", () => this.drawDenyAll(), { tip: "Answer every call with a reason" }),
          ]
        : []),
    );
  }

  drawDenyAll() {
    const reason = textInput();
    const [label] = labelled("reason for all", reason);
    const send = () => void this.send(Object.fromEntries(this.cards.map((card) => [card.call.id, { do: "deny", text: reason.value }])), "step");
    reason.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) send();
      else if (event.key === "Escape") this.closeDenyAll();
      else return;
      event.stopPropagation();
    });
    this.denyAll.replaceChildren(element("div", "nbt-action-form", label, reason), element("div", "nbt-card-actions", actionButton("Deny all", send, { key: "⏎", classes: "nbt-main" }), actionButton("Cancel", () => this.closeDenyAll(), { classes: "nbt-quiet", key: "Esc" })));
    reason.focus();
  }

  closeDenyAll() {
    this.denyAll.replaceChildren();
    /** @type {HTMLElement | null} */ (this.head.lastElementChild)?.focus(); // "Deny all…"
  }

  /** @param {CallCard} card */
  open(card) {
    for (const other of this.cards) other.setOpen(other === card);
    card.element.scrollIntoView({ block: "nearest" });
    card.focus();
  }

  /** Create the link from the block of a call to its card. @param {CallCard} card */
  chip(card) {
    const label = `Go to waiting call ${card.number}`;
    const go = () => {
      if (card.call.editable) this.open(card);
      else card.element.scrollIntoView({ block: "nearest" });
      card.focus();
    };
    return attributes(button("nbt-link nbt-chip", String(card.number), label, go), { tabindex: -1 });
  }

  /** The decisions of all cards as their forms are. */
  get decisions() {
    return Object.fromEntries(this.cards.filter((card) => !card.isSent && (card.call.known || card.action)).map((card) => [card.call.id, card.decision]));
  }

  /** @param {CallCard} card @param {any} decision */
  decide(card, decision) {
    if (card.isSent) return;
    card.isSent = true; // a second click has no effect
    card.element.classList.add("nbt-sent");
    void this.send({ [card.call.id]: decision }, "one", card);
  }

  /** Run every call as its form is now. @param {"step" | "resume"} then */
  run(then) {
    return this.send(this.decisions, then);
  }

  /** @param {Record<string, any>} calls @param {string} then @param {CallCard} [card] */
  async send(calls, then, card) {
    try {
      await this.source.ask("decide", { pause: this.pause, calls, then });
    } catch (error) {
      const faulty = card ?? this.cards.find((candidate) => candidate.call.id === /** @type {any} */ (error).call);
      if (faulty) faulty.showError(error);
      else this.host.notify(error instanceof Error ? error.message : String(error));
    }
  }

  /** Handle a key outside of fields; return whether it was one of the cards. @param {KeyboardEvent} event */
  onKey(event) {
    if (this.element.hidden || event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.shiftKey && event.key === "Enter") return void this.run("step"), true;
    const card = this.cards[Number(event.key) - 1];
    if (card && /^[1-9]$/.test(event.key)) return card.call.editable ? this.open(card) : card.focus(), true;
    const openCard = this.cards.find((candidate) => candidate.isOpen) ?? this.cards[0];
    const actions = /** @type {Record<string, () => void>} */ ({
      u: () => openCard?.setAction("result"),
      d: () => openCard?.setAction("deny"),
      s: () => openCard && this.decide(openCard, { do: "skip" }),
      a: () => openCard?.call.editable && this.source.state.has_session && openCard.setAction("rule"),
    });
    if (!Object.hasOwn(actions, event.key)) return false;
    actions[event.key]();
    return true;
  }

  get isShown() {
    return !this.element.hidden && this.cards.length > 0;
  }
}
