// @ts-check
/* The table of several Runs: sorted and filtered in the page; a click on a row opens its Run. */

import { attributes, button, element, formatCount, plural } from "./elements.js";

/**
 * `keys` are by column: what it is sorted by, or null for its texts.
 * @typedef {{columns: {name: string, number: boolean}[], texts: string[][], keys: ((string | number | null)[] | null)[], outcomes: string[], note: string}} RunsData
 */

const DRAWN_RUNS = 200; // rows drawn at once; more are drawn when the end comes into view
const MAX_SQUARES = 60; // of a group

/** Columns in the order in which they leave a table that is too narrow; the others stay. */
const LEAVING_COLUMNS = ["last words", "model", "labels", "time", "tokens", "calls", "cost", "errors"];

/** Outcome → sign and word. @type {Record<string, [string, string]>} */
const OUTCOMES = { passed: ["✓", "passed"], partly: ["◐", "partly"], failed: ["✗", "failed"], error: ["✗", "ended with an error"], limit: ["■", "stopped at a limit"] };

class RunsTable {
  /** @param {any} model @param {HTMLElement} container */
  constructor(model, container) {
    this.model = model;
    this.filterField = element("input");
    attributes(this.filterField, { type: "text", placeholder: "Filter", "aria-label": "Filter the Runs", "data-lm-suppress-shortcuts": true, spellcheck: false, autocomplete: "off" });
    this.filterField.value = model.get("filter");
    this.filterField.addEventListener("input", () => this.save("filter", this.filterField.value));
    this.groupSelect = attributes(element("select"), { "aria-label": "Group the Runs by", "data-lm-suppress-shortcuts": true });
    this.groupSelect.addEventListener("change", () => this.save("group", this.groupSelect.value));
    /** @type {Set<string>} names of folded groups */
    this.foldedGroups = new Set();
    this.status = attributes(element("span", "nbt-dim"), { role: "status", "aria-live": "polite" });
    this.head = element("tr");
    this.body = element("tbody");
    this.moreButton = button("nbt-load-more", "", "", () => this.drawMore());
    this.note = element("div", "nbt-foot");
    const table = attributes(element("table", "nbt-runs", element("thead", "", this.head), this.body), { "aria-label": "Runs" });
    this.scroller = attributes(element("div", "nbt-scroll", table, this.moreButton), { role: "region", "aria-label": "Table of Runs", tabindex: 0, "data-lm-suppress-shortcuts": true });
    this.root = element("div", "nbt-view nbt-runs-view tex2jax_ignore mathjax_ignore", element("div", "nbt-toolbar", this.filterField, this.groupSelect, this.status), this.scroller, this.note);
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => this.onClick(event));
    container.append(this.root);
    this.endObserver = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.drawMore(), { root: this.scroller, rootMargin: "200px 0px" });
    this.endObserver.observe(this.moreButton);
    /** @type {RunsData} */
    this.data = JSON.parse(model.get("start"));
    this.outcomeColumn = -1;
    /** @type {string[]} */
    this.columnClasses = [];
    /** @type {(() => HTMLElement)[]} rows in their order */
    this.rows = [];
    this.widthObserver = new ResizeObserver(() => this.fitColumns());
    this.widthObserver.observe(this.scroller);
    this.onStart = () => {
      this.data = JSON.parse(model.get("start"));
      this.draw();
    };
    this.onChange = () => this.draw();
    this.onOpened = () => this.markOpened();
    model.on("change:start", this.onStart);
    for (const trait of ["sort", "filter", "group"]) model.on(`change:${trait}`, this.onChange);
    model.on("change:opened", this.onOpened);
    this.draw();
  }

  close() {
    this.endObserver.disconnect();
    this.widthObserver.disconnect();
    this.model.off("change:start", this.onStart);
    for (const trait of ["sort", "filter", "group"]) this.model.off(`change:${trait}`, this.onChange);
    this.model.off("change:opened", this.onOpened);
  }

  /** @param {string} trait @param {unknown} value */
  save(trait, value) {
    this.model.set(trait, value);
    this.model.save_changes();
  }

  /** Return the indices of the rows that match the filter, in the chosen order; unknown values come last. */
  order() {
    const { columns, texts, keys } = this.data;
    const filter = this.model.get("filter").toLowerCase();
    const rows = [...texts.keys()].filter((index) => !filter || texts[index].some((text) => text.toLowerCase().includes(filter)));
    const descending = this.model.get("sort").startsWith("-");
    const column = columns.findIndex(({ name }) => name === this.model.get("sort").replace(/^-/, ""));
    if (column < 0) return rows;
    const columnKeys = keys[column] ?? texts.map((row) => row[column].toLowerCase() || null);
    return rows.sort((a, b) => {
      const [first, second] = [columnKeys[a], columnKeys[b]];
      if (first === null || second === null) return Number(first === null) - Number(second === null);
      const difference = typeof first === "number" && typeof second === "number" ? first - second : String(first) < String(second) ? -1 : Number(String(first) > String(second));
      return descending ? -difference : difference;
    });
  }

  draw() {
    const { columns, texts, note } = this.data;
    if (this.filterField.value !== this.model.get("filter")) this.filterField.value = this.model.get("filter");
    const order = this.order();
    this.head.replaceChildren(...columns.map((column) => this.headCell(column)));
    const names = columns.filter(({ number }, n) => !number && n > 0).map(({ name }) => name);
    this.groupSelect.replaceChildren(new Option("No groups", ""), ...names.map((name) => new Option(`By ${name}`, name)));
    this.groupSelect.value = names.includes(this.model.get("group")) ? this.model.get("group") : "";
    this.columnClasses = columns.map(columnClass);
    this.outcomeColumn = columns.findIndex(({ name }) => name === "outcome");
    this.rows = this.rowBuilders(order);
    this.body.replaceChildren();
    this.drawMore();
    this.status.textContent = order.length < texts.length ? `${formatCount(order.length)} of ${formatCount(texts.length)} Runs` : `${formatCount(texts.length)} Runs`;
    this.note.textContent = note;
    this.note.hidden = !note;
    this.fitColumns();
    this.markOpened();
  }

  /** Let columns leave until the others fit. */
  fitColumns() {
    const table = /** @type {HTMLElement} */ (this.scroller.firstElementChild);
    if (!this.scroller.clientWidth) return;
    for (let count = 0; count <= LEAVING_COLUMNS.length; count++) {
      LEAVING_COLUMNS.forEach((_, place) => table.classList.toggle(`nbt-left-${place}`, place < count));
      if (this.scroller.scrollWidth <= this.scroller.clientWidth) return;
    }
  }

  /** Draw further rows. */
  drawMore() {
    const drawn = this.body.children.length;
    this.body.append(...this.rows.slice(drawn, drawn + DRAWN_RUNS).map((build) => build()));
    const remaining = this.rows.length - this.body.children.length;
    this.moreButton.hidden = remaining <= 0;
    this.moreButton.textContent = `Show more of ${formatCount(remaining)} rows`;
    this.markOpened();
  }

  /** Return functions that build the rows of these Runs, each group below its head. @param {number[]} order @returns {(() => HTMLElement)[]} */
  rowBuilders(order) {
    const group = this.data.columns.findIndex(({ name }) => name === this.groupSelect.value);
    const builders = (/** @type {number[]} */ indices) => indices.map((index) => () => this.rowElement(index));
    if (group < 0) return builders(order);
    /** @type {Map<string, number[]>} */
    const groups = new Map();
    for (const index of order) {
      const name = this.data.texts[index][group];
      const indices = groups.get(name);
      if (indices) indices.push(index);
      else groups.set(name, [index]);
    }
    return [...groups].flatMap(([name, indices]) => [() => this.groupRow(name, indices), ...(this.foldedGroups.has(name) ? [] : builders(indices))]);
  }

  /** @param {string} name @param {number[]} indices of its Runs */
  groupRow(name, indices) {
    const isFolded = this.foldedGroups.has(name);
    const fold = button("nbt-group-fold", `${isFolded ? "▸" : "▾"} ${name || "—"}`, "", () => {
      if (isFolded) this.foldedGroups.delete(name);
      else this.foldedGroups.add(name);
      this.draw();
      [...this.body.querySelectorAll("button")].find((other) => other.dataset.group === name)?.focus();
    });
    fold.dataset.group = name;
    attributes(fold, { "aria-expanded": !isFolded });
    const head = attributes(element("th", "", fold, element("span", "nbt-dim", ` ${plural(indices.length, "Run")}`), ...outcomeSquares(indices.map((index) => this.data.outcomes[index]))), { scope: "rowgroup", colspan: this.data.columns.length });
    return element("tr", "nbt-group-row", head);
  }

  /** @param {{name: string, number: boolean}} column */
  headCell(column) {
    const sort = this.model.get("sort");
    const direction = sort === column.name ? "ascending" : sort === `-${column.name}` ? "descending" : "none";
    const sign = direction === "none" ? "" : direction === "ascending" ? " ↑" : " ↓";
    const next = direction === "ascending" ? `-${column.name}` : direction === "descending" ? "" : column.name;
    const press = () => {
      this.save("sort", next);
      [...this.head.querySelectorAll("button")].find((other) => other.dataset.column === column.name)?.focus();
    };
    const sortButton = button("", `${column.name}${sign}`, "", press);
    sortButton.dataset.column = column.name;
    return attributes(element("th", columnClass(column), sortButton), { scope: "col", "aria-sort": direction });
  }

  /** @param {number} index */
  rowElement(index) {
    const cells = this.data.texts[index].map((text, number) => {
      const cell = element("td", number ? this.columnClasses[number] : "nbt-run-name");
      if (number === this.outcomeColumn) cell.append(...outcomeSign(this.data.outcomes[index]), text);
      else if (number) cell.append(text);
      else cell.append(button("nbt-open-run", text || "Run", "", () => undefined));
      if (text) cell.title = text;
      return cell;
    });
    const row = element("tr", "", ...cells);
    row.dataset.run = String(index);
    return row;
  }

  markOpened() {
    const opened = String(this.model.get("opened"));
    for (const row of /** @type {Iterable<HTMLElement>} */ (this.body.children)) attributes(row, { "aria-current": row.dataset.run === opened ? "true" : undefined });
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const row = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest("tr[data-run]"));
    const selection = window.getSelection();
    if (!row || (selection && !selection.isCollapsed && row.contains(selection.anchorNode))) return;
    this.save("opened", Number(row.dataset.run));
    this.markOpened();
  }

  /** Move between the rows, and keep keys without Ctrl from the notebook. @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    const row = /** @type {HTMLElement} */ (event.target).closest("tr[data-run]");
    const target = event.key === "ArrowDown" ? row?.nextElementSibling : event.key === "ArrowUp" ? row?.previousElementSibling : undefined;
    if (!target) return;
    event.preventDefault();
    target.querySelector("button")?.focus();
  }
}

