// @ts-check
/* The menu of a block, and the panel below its row with the block as JSON, provider JSON, metadata, Python or YAML. */

import { COPY_REFUSED, attributes, button, copy, element, visible } from "./elements.js";
import { openMenu } from "./menu.js";

/** @typedef {import("./block_table.js").BlockTable} BlockTable */

/** Formats of a block, with their tab labels. @type {[string, string][]} */
const FORMATS = [["json", "JSON"], ["provider", "Provider JSON"], ["metadata", "Metadata"], ["python", "Python"], ["yaml", "YAML"]];

/** The panels below rows, and the menu that opens them. */
export class BlockDetails {
  /** @param {BlockTable} table @param {(text: string) => void} notify */
  constructor(table, notify) {
    this.table = table;
    this.notify = notify;
    /** @type {Map<number, string>} index of a block → format displayed below it */
    this.openFormats = new Map();
    table.keys.extraKeys.set("c", () => void this.copySelected());
    table.keys.extraKeys.set("i", () => {
      const index = table.source.index(table.active);
      if (index !== undefined) this.toggle(index, "json");
    });
  }

  /** Return the open panel of a block, if any. @param {number} index */
  detailPanel(index) {
    const format = this.openFormats.get(index);
    return format ? this.panel(index, format) : undefined;
  }

  /** Open the menu of a block below `anchor`. @param {number} index @param {HTMLElement} anchor */
  openMenu(index, anchor) {
    const { table } = this;
    const position = table.source.position(index);
    const row = table.source.row(position);
    const partner = table.source.partner(index);
    const showItem = (/** @type {string} */ format, /** @type {string} */ text, key = "") => ({ text, key, press: () => this.toggle(index, format) });
    openMenu(anchor, `Block ${index}`, () => [
      { text: "Copy text", key: "c", press: () => this.copyFormat(index, "text", "the text") },
      { text: "Copy as Python", press: () => this.copyFormat(index, "python", "Python") },
      { text: "Copy as YAML", press: () => this.copyFormat(index, "yaml", "YAML") },
      { text: "Copy as JSON", press: () => this.copyFormat(index, "json", "JSON") },
      null,
      showItem("json", "Show JSON", "i"),
      showItem("provider", "Show provider JSON"),
      showItem("metadata", "Show metadata"),
      null,
      ...formItem(table, index, row),
      ...(row?.cut ? [{ text: "Load whole text", press: () => void table.source.loadMore(index).catch((error) => table.reportError(error)) }] : []),
      ...(partner === undefined ? [] : [{ text: row?.kind === "tool_call" ? `Go to result #${partner}` : `Go to call #${partner}`, key: "g", press: () => void table.jumpTo(partner) }]),
      { text: table.selected.has(index) ? "Deselect" : "Select", key: "Space", press: () => void table.selectRow(position, { toggle: true }) },
    ]);
  }

  /** Open the panel of a block in a format; close it if it shows this format. @param {number} index @param {string} format */
  toggle(index, format) {
    if (this.openFormats.get(index) === format) this.openFormats.delete(index);
    else this.openFormats.set(index, format);
    const position = this.table.source.position(index);
    this.table.redraw(position);
    this.table.activate(position);
  }

  /** Copy a block in a format, and report it as "Copied <description>". @param {number} index @param {string} format @param {string} description */
  copyFormat(index, format, description) {
    this.table.source
      .text(index, format)
      .then((text) => copy(text))
      .then(() => this.notify(`Copied ${description} of block ${index}`))
      .catch((error) => this.table.reportError(error));
  }

  /** Copy the text of the selected rows, or of the active row if none is selected. */
  async copySelected() {
    const { table } = this;
    const activeIndex = table.source.index(table.active);
    const indices = table.selected.size ? [...table.selected].sort((a, b) => a - b) : activeIndex === undefined ? [] : [activeIndex];
    try {
      const texts = await Promise.all(indices.map((index) => table.source.text(index, "text")));
      await copy(texts.join("\n\n"));
      this.notify(indices.length === 1 ? `Copied the text of block ${indices[0]}` : `Copied the texts of ${indices.length} blocks`);
    } catch (error) {
      table.reportError(error);
    }
  }

  /** Create the panel of a block, open at a format. @param {number} index @param {string} format */
  panel(index, format) {
    const panel = attributes(element("div", "nbt-detail"), { role: "gridcell" });
    panel.append(
      formatTabs(FORMATS, format, `Block ${index}`, (newFormat) => this.table.source.text(index, newFormat), (newFormat) => this.openFormats.set(index, newFormat), this.notify, () => this.toggle(index, this.openFormats.get(index) ?? format)),
    );
    return panel;
  }
}

/** Return the item that shows a block in its other form. @param {BlockTable} table @param {number} index @param {import("./row_source.js").Row} [row] */
export function formItem({ rendering }, index, row) {
  const isRendered = row && rendering?.isRendered(index, row);
  return isRendered === undefined ? [] : [{ text: isRendered ? "Show raw" : "Show rendered", press: () => rendering?.switch(index) }];
}

/**
 * Create tabs of texts, each fetched when its tab is opened, with a copy button.
 * @param {[string, string][]} formats @param {string} initialFormat @param {string} label @param {(format: string) => Promise<string>} fetch
 * @param {(format: string) => void} onChoose @param {(text: string) => void} notify @param {() => void} onClose
 */
export function formatTabs(formats, initialFormat, label, fetch, onChoose, notify, onClose) {
  const panel = attributes(element("pre"), { tabindex: 0, "data-lm-suppress-shortcuts": true, role: "tabpanel" });
  const tabs = attributes(element("div", "nbt-tabs"), { role: "tablist", "aria-label": label });
  let displayedText = "";
  const showFormat = (/** @type {string} */ format) => {
    for (const tab of /** @type {Iterable<HTMLElement>} */ (tabs.children)) {
      const isSelected = tab.dataset.format === format;
      attributes(tab, { "aria-selected": isSelected, tabindex: isSelected ? 0 : -1 });
    }
    attributes(panel, { "aria-label": formats.find(([name]) => name === format)?.[1] });
    panel.textContent = "Waiting for the kernel …";
    displayedText = "";
    const showText = (/** @type {string} */ content) => {
      if (tabs.querySelector(`[data-format="${format}"]`)?.getAttribute("aria-selected") !== "true") return;
      displayedText = content;
      panel.textContent = visible(content);
    };
    fetch(format).then((content) => showText(content || "Not recorded"), (error) => showText(String(error.message ?? error)));
  };
  for (const [format, title] of formats) {
    const tab = button("nbt-tab", title, "", () => (onChoose(format), showFormat(format)));
    tab.dataset.format = format;
    tabs.append(attributes(tab, { role: "tab" }));
  }
  tabs.addEventListener("keydown", (event) => onTabKey(event, tabs));
  const copyButton = button("nbt-more", "Copy", "", () => void copy(displayedText).then(() => notify("Copied"), () => notify(COPY_REFUSED)));
  const closeButton = button("nbt-more", "Close", "", onClose);
  showFormat(initialFormat);
  return element("div", "", element("div", "nbt-tabs", tabs, element("span", "nbt-spacer"), copyButton, closeButton), panel);
}

/** Open the next or previous tab with the arrow keys. @param {KeyboardEvent} event @param {HTMLElement} tabs */
function onTabKey(event, tabs) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const tabElements = /** @type {HTMLElement[]} */ ([...tabs.children]);
  const target = tabElements.at((tabElements.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + step) % tabElements.length);
  event.preventDefault();
  target?.focus();
  target?.click();
}
