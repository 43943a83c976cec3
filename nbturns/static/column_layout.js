// @ts-check
/* The columns of a block table: which are displayed, and their widths. A column without any value is left out. */

import { COLUMNS, DEFAULT_COLUMNS, addUsedColumns, gridTemplates, orderedColumns } from "./columns.js";
import { attributes } from "./elements.js";
import { drawHeaderCells } from "./table_header.js";

const MAX_EXAMINED_ROWS = 2000; // rows of a change that are searched for calls and results

/** @typedef {import("./columns.js").Column} Column */

export class ColumnLayout {
  /** @param {import("./block_table.js").BlockTable} table @param {string[]} [chosen] */
  constructor(table, chosen = DEFAULT_COLUMNS) {
    this.table = table;
    /** @type {Set<string>} columns of model calls that have a value */
    this.used = new Set();
    this.examinedCalls = -1; // model calls whose columns are in `used`
    this.hasLinks = false; // the column with links is displayed
    this.numberDigits = 0; // digits of the highest index
    /** @type {Column[]} the chosen columns that have a value, in order */
    this.displayed = [];
    this.chosen = chosen;
    this.choose(chosen);
  }

  /** @param {string[]} names unknown ones are ignored */
  choose(names) {
    this.chosen = names.filter((name) => Object.hasOwn(COLUMNS, name));
    if (!this.chosen.includes("content")) this.chosen.push("content");
    this.apply();
  }

  /** Display the chosen columns that have a value. */
  apply() {
    this.displayed = orderedColumns(this.chosen).filter((name) => !COLUMNS[name].call || this.used.has(name));
    attributes(this.table.element, { "aria-colcount": this.displayed.length + 2 });
    this.numberDigits = 0;
    this.fitNumbers();
  }

  /** Return the number of a displayed column, from 1; that of the links is before the content. @param {string} name */
  index(name) {
    const content = this.displayed.indexOf("content") + 1;
    if (name === "link") return content;
    const number = this.displayed.indexOf(/** @type {Column} */ (name)) + 1;
    return number >= content ? number + 1 : number;
  }

  /** Adapt the columns to changed rows; return whether there are other columns. @param {number} from @param {number} to positions */
  update(from, to) {
    const hasLinks = this.hasLinks || this.rowsHaveLinks(from, to);
    const isChanged = this.findUsed() || hasLinks !== this.hasLinks;
    this.hasLinks = hasLinks;
    if (isChanged) {
      this.apply();
      drawHeaderCells(this.table);
    } else this.fitNumbers();
    return isChanged;
  }

  /** @param {number} from @param {number} to positions */
  rowsHaveLinks(from, to) {
    for (let position = from; position < Math.min(to, from + MAX_EXAMINED_ROWS); position++) if (this.table.source.row(position)?.call) return true;
    return false;
  }

  /** Find columns in which the model calls that have arrived have values. @returns {boolean} whether there are new ones */
  findUsed() {
    const { calls } = this.table.source;
    if (calls.size === this.examinedCalls) return false;
    this.examinedCalls = calls.size;
    return addUsedColumns(this.used, calls.values());
  }

  /** Display the column with times, because a tool has one. */
  useTimes() {
    if (this.used.has("time")) return;
    this.used.add("time");
    if (this.chosen.includes("time")) queueMicrotask(() => (this.apply(), drawHeaderCells(this.table), this.table.drawAll()));
  }

  /** Make the columns wide enough for the highest index. */
  fitNumbers() {
    const digits = String(Math.max(this.table.source.total - 1, 0)).length + this.table.numberPrefix.length;
    if (digits === this.numberDigits) return;
    this.numberDigits = digits;
    const { style } = this.table.element;
    for (const [width, template] of Object.entries(gridTemplates(this.displayed, digits, this.hasLinks))) style.setProperty(`--nbt-${width}-columns`, template);
    style.setProperty("--nbt-plain-end", this.displayed.includes("time") ? "c-time" : "c-end");
  }
}
