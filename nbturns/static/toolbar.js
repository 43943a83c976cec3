// @ts-check
/* What stands above and below a block table: what it shows, search, filters, folding, columns, keys. */

import { ICONS, COLUMNS, OTHER_ICON, classOf } from "./block_row.js";
import { attributes, button, counted, element } from "./elements.js";
import { openMenu } from "./menu.js";
import { KEYS } from "./table_keys.js";

/**
 * @typedef {import("./block_table.js").BlockTable} BlockTable
 *
 * What there is to choose from: kinds with how many rows each has, and tools.
 * @typedef {{kinds: [string, number][], tools: string[]}} Choices
 */

const PAUSE = 180; // ms without a key before a search begins

export class Toolbar {
  /** @param {BlockTable} table @param {{onColumns?: (names: string[]) => void}} [options] */
  constructor(table, options = {}) {
    this.table = table;
    this.options = options;
    /** @type {Choices} */
    this.choices = { kinds: [], tools: [] };
    this.element = attributes(element("div", "nbt-tools"), { role: "toolbar", "aria-label": "search, filter, fold" });
    this.search = this.searchField();
    this.only = this.control("only", "only rows that match", () => this.arrange({ only: !this.arrangement.only }));
    this.count = attributes(element("span", "nbt-dim nbt-matches"), { role: "status", "aria-live": "polite" });
    const before = button("", "‹", "match before (Shift+Enter, p)", () => this.step(-1));
    const next = button("", "›", "next match (Enter, n)", () => this.step(1));
    this.steps = [before, next, this.only];
    this.chips = attributes(element("span", "nbt-group"), { role: "group", "aria-label": "show kinds" });
    this.tools = this.toolChoice();
    this.more = element("span", "nbt-group");
    this.foldButton = this.menuButton("Fold", "fold and unfold", () => this.foldItems());
    this.columnButton = this.menuButton("Columns", "choose columns", () => this.columnItems());
    this.help = this.keyList();
    this.helpButton = this.control("?", "keys", () => this.showHelp());
    this.more.append(this.foldButton, this.columnButton, this.helpButton);
    const search = element("span", "nbt-search", this.search, ...this.steps);
    this.element.append(search, this.count, this.chips, this.tools);
    const keys = table.keys.more;
    keys.set("/", () => this.search.focus());
    keys.set("n", () => this.step(1));
    keys.set("p", () => this.step(-1));
    keys.set("?", () => this.showHelp());
    this.element.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
    });
    this.draw();
  }

  get arrangement() {
    return this.table.source.arrangement;
  }

  /** @param {Partial<import("./row_source.js").Arrangement>} change */
  arrange(change) {
    this.table.source.arrange(change);
    this.draw();
  }

  /** @param {string} text @param {string} name @param {() => void} press */
  control(text, name, press) {
    return button("", text, name, press);
  }

  /** @param {string} text @param {string} name @param {() => (import("./menu.js").Item | null)[]} items */
  menuButton(text, name, items) {
    const made = button("", `${text} ▾`, "", () => openMenu(made, name, items));
    made.title = name;
    return attributes(made, { "aria-haspopup": "menu" });
  }

  searchField() {
    const field = element("input");
    field.type = "text";
    field.placeholder = "search";
    attributes(field, { "aria-label": "search in all blocks", "data-lm-suppress-shortcuts": true, spellcheck: false, autocomplete: "off" });
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let waiting;
    const begin = () => {
      clearTimeout(waiting);
      waiting = undefined;
      if (field.value !== this.arrangement.search) this.arrange({ search: field.value });
    };
    field.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        begin();
        this.step(1, -1);
      }, PAUSE);
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        const fresh = waiting !== undefined;
        begin();
        this.step(event.shiftKey ? -1 : 1, fresh ? -1 : undefined);
      } else if (event.key === "Escape") {
        field.value = "";
        begin();
        this.table.focus(this.table.active);
      } else if (event.key === "ArrowDown") this.table.activate(this.table.active);
      else return;
      event.preventDefault();
    });
    return field;
  }

  /** To the next match, or the one before. @param {1 | -1} step @param {number} [from] position */
  async step(step, from = this.table.active) {
    const sought = this.arrangement.search;
    if (!sought) return;
    this.count.textContent = "searching …";
    try {
      const match = await this.table.source.find(from, step);
      if (sought !== this.arrangement.search) return;
      this.count.textContent = match ? `${counted(match.number)} of ${counted(match.count)}` : "no match";
      if (match) await this.showMatch(match);
    } catch (error) {
      this.count.textContent = "";
      this.table.failed(error);
    }
  }

  /** Unfold the row and, if its text is not all here, load it up to the match. @param {import("./row_source.js").Match} match */
  async showMatch(match) {
    const { table } = this;
    table.reveal(match.position);
    await table.source.need(match.position, match.position + 1);
    const index = table.source.index(match.position);
    const row = table.source.row(match.position);
    if (index === undefined || !row) return;
    if (row.cut && match.at + 200 > (row.body ?? "").length) await table.source.more(index, match.at + 2000);
    if (!table.line(match.position)?.querySelector(".nbt-cell.nbt-content mark")) table.toggleFold(match.position, false);
    for (const other of table.element.querySelectorAll(".nbt-found")) other.classList.remove("nbt-found");
    const line = table.line(match.position);
    line?.classList.add("nbt-found");
    table.show(match.position);
    const mark = line?.querySelector(".nbt-content mark");
    if (mark) showInside(table.scroller, mark, table.header.offsetHeight);
  }

  toolChoice() {
    const choice = element("select");
    attributes(choice, { "aria-label": "show one tool", title: "show calls and results of one tool", "data-lm-suppress-shortcuts": true });
    choice.addEventListener("change", () => this.arrange({ tool: choice.value }));
    return choice;
  }

  /** @param {Choices} choices */
  choose(choices) {
    this.choices = choices;
    this.draw();
  }

  /** Say what the arrangement is, whoever changed it. */
  draw() {
    const { kinds, tool, search, only } = this.arrangement;
    if (document.activeElement !== this.search && this.search.value !== search) this.search.value = search;
    for (const step of this.steps) step.disabled = !search;
    attributes(this.only, { "aria-pressed": only });
    this.only.classList.toggle("nbt-on", only && !!search);
    if (!search) this.count.textContent = "";
    this.count.hidden = !search;
    const focused = this.chips.contains(document.activeElement) ? [...this.chips.children].indexOf(/** @type {Element} */ (document.activeElement)) : -1;
    this.chips.replaceChildren(...this.choices.kinds.map(([kind, count]) => this.chip(kind, count, kinds)));
    if (focused >= 0) /** @type {HTMLElement | undefined} */ (this.chips.children[focused])?.focus();
    this.tools.hidden = this.choices.tools.length < 2 && !tool;
    const names = tool && !this.choices.tools.includes(tool) ? [tool, ...this.choices.tools] : this.choices.tools;
    this.tools.replaceChildren(...["", ...names].map((name) => new Option(name || "all tools", name, false, name === tool)));
    this.table.drawHeader();
  }

  /** @param {string} kind @param {number} count @param {string[]} shown */
  chip(kind, count, shown) {
    const icon = element("b", "nbt-icon", ICONS[kind] ?? OTHER_ICON);
    icon.setAttribute("aria-hidden", "true");
    const face = element("span", "", icon, `${kind} `, element("span", "nbt-count", counted(count)));
    const on = shown.includes(kind);
    const made = button(`nbt-chip nbt-${classOf(kind)}`, face, "", () => this.arrange({ kinds: on ? shown.filter((one) => one !== kind) : [...shown, kind] }));
    made.title = on ? `no longer show ${kind} alone` : `show ${kind}${shown.length ? ", too" : " alone"}`;
    return attributes(made, { "aria-pressed": on });
  }

  /** @returns {(import("./menu.js").Item | null)[]} */
  foldItems() {
    const { table } = this;
    return [
      { text: "fold all", key: "[", press: () => table.foldAll(true) },
      { text: "unfold all", key: "]", press: () => table.foldAll(false) },
      { text: "as at first", press: () => table.foldAsUsual() },
      null,
      ...this.choices.kinds.map(([kind]) => ({
        text: `fold ${kind}`,
        checked: table.rules.get(kind) ?? table.rules.get("") ?? false,
        press: () => table.foldAll(!(table.rules.get(kind) ?? table.rules.get("") ?? false), kind),
      })),
    ];
  }

  /** @returns {import("./menu.js").Item[]} */
  columnItems() {
    const { table } = this;
    return Object.entries(COLUMNS)
      .filter(([name]) => name !== "content")
      .map(([name, column]) => {
        const shown = table.columns.includes(name);
        return {
          text: column.name,
          checked: shown,
          press: () => {
            const now = Object.keys(COLUMNS).filter((one) => (one === name ? !shown : table.columns.includes(one)));
            table.setColumns(now);
            this.options.onColumns?.(now);
          },
        };
      });
  }

  keyList() {
    const list = element("dl", "nbt-help");
    for (const [key, what] of KEYS) list.append(element("dt", "", key), element("dd", "", what));
    list.hidden = true;
    return list;
  }

  showHelp() {
    this.help.hidden = !this.help.hidden;
    attributes(this.helpButton, { "aria-expanded": !this.help.hidden });
  }
}

/** A match far down a long row is brought to be seen, too. @param {HTMLElement} scroller @param {Element} mark @param {number} header px */
function showInside(scroller, mark, header) {
  const seen = scroller.getBoundingClientRect();
  const own = mark.getBoundingClientRect();
  if (own.top < seen.top + header || own.bottom > seen.bottom) scroller.scrollTop += own.top - seen.top - header - seen.height / 3;
}
