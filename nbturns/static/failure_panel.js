// @ts-check
/* What can be done after a model call failed or a limit was reached: retry, retry with other settings, fork before it. */

import { COMMAND_KEY, ICON_PATHS, actionButton, labelled, quietButton, textInput } from "./debug_controls.js";
import { attributes, copy, duration, element, plural } from "./elements.js";

export class FailurePanel {
  /**
   * @param {import("./debug_source.js").DebugSource} source
   * @param {{forkBefore: () => void, notify: (text: string) => void}} host
   */
  constructor(source, host) {
    this.source = source;
    this.host = host;
    this.drawn = "";
    this.element = attributes(element("div", "nbt-alert"), { role: "alert", "aria-label": "Failure" });
    this.inset = element("div");
    this.element.hidden = true;
  }

  /** @param {any} failure @param {boolean} isLookingBack */
  show(failure, isLookingBack) {
    this.element.hidden = !failure || isLookingBack || (failure.state === "stopped" && !failure.can_retry);
    const text = JSON.stringify([failure, this.source.state.retry]);
    if (this.element.hidden || text === this.drawn) return;
    this.drawn = text;
    this.element.className = `nbt-alert nbt-as-${failure.state === "failed" ? "bad" : "wait"}`;
    const title = failure.state === "failed" ? `✗\ufe0e ${failure.call ? `Model call ${failure.call} failed` : "Failed"}${failure.status ? `: ${failure.status}` : ""}` : `■\ufe0e ${failure.limit ? `Stopped at the limit of ${plural(failure.limit, "model call")}` : failure.title}`;
    this.inset.replaceChildren();
    const buttons = [];
    if (failure.can_retry) {
      this.retryButton = actionButton("Retry", () => void this.retry({}), { icon: ICON_PATHS.retry, key: "t", tip: "Ask the failed model call again: session.retry()" });
      this.withButton = actionButton("Retry with…", () => this.drawSettings(), { icon: ICON_PATHS.retry, key: "⇧T", tip: 'session.retry(engine="…", temperature=0)' });
      buttons.push(this.retryButton, this.withButton);
    }
    if (failure.limit) buttons.push(...this.limitForm(failure.limit));
    if (this.source.state.has_session && this.source.rail.length) buttons.push(actionButton("Fork before it", () => this.host.forkBefore(), { icon: ICON_PATHS.fork, key: "f", tip: "session.fork(execution.snapshots[…])" }));
    const errorText = [failure.type, failure.message].filter(Boolean).join(": ") || failure.title;
    buttons.push(element("span", "nbt-spacer"), quietButton("Copy error", () => void copy(errorText).then(() => this.host.notify("Copied the error"), (error) => this.host.notify(error.message))));
    this.element.replaceChildren(element("h4", "", title), element("p", "", ...this.story(failure, errorText)), element("div", "nbt-actions-line", ...buttons), this.inset);
  }

  /** Tell what happened. @param {any} failure @param {string} errorText @returns {(Node | string)[]} */
  story(failure, errorText) {
    const attempts = failure.attempts ?? [];
    /** @type {(Node | string)[]} */
    const parts = [];
    if (attempts.length > 1) {
      const total = attempts.reduce((/** @type {number} */ sum, /** @type {any} */ attempt) => sum + (attempt.ms ?? 0), 0);
      parts.push(`${attempts[0].model || "The model"} failed ${attempts.length} times in ${duration(total)}: `);
      attempts.forEach((/** @type {any} */ attempt, /** @type {number} */ n) => parts.push(`${n ? ", " : ""}${attempt.at} `, element("b", "", attempt.text)));
      parts.push(". ");
    }
    parts.push(`${errorText}${/[.!?]$/.test(errorText) ? "" : "."} `);
    if (failure.request_id) parts.push("Request id ", element("code", "", failure.request_id), ". ");
    parts.push(failure.blocks === 1 ? "The block is kept." : `All ${plural(failure.blocks, "block")} are kept.`);
    return parts;
  }

  /** Create the field and the button that continue with a new limit. @param {number} limit the one that was reached */
  limitForm(limit) {
    const field = attributes(textInput(String(limit), "nbt-short-field"), { inputmode: "numeric" });
    const [label] = labelled("more model calls", field);
    const send = () => void this.ask("continue", { limit: /^\s*\d+\s*$/.test(field.value) ? Number(field.value) : field.value });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      event.stopPropagation();
      send();
    });
    return [actionButton("Continue", send, { icon: ICON_PATHS.run, classes: "nbt-main", key: "⏎", tip: "session.ask(session.latest, limit=…)" }), element("span", "nbt-limit-field", field, label)];
  }

  /** @param {any} fields */
  retry(fields) {
    return this.ask("retry", fields);
  }

  /** @param {string} action @param {any} fields */
  async ask(action, fields) {
    try {
      const answer = await this.source.ask(action, fields);
      this.host.notify(answer.notice ?? "");
    } catch (error) {
      this.host.notify(error instanceof Error ? error.message : String(error));
    }
  }

  drawSettings() {
    const settings = this.source.state.retry;
    if (!settings) return;
    if (this.inset.firstChild) return this.inset.replaceChildren();
    const engine = textInput(settings.engine, "nbt-engine-field");
    const list = element("datalist");
    list.id = `nbt-engines-${Math.random().toString(36).slice(2)}`;
    list.append(...[settings.engine, ...settings.engines].map((/** @type {string} */ name) => new Option(name, name)));
    engine.setAttribute("list", list.id);
    const [engineLabel] = labelled("engine", engine);
    /** @type {[string, HTMLLabelElement, HTMLInputElement][]} */
    const fields = settings.params.map((/** @type {[string, string]} */ [name, value]) => [name, ...labelled(name.replace("_", " "), textInput(value, "nbt-short-field"))]);
    const branchBox = attributes(element("input"), { type: "checkbox", "data-lm-suppress-shortcuts": true });
    const send = () => {
      const params = Object.fromEntries(fields.flatMap(([name, , field], n) => (field.value !== settings.params[n][1] ? [[name, field.value]] : [])));
      return this.retry({ engine: engine.value.trim(), params, branch: branchBox.checked });
    };
    const form = attributes(
      element("div", "nbt-inset", element("div", "nbt-flow", element("span", "", engineLabel, engine, list), ...fields.map(([, label, field]) => element("span", "", label, field)), element("label", "", branchBox, " keep as a branch")), element("div", "nbt-card-actions", actionButton("Retry with these", () => void send(), { classes: "nbt-main", key: COMMAND_KEY }), quietButton("Cancel", () => this.inset.replaceChildren(), "", "Esc"), element("span", "nbt-dim", settings.takes_params ? "" : "This engine takes no parameters; name another one, like openai:gpt-5."))),
      { role: "group", "aria-label": "Retry with" },
    );
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.inset.replaceChildren();
      else if ((event.ctrlKey || event.metaKey) && event.key === "Enter") void send();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    this.inset.replaceChildren(form);
    engine.focus();
  }

  /** Handle a key outside of fields. @param {KeyboardEvent} event */
  onKey(event) {
    if (this.element.hidden || event.ctrlKey || event.metaKey || event.altKey) return false;
    const canRetry = !!this.source.state.failure?.can_retry;
    if (event.key === "t" && canRetry) void this.retry({});
    else if (event.key === "T" && canRetry) this.drawSettings();
    else if (event.key === "f" && this.source.state.has_session) this.host.forkBefore();
    else return false;
    return true;
  }
}