/** @param {{name: string, number: boolean}} column */
function columnClass({ name, number }) {
  const place = LEAVING_COLUMNS.indexOf(name);
  return `${number ? "nbt-number" : ""}${place < 0 ? "" : ` nbt-leaves-${place}`}`.trim();
}

/** Return the sign of an outcome, before its words. @param {string} outcome */
function outcomeSign(outcome) {
  const [sign] = OUTCOMES[outcome] ?? [""];
  return sign ? [attributes(element("b", `nbt-outcome-${outcome}`, `${sign}\ufe0e `), { "aria-hidden": true })] : [];
}

/** Return a square for each Run of a group whose outcome is known, and their counts in words. @param {string[]} outcomes */
function outcomeSquares(outcomes) {
  const known = outcomes.filter((outcome) => outcome in OUTCOMES);
  if (!known.length) return [];
  const count = (/** @type {string} */ name) => known.filter((outcome) => outcome === name).length;
  const words = Object.entries(OUTCOMES).filter(([name]) => name !== "passed" && name !== "failed" && count(name));
  const text = [`${formatCount(count("passed"))} of ${formatCount(outcomes.length)} passed`, ...words.map(([name, [, word]]) => `${formatCount(count(name))} ${word}`)].join(", ");
  const squares = known.length > MAX_SQUARES ? [] : known.map((outcome) => element("i", `nbt-square nbt-outcome-${outcome}`));
  return [element("span", "nbt-outcomes", attributes(element("span", "nbt-squares", ...squares), { "aria-hidden": true }), text)];
}

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el }) {
    const view = new RunsTable(model, el);
    return () => view.close();
  },
};
