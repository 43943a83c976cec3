// @ts-check
/* Draw one row of a block table: its number, kind and link, its content, and the figures of its model call. */

import { rowContent } from "./block_content.js";
import { COLUMNS, kindClass, kindIcon, kindWord } from "./columns.js";
import { attributes, button, dollars, duration, element, formatCount } from "./elements.js";

/**
 * @typedef {import("./row_source.js").Row} Row
 * @typedef {import("./row_source.js").Call} Call
 * @typedef {import("./row_source.js").RowSource} RowSource
 * @typedef {import("./columns.js").Column} Column
 *
 * The table, as a row needs it.
 * @typedef {object} RowHost
 * @property {RowSource} source
 * @property {import("./column_layout.js").ColumnLayout} layout
 * @property {boolean} usesApiNames kinds are shown by the names of the API
 * @property {string} numberPrefix before the number of a row
 * @property {Map<string, HTMLElement>} chips id of a waiting call → its link
 * @property {number} liveFrom the first block after those of a recorded Run; -1 without one
 * @property {import("./rendering.js").Rendering} [rendering] blocks in their other form
 * @property {import("./subagents.js").Subagents} [subagents] the Runs that calls started
 * @property {string} search text to mark, in lower case
 * @property {(index: number, row: Row) => boolean} isFolded
 * @property {(index: number, folded: boolean) => void} fold
 * @property {(index: number) => Promise<void>} jumpTo scroll to another block
 * @property {(index: number, anchor: HTMLElement) => void} openMenu
 * @property {(error: unknown) => void} reportError
 */

/** Who wrote a block of a kind, which its left edge shows. @type {Record<string, string>} */
const WRITERS = { user: "user", llm_text: "model", reasoning: "model", tool_call: "model" };

/** @param {number} position @param {RowHost} host @returns {HTMLElement} */
export function drawRow(position, host) {
  const row = host.source.row(position);
  const index = host.source.index(position);
  const line = element("div", "nbt-row");
  attributes(line, { role: "row", "aria-rowindex": position + 2, tabindex: -1, "data-lm-suppress-shortcuts": true });
  line.dataset.position = String(position);
  if (!row || index === undefined) {
    line.classList.add("nbt-loading");
    line.append(cell("content", 1, `Row ${formatCount(position)}: waiting for the kernel …`));
    return line;
  }
  line.dataset.index = String(index);
  line.classList.add(`nbt-${kindClass(row.kind)}`, `nbt-by-${Object.hasOwn(WRITERS, row.kind) ? WRITERS[row.kind] : "tools"}`);
  line.classList.toggle("nbt-failed", !!row.error);
  line.classList.toggle("nbt-new", !!row.fresh);
  line.classList.toggle("nbt-live-start", index === host.liveFrom);
  line.classList.toggle("nbt-recorded", (row.marks ?? []).some((mark) => mark.label === "recorded"));
  const call = row.inference ? host.source.call(row.inference) : undefined;
  const previousRow = row.inference && position > 0 ? host.source.row(position - 1) : undefined;
  const sameCall = !!call && previousRow?.inference === row.inference;
  line.classList.add(sameCall ? "nbt-same-call" : call ? "nbt-has-call" : "nbt-plain");
  line.classList.toggle("nbt-repeated-call", !!call && !sameCall && row.first_of_call === false);
  for (const name of host.layout.displayed) if (!COLUMNS[name].call && name !== "content") line.append(leadingCell(name, row, index, host));
  const link = linkCell(row, index, host);
  if (link) line.append(link);
  const { content, shelf } = rowContent(row, index, host);
  const contentCell = cell("content", host.layout.index("content"), ...content);
  contentCell.dir = "auto";
  line.append(contentCell, ...callCells(row, sameCall ? undefined : call, host));
  if (shelf.length) {
    const shelfCell = cell("shelf", host.layout.index("content"), ...shelf);
    shelfCell.dir = "auto";
    line.append(shelfCell);
  }
  return line;
}

/** Create the cell with the menu of a block; the table moves it to the row under the pointer or with the focus. @param {RowHost} host */
export function menuCell(host) {
  const menuButton = button("nbt-menu-button", "⋯", "", () => host.openMenu(Number(/** @type {HTMLElement} */ (menuButton.closest(".nbt-row")).dataset.index), menuButton));
  attributes(menuButton, { tabindex: -1, "aria-haspopup": "menu" });
  return cell("end", 0, menuButton);
}

/** @param {string} name @param {number} column number from 1 @param {...(Node | string)} children */
function cell(name, column, ...children) {
  const result = element("div", `nbt-cell nbt-${name}`, ...children);
  return attributes(result, { role: "gridcell", "aria-colindex": column });
}

