// @ts-check
/* Below a row: its block as JSON, as the provider wrote it, as Python, as YAML; and the menu of a block. */

import { attributes, button, copy, element, visible } from "./elements.js";
import { openMenu } from "./menu.js";

/** @typedef {import("./block_table.js").BlockTable} BlockTable */

/** What a block can be shown as. @type {[string, string][]} */
const FORMS = [["json", "JSON"], ["provider", "provider JSON"], ["metadata", "metadata"], ["python", "Python"], ["yaml", "YAML"]];

/** Panels below rows, and the menu that opens them. */
export class BlockDetails {
  /** @param {BlockTable} table @param {(text: string) => void} say */
  constructor(table, say) {
    this.table = table;
    this.say = say;
    /** @type {Map<number, string>} index → form that is shown below it */
    this.open = new Map();
    table.keys.more.set("c", () => void this.copySelected());
    table.keys.more.set("i", () => {
      const index = table.source.index(table.active);
      if (index !== undefined) this.toggle(index, "json");
    });
  }

  /** What stands below a row, if anything. @param {number} index */
  below(index) {
    const form = this.open.get(index);
    return form ? this.panel(index, form) : undefined;
  }

  /** @param {number} index @param {HTMLElement} at */
  menu(index, at) {
    const { table } = this;
    const position = table.source.position(index);
    const row = table.source.row(position);
    const partner = table.source.partner(index);
    const shows = (/** @type {string} */ form, /** @type {string} */ text, key = "") => ({ text, key, press: () => this.toggle(index, form) });
    openMenu(at, `block ${index}`, () => [
      { text: "copy text", key: "c", press: () => this.copyForm(index, "text", "the text") },
      { text: "copy as Python", press: () => this.copyForm(index, "python", "Python") },
      { text: "copy as YAML", press: () => this.copyForm(index, "yaml", "YAML") },
      { text: "copy as JSON", press: () => this.copyForm(index, "json", "JSON") },
      null,
      shows("json", "show JSON", "i"),
      shows("provider", "show provider JSON"),
      shows("metadata", "show metadata"),
      null,
      ...(row?.cut ? [{ text: "load all of its text", press: () => void table.source.more(index).catch((error) => table.failed(error)) }] : []),
      ...(partner === undefined ? [] : [{ text: row?.kind === "tool_call" ? `to its result, #${partner}` : `to its call, #${partner}`, key: "g", press: () => void table.go(partner) }]),
      { text: table.selected.has(index) ? "no longer select" : "select", key: "Space", press: () => void table.choose(position, { toggle: true }) },
    ]);
  }

  /** @param {number} index @param {string} form */
  toggle(index, form) {
    if (this.open.get(index) === form) this.open.delete(index);
    else this.open.set(index, form);
    const position = this.table.source.position(index);
    this.table.redraw(position);
    this.table.activate(position);
  }

  /** @param {number} index @param {string} form @param {string} what */
  copyForm(index, form, what) {
    this.table.source
      .text(index, form)
      .then((text) => copy(text))
      .then(() => this.say(`copied ${what} of block ${index}`))
      .catch((error) => this.table.failed(error));
  }

  /** The text of all selected rows, or of the one the keys speak of. */
  async copySelected() {
    const { table } = this;
    const here = table.source.index(table.active);
    const indices = table.selected.size ? [...table.selected].sort((a, b) => a - b) : here === undefined ? [] : [here];
    try {
      const texts = await Promise.all(indices.map((index) => table.source.text(index, "text")));
      await copy(texts.join("\n\n"));
      this.say(indices.length === 1 ? `copied the text of block ${indices[0]}` : `copied the texts of ${indices.length} blocks`);
    } catch (error) {
      table.failed(error);
    }
  }

  /** @param {number} index @param {string} form */
  panel(index, form) {
    const panel = attributes(element("div", "nbt-detail"), { role: "gridcell" });
    panel.append(
      formTabs(FORMS, form, `block ${index}`, (name) => this.table.source.text(index, name), (name) => this.open.set(index, name), this.say, () => this.toggle(index, this.open.get(index) ?? form)),
    );
    return panel;
  }
}

/**
 * Texts behind tabs, each fetched when it is looked at, with a button that copies it.
 * @param {[string, string][]} forms @param {string} chosen @param {string} label @param {(form: string) => Promise<string>} fetch
 * @param {(form: string) => void} choose @param {(text: string) => void} say @param {() => void} close
 */
export function formTabs(forms, chosen, label, fetch, choose, say, close) {
  const text = attributes(element("pre"), { tabindex: 0, "data-lm-suppress-shortcuts": true, role: "tabpanel" });
  const tabs = attributes(element("div", "nbt-tabs"), { role: "tablist", "aria-label": label });
  let raw = "";
  const show = (/** @type {string} */ form) => {
    for (const tab of /** @type {Iterable<HTMLElement>} */ (tabs.children)) {
      const on = tab.dataset.form === form;
      attributes(tab, { "aria-selected": on, tabindex: on ? 0 : -1 });
    }
    attributes(text, { "aria-label": forms.find(([name]) => name === form)?.[1] });
    text.textContent = "waiting for the kernel …";
    raw = "";
    const late = (/** @type {string} */ shown) => {
      if (tabs.querySelector(`[data-form="${form}"]`)?.getAttribute("aria-selected") !== "true") return;
      raw = shown;
      text.textContent = visible(shown);
    };
    fetch(form).then((found) => late(found || "nothing of this is kept with it"), (error) => late(String(error.message ?? error)));
  };
  for (const [form, title] of forms) {
    const tab = button("nbt-tab", title, "", () => (choose(form), show(form)));
    tab.dataset.form = form;
    tabs.append(attributes(tab, { role: "tab" }));
  }
  tabs.addEventListener("keydown", (event) => tabKeys(event, tabs));
  const copyIt = button("nbt-more", "copy", "", () => void copy(raw).then(() => say("copied"), () => say("the browser does not let this page copy")));
  const closeIt = button("nbt-more", "close", "", close);
  show(chosen);
  return element("div", "", element("div", "nbt-tabs", tabs, element("span", "nbt-spring"), copyIt, closeIt), text);
}

/** @param {KeyboardEvent} event @param {HTMLElement} tabs */
function tabKeys(event, tabs) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const all = /** @type {HTMLElement[]} */ ([...tabs.children]);
  const to = all.at((all.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + step) % all.length);
  event.preventDefault();
  to?.focus();
  to?.click();
}
