// @ts-check
/* The toolbar of a block table: search, filters, folding, columns, and the list of keys. */

import { COLUMNS, kindClass, kindIcon, kindWord } from "./columns.js";
import { attributes, button, formatCount, element } from "./elements.js";
import { openMenu, placeMenu } from "./menu.js";
import { drawHeaderCells } from "./table_header.js";
import { KEY_HELP } from "./table_keys.js";

/** Marks and their meaning. @type {[string, string][]} */
const MARK_HELP = [["✎ ◇ ⊘ ↷", "Edited, mocked, denied or skipped by a person"], ["◌", "Recorded, not run now"], ["✗", "Failed"], ["⚠", "Cut off, refused, or otherwise unusual"]];

/**
 * @typedef {import("./block_table.js").BlockTable} BlockTable
 *
 * The available filters: kinds with their number of rows, and tools.
 * @typedef {{kinds: [string, number][], tools: string[]}} Choices
 */

const SEARCH_DELAY = 180; // ms after the last key before a search starts

export class Toolbar {
  /** @param {BlockTable} table @param {{onColumns?: (names: string[]) => void}} [options] */
  constructor(table, options = {}) {
    this.table = table;
    this.options = options;
    /** @type {Choices} */
    this.choices = { kinds: [], tools: [] };
    this.element = attributes(element("div", "nbt-toolbar"), { role: "toolbar", "aria-label": "Search, filter, fold" });
    this.searchField = this.createSearchField();
    this.onlyMatchesButton = this.control("Matches only", "Hide blocks without a match", () => this.setFilterSort({ only_matches: !this.filterSort.only_matches }));
    this.matchCount = attributes(element("span", "nbt-dim nbt-matches"), { role: "status", "aria-live": "polite" });
    const previousButton = button("", "Previous", "Previous match (Shift+Enter, p)", () => this.goToMatch(-1));
    const nextButton = button("", "Next", "Next match (Enter, n)", () => this.goToMatch(1));
    this.searchButtons = [previousButton, nextButton, this.onlyMatchesButton];
    this.kindButtons = attributes(element("span", "nbt-group nbt-filters"), { role: "group", "aria-label": "Filter by kind" });
    this.toolSelect = this.createToolSelect();
    this.filterButton = attributes(this.control("Filter ▾", "Filter by kind", () => this.toggleFilters()), { "aria-expanded": false });
    this.filterButton.classList.add("nbt-filter-button");
    this.panelButtons = element("span", "nbt-panel-buttons");
    this.resetButton = this.control("Reset filters", "Show all blocks", () => this.resetFilters());
    this.extraButtons = element("span", "nbt-group");
    this.foldButton = this.menuButton("Fold", "Fold and unfold", () => this.foldItems());
    this.columnButton = this.menuButton("Columns", "Choose columns", () => this.columnItems());
    /** @type {HTMLElement | undefined} */
    this.helpList = undefined;
    this.keyHelp = this.createKeyHelp();
    this.helpButton = this.control("?", "Keys and marks", () => this.toggleKeyHelp());
    this.extraButtons.append(this.foldButton, this.columnButton, this.helpButton);
    const search = element("span", "nbt-search", this.searchField, ...this.searchButtons);
    this.element.append(this.panelButtons, element("span", "nbt-spacer"), this.filterButton, this.kindButtons, this.toolSelect, this.resetButton, search, this.matchCount);
    const keys = table.keys.extraKeys;
    keys.set("/", () => this.searchField.focus());
    keys.set("n", () => this.goToMatch(1));
    keys.set("p", () => this.goToMatch(-1));
    keys.set("?", () => this.toggleKeyHelp());
    this.element.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
    });
    this.draw();
  }

  get filterSort() {
    return this.table.source.filterSort;
  }

  /** @param {Partial<import("./row_source.js").FilterSort>} change */
  setFilterSort(change) {
    this.table.source.setFilterSort(change);
    this.draw();
  }

  /** @param {string} text @param {string} name @param {() => void} press */
  control(text, name, press) {
    return button("", text, name, press);
  }

  /** @param {string} text @param {string} label @param {() => (import("./menu.js").Item | null)[]} items */
  menuButton(text, label, items) {
    const result = button("", `${text} ▾`, "", () => openMenu(result, label, items));
    result.title = label;
    return attributes(result, { "aria-haspopup": "menu" });
  }

  createSearchField() {
    const field = element("input");
    field.type = "text";
    field.placeholder = "Search blocks  /";
    attributes(field, { "aria-label": "Search in all blocks", "data-lm-suppress-shortcuts": true, spellcheck: false, autocomplete: "off" });
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const startSearch = () => {
      clearTimeout(timer);
      timer = undefined;
      if (field.value !== this.filterSort.search) this.setFilterSort({ search: field.value });
    };
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        startSearch();
        this.goToMatch(1, -1);
      }, SEARCH_DELAY);
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        const wasPending = timer !== undefined;
        startSearch();
        this.goToMatch(event.shiftKey ? -1 : 1, wasPending ? -1 : undefined);
      } else if (event.key === "Escape") {
        field.value = "";
        startSearch();
        this.table.focus(this.table.active);
      } else if (event.key === "ArrowDown") this.table.activate(this.table.active);
      else return;
      event.preventDefault();
    });
    return field;
  }

  /** Go to the next or the previous match. @param {1 | -1} step @param {number} [from] position */
  async goToMatch(step, from = this.table.active) {
    const search = this.filterSort.search;
    if (!search) return;
    this.matchCount.textContent = "Searching …";
    try {
      const match = await this.table.source.find(from, step);
      if (search !== this.filterSort.search) return;
      this.matchCount.textContent = match ? `${formatCount(match.number)} of ${formatCount(match.count)}` : "No match";
      if (match) await this.showMatch(match);
    } catch (error) {
      this.matchCount.textContent = "";
      this.table.reportError(error);
    }
  }

  /** Scroll to a match: unfold its row, and load the text up to the match if necessary. @param {import("./row_source.js").Match} match */
  async showMatch(match) {
    const { table } = this;
    table.reveal(match.position);
    await table.source.load(match.position, match.position + 1);
    const index = table.source.index(match.position);
    const row = table.source.row(match.position);
    if (index === undefined || !row) return;
    if (row.cut && match.offset + 200 > (row.body ?? "").length) await table.source.loadMore(index, match.offset + 2000);
    if (!table.line(match.position)?.querySelector(".nbt-cell.nbt-content mark")) table.toggleFold(match.position, false);
    for (const previousMatch of table.element.querySelectorAll(".nbt-current-match")) previousMatch.classList.remove("nbt-current-match");
    const line = table.line(match.position);
    line?.classList.add("nbt-current-match");
    table.scrollToRow(match.position);
    const mark = line?.querySelector(".nbt-content mark");
    if (mark) scrollToMark(table.scroller, mark, table.header.offsetHeight);
  }

  resetFilters() {
    this.setFilterSort({ kinds: [], tool: "", only_matches: false, search: "" });
    this.searchField.focus();
  }

  /** Show or hide the filters, which a narrow view hides at first. */
  toggleFilters() {
    const isShown = this.element.classList.toggle("nbt-with-filters");
    attributes(this.filterButton, { "aria-expanded": isShown });
  }

  createToolSelect() {
    const select = element("select", "nbt-tool-select");
    attributes(select, { "aria-label": "Filter by tool", title: "Show only calls and results of one tool", "data-lm-suppress-shortcuts": true });
    select.addEventListener("change", () => this.setFilterSort({ tool: select.value }));
    return select;
  }

  /** @param {Choices} choices */
  setChoices(choices) {
    this.choices = choices;
    this.draw();
  }

  /** Display the current filters and order. */
  draw() {
    const { kinds, tool, search, only_matches: onlyMatches } = this.filterSort;
    if (document.activeElement !== this.searchField && this.searchField.value !== search) this.searchField.value = search;
    for (const button of this.searchButtons) button.hidden = !search;
    this.resetButton.hidden = !kinds.length && !tool && !(search && onlyMatches);
    attributes(this.onlyMatchesButton, { "aria-pressed": onlyMatches });
    this.onlyMatchesButton.classList.toggle("nbt-pressed", onlyMatches && !!search);
    if (!search) this.matchCount.textContent = "";
    this.matchCount.hidden = !search;
    const focused = this.kindButtons.contains(document.activeElement) ? [...this.kindButtons.children].indexOf(/** @type {Element} */ (document.activeElement)) : -1;
    this.kindButtons.replaceChildren(...this.choices.kinds.map(([kind, count]) => this.kindButton(kind, count, kinds)));
    if (focused >= 0) /** @type {HTMLElement | undefined} */ (this.kindButtons.children[focused])?.focus();
    this.toolSelect.hidden = this.choices.tools.length < 2 && !tool;
    const names = tool && !this.choices.tools.includes(tool) ? [tool, ...this.choices.tools] : this.choices.tools;
    this.toolSelect.replaceChildren(...["", ...names].map((name) => new Option(name || "All tools", name, false, name === tool)));
    drawHeaderCells(this.table);
  }

  /** @param {string} kind */
  kindName(kind) {
    return this.table.usesApiNames ? kind : kindWord(kind);
  }

  /** @param {string} kind @param {number} count @param {string[]} activeKinds */
  kindButton(kind, count, activeKinds) {
    const icon = element("b", "nbt-icon", kindIcon(kind));
    icon.setAttribute("aria-hidden", "true");
    const name = this.kindName(kind);
    const content = element("span", "", icon, `${name} `, element("span", "nbt-count", formatCount(count)));
    const isActive = activeKinds.includes(kind);
    const result = button(`nbt-chip nbt-${kindClass(kind)}`, content, "", () => this.setFilterSort({ kinds: isActive ? activeKinds.filter((activeKind) => activeKind !== kind) : [...activeKinds, kind] }));
    result.title = isActive ? `Remove filter "${name}" (${kind})` : activeKinds.length ? `Add filter "${name}" (${kind})` : `Show only "${name}" (${kind})`;
    return attributes(result, { "aria-pressed": isActive });
  }

  /** @returns {(import("./menu.js").Item | null)[]} */
  foldItems() {
    const { table } = this;
    return [
      { text: "Fold all", key: "[", press: () => table.foldAll(true) },
      { text: "Unfold all", key: "]", press: () => table.foldAll(false) },
      { text: "Reset", press: () => table.resetFolds() },
      null,
      ...this.choices.kinds.map(([kind]) => ({
        text: `Fold ${this.kindName(kind)}`,
        checked: table.kindFolds.get(kind) ?? table.kindFolds.get("") ?? false,
        press: () => table.foldAll(!(table.kindFolds.get(kind) ?? table.kindFolds.get("") ?? false), kind),
      })),
    ];
  }

  /** @returns {(import("./menu.js").Item | null)[]} */
  columnItems() {
    const { table } = this;
    const apiNames = { text: "API names of kinds", checked: table.usesApiNames, press: () => (table.toggleApiNames(), this.draw()) };
    const items = Object.entries(COLUMNS)
      .filter(([name]) => name !== "content")
      .map(([name, column]) => {
        const isDisplayed = table.columns.includes(name);
        const isEmpty = column.call && !table.layout.used.has(name);
        return {
          text: isEmpty ? `${column.name} (no values)` : column.name,
          checked: isDisplayed,
          press: () => {
            const names = Object.keys(COLUMNS).filter((candidate) => (candidate === name ? !isDisplayed : table.columns.includes(candidate)));
            table.setColumns(names);
            this.options.onColumns?.(names);
          },
        };
      });
    return [...items, null, apiNames];
  }

  createKeyHelp() {
    this.helpList = element("dl", "nbt-help");
    this.addHelp([...KEY_HELP, ...MARK_HELP]);
    const card = attributes(element("div", "nbt-menu nbt-help-card", this.helpList), { role: "dialog", "aria-label": "Keys and marks", tabindex: -1, popover: "auto", "data-lm-suppress-shortcuts": true });
    card.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key !== "Escape" && event.key !== "?") return;
      event.preventDefault();
      this.toggleKeyHelp();
    });
    card.addEventListener("toggle", (event) => attributes(this.helpButton, { "aria-expanded": /** @type {any} */ (event).newState === "open" }));
    return card;
  }

  /** Add entries to the card of keys and marks. @param {[string, string][]} entries */
  addHelp(entries) {
    for (const [key, description] of entries) this.helpList?.append(element("dt", "", key), element("dd", "", description));
  }

  /** Show the card of keys and marks over the view, or close it; the browser returns the focus. */
  toggleKeyHelp() {
    if (!this.keyHelp.togglePopover?.()) return;
    placeMenu(this.keyHelp, this.helpButton);
    this.keyHelp.focus();
  }
}

/** Scroll to a match inside a row that is higher than the view. @param {HTMLElement} scroller @param {Element} mark @param {number} header px */
function scrollToMark(scroller, mark, header) {
  const viewport = scroller.getBoundingClientRect();
  const markBox = mark.getBoundingClientRect();
  if (markBox.top < viewport.top + header || markBox.bottom > viewport.bottom) scroller.scrollTop += markBox.top - viewport.top - header - viewport.height / 3;
}