/** @param {Column} name @param {Row} row @param {number} index @param {RowHost} host */
function leadingCell(name, row, index, host) {
  const column = host.layout.index(name);
  if (name === "number") return attributes(cell(name, column, `${host.numberPrefix}${index}`), { role: "rowheader" });
  if (name === "role") return cell(name, column, row.role ?? "");
  const result = cell(name, column, element("span", "nbt-label", host.usesApiNames ? row.kind : kindWord(row.kind)));
  result.dataset.icon = kindIcon(row.kind);
  return attributes(result, { title: row.kind });
}

/** Create the cell with the link from a call to its result, or back, or to where it waits. @param {Row} row @param {number} index @param {RowHost} host */
function linkCell(row, index, host) {
  const partner = row.call && !row.open ? host.source.partner(index) : undefined;
  if (partner === undefined) {
    const chip = host.chips.get(row.call ?? "");
    return chip && cell("link-cell", host.layout.index("link"), chip);
  }
  const isCall = row.kind === "tool_call";
  const number = `${host.numberPrefix}${partner}`;
  const label = isCall ? `Go to the result, block ${number}` : `Go to the call, block ${number}`;
  const link = button("nbt-link", `${isCall ? "→" : "←"} ${number}`, label, () => void host.jumpTo(partner).catch((error) => host.reportError(error)));
  attributes(link, { tabindex: -1, "aria-label": label });
  return cell("link-cell", host.layout.index("link"), link);
}

/** Return the cells of a row's model call, or of a tool's duration. @param {Row} row @param {Call | undefined} call @param {RowHost} host @returns {HTMLElement[]} */
function callCells(row, call, host) {
  const isToolDuration = !row.inference && row.ms !== undefined;
  if (isToolDuration) host.layout.useTimes();
  const columns = host.layout.displayed.filter((name) => COLUMNS[name].call && (call || (isToolDuration && name === "time")));
  if (!columns.length) return [];
  const cells = columns.map((name) => callCell(name, host.layout.index(name), row, call));
  const isSecond = (/** @type {number} */ n) => COLUMNS[columns[n]].second;
  const more = attributes(element("div", "nbt-more-figures", ...cells.filter((_, n) => isSecond(n))), { role: "presentation" });
  return [attributes(element("div", "nbt-calls", ...(more.childElementCount ? [more] : []), ...cells.filter((_, n) => !isSecond(n))), { role: "presentation" })];
}

/** @param {Column} name @param {number} column @param {Row} row @param {Call | undefined} call */
function callCell(name, column, row, call) {
  const result = cell(`call nbt-${name}`, column);
  result.style.gridColumn = `c-${name}`;
  if (!call) {
    result.textContent = duration(row.ms);
    return result;
  }
  result.append(...callCellContent(name, call));
  if (name === "stop") result.classList.add(`nbt-is-${call.truncated ? "max_tokens" : call.finish}`);
  if (name === "time" && call.first !== undefined) result.title = `First token after ${duration(call.first)}`;
  if (name === "model") result.title = [call.provider, call.model].filter(Boolean).join(": ");
  if (name === "stop") result.title = `Stop reason: ${call.stop || "unknown"} (${call.finish.replaceAll("_", " ")})${call.truncated ? "; truncated at the token limit" : ""}`;
  if (name === "tokens") result.title = [call.cached ? `${formatCount(call.cached)} input tokens from the cache` : "", call.reasoning ? `${formatCount(call.reasoning)} output tokens of reasoning` : ""].filter(Boolean).join(", ");
  return result;
}

/** Finish class → its word; other calls show the stop reason of the provider. @type {Record<string, string>} */
const STOP_WORDS = { completed: "end", tool_calls_pending: "tools", max_tokens: "⚠\ufe0e cut off", refused: "⚠\ufe0e refused", filtered: "⚠\ufe0e filtered", error: "✗\ufe0e failed", interrupted: "✗\ufe0e interrupted", continue: "goes on" };

/** Return the word of a finish class; "" for another. @param {string} finish @returns {string} */
function stopWord(finish) {
  return Object.hasOwn(STOP_WORDS, finish) ? STOP_WORDS[finish] : "";
}

/** Return the content of a model call's cell; "—" for an unknown value. @param {Column} name @param {Call} call @returns {(Node | string)[]} */
function callCellContent(name, call) {
  const countOrDash = (/** @type {number | undefined} */ value) => (value === undefined ? "—" : formatCount(value));
  switch (name) {
    case "model":
      return [call.model || call.provider || "—"];
    case "stop":
      return [stopWord(call.truncated ? "max_tokens" : call.finish) || call.stop || "—"];
    case "tokens":
      return call.input === undefined ? ["—"] : [`${formatCount(call.input)} → `, element("span", "nbt-output", formatCount(call.output ?? 0))];
    case "cost":
      return [call.cost === undefined ? "—" : dollars(call.cost, call.estimated)];
    case "time":
      return [duration(call.ms) || "—"];
    case "first":
      return [duration(call.first) || "—"];
    case "cached":
    case "reasoning":
      return [countOrDash(call[name])];
    case "provider":
    case "finish":
      return [call[name] || "—"];
    default:
      return [];
  }
}
