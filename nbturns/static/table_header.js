// @ts-check
/* The header of a block table, with a sort button for each column. */

import { COLUMNS } from "./columns.js";
import { attributes, button, element } from "./elements.js";

/** Draw the header cells of a table. @param {import("./block_table.js").BlockTable} table */
export function drawHeaderCells(table) {
  const { layout, source } = table;
  const columns = layout.displayed;
  const isSortable = table.options.sortable !== false;
  const cells = columns.map((name) => headerCell(name, layout.index(name), source, isSortable));
  const link = attributes(element("div", "nbt-cell nbt-link-cell", layout.hasLinks ? "link" : element("span", "nbt-visually-hidden", "link")), { role: "columnheader", "aria-colindex": layout.index("link") });
  const isCall = (/** @type {number} */ n) => COLUMNS[columns[n]].call;
  const more = attributes(element("div", "nbt-more-figures", ...cells.filter((_, n) => isCall(n) && COLUMNS[columns[n]].second)), { role: "presentation" });
  const calls = attributes(element("div", "nbt-calls", more, ...cells.filter((_, n) => isCall(n) && !COLUMNS[columns[n]].second)), { role: "presentation" });
  const menuCell = attributes(element("div", "nbt-cell nbt-end", element("span", "nbt-visually-hidden", "Actions")), { role: "columnheader", "aria-colindex": columns.length + 2 });
  const content = cells[columns.indexOf("content")];
  table.header.replaceChildren(...cells.filter((cell, n) => !isCall(n) && cell !== content), link, content, calls, menuCell);
}

/** @param {import("./columns.js").Column} name @param {number} number @param {import("./row_source.js").RowSource} source @param {boolean} isSortable */
function headerCell(name, number, source, isSortable) {
  const column = COLUMNS[name];
  const { sort } = source.filterSort;
  const descending = sort === `-${name}`;
  const direction = sort === name ? "ascending" : descending ? "descending" : "none";
  const onPress = () => source.setFilterSort({ sort: sort === name ? `-${name}` : descending ? "" : name });
  const label = direction === "none" ? column.title : `${column.title} ${descending ? "↓" : "↑"}`;
  const result = element("div", `nbt-cell nbt-${name}${column.call ? " nbt-call" : ""}`, isSortable ? button("nbt-sort", label, "", onPress) : element("span", "nbt-sort", label));
  if (isSortable) result.title = `Sort by ${column.name}; press three times for the order of the Turn`;
  if (column.call) result.style.gridColumn = `c-${name}`;
  return attributes(result, { role: "columnheader", "aria-sort": isSortable ? direction : undefined, "aria-colindex": number });
}
