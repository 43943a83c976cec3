// @ts-check
/* Draw one row of a block table: its cells, its folded or open content, and the data of its model call. */

import { attributes, button, formatCount, duration, element, markedNodes, plural } from "./elements.js";
import { streamingText } from "./streaming_text.js";
import { jsonTree, parseJson } from "./json_tree.js";

/**
 * @typedef {import("./row_source.js").Row} Row
 * @typedef {import("./row_source.js").Call} Call
 * @typedef {import("./row_source.js").RowSource} RowSource
 *
 * The table, as a row needs it.
 * @typedef {object} RowHost
 * @property {RowSource} source
 * @property {string[]} columns names of the displayed columns, in order
 * @property {string} search text to mark, in lower case
 * @property {(index: number, row: Row) => boolean} isFolded
 * @property {(index: number, folded: boolean) => void} fold
 * @property {(index: number) => Promise<void>} goTo scroll to another block
 * @property {(index: number, anchor: HTMLElement) => void} openMenu
 * @property {(error: unknown) => void} reportError
 */

/** Equal to the icons in block_rows.py. @type {Record<string, string>} */
export const ICONS = { system: "§", user: "›", llm_text: "¶", tool_call: "ƒ", tool_use: "↳", reasoning: "∴" };
export const OTHER_ICON = "◇";

/** Header, name and width of each column. Columns with `call` show the model call, at the end of the first line. */
export const COLUMNS = {
  number: { title: "#", name: "number", width: "3.2em", call: false },
  kind: { title: "kind", name: "kind", width: "7.4em", call: false },
  role: { title: "role", name: "role", width: "5.6em", call: false },
  content: { title: "content", name: "content", width: "1fr", call: false },
  provider: { title: "provider", name: "provider", width: "7em", call: true },
  model: { title: "model", name: "model", width: "8.4em", call: true },
  stop: { title: "stop", name: "stop reason", width: "6.9em", call: true },
  finish: { title: "finish", name: "finish class", width: "9.5em", call: true },
  tokens: { title: "tokens in → out", name: "tokens in and out", width: "8.6em", call: true },
  cached: { title: "cached", name: "tokens from the cache", width: "4.8em", call: true },
  reasoning: { title: "reasoning", name: "tokens of reasoning", width: "5.6em", call: true },
  cost: { title: "cost", name: "cost in USD", width: "5.2em", call: true },
  first: { title: "first token", name: "time to the first token", width: "6em", call: true },
  time: { title: "time", name: "duration", width: "5.4em", call: true },
};

/** @typedef {keyof typeof COLUMNS} Column */

/** Return the kind as a part of a CSS class; "other" for unknown kinds. @param {string} kind */
export function kindClass(kind) {
  return kind in ICONS ? kind : "other";
}

/** Return the line that represents a folded block. @param {Row} row */
export function headLine(row) {
  if (row.head !== undefined) return row.head;
  const line = (row.body ?? "").slice(0, 400).replace(/\s+/g, " ").trim().slice(0, 240);
  return /^[[{] /.test(line) ? line.replace(/([[{]) /g, "$1") : line;
}

/** Return whether a row has more than one line to show. @param {Row} row */
export function foldable(row) {
  const body = row.body ?? "";
  if (row.kind === "tool_call") return body.length > 2;
  return !!row.cut || body.length > 90 || body.includes("\n") || /^[[{]./.test(body);
}

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
  line.classList.add(`nbt-${kindClass(row.kind)}`);
  line.classList.toggle("nbt-failed", !!row.error);
  line.classList.toggle("nbt-new", !!row.fresh);
  const call = row.inference ? host.source.call(row.inference) : undefined;
  const previousRow = row.inference && position > 0 ? host.source.row(position - 1) : undefined;
  const sameCall = !!call && previousRow?.inference === row.inference;
  line.classList.toggle("nbt-has-call", !!call);
  line.classList.toggle("nbt-same-call", sameCall);
  line.classList.toggle("nbt-repeated-call", !!call && !sameCall && row.first_of_call === false);
  const columns = /** @type {Column[]} */ (host.columns);
  for (const name of columns) if (!COLUMNS[name].call && name !== "content") line.append(leadingCell(name, row, index, columns));
  const mainCell = element("div", "nbt-main", ...callCells(columns, row, sameCall ? undefined : call), contentCell(row, index, host));
  mainCell.setAttribute("role", "presentation");
  const menuButton = button("nbt-menu-button", "⋯", `Actions for block ${index}`, () => host.openMenu(index, menuButton));
  attributes(menuButton, { tabindex: -1, "aria-haspopup": "menu" });
  const menuCell = cell("end", columns.length + 1, menuButton);
  line.append(mainCell, menuCell);
  return line;
}

/** @param {string} name @param {number} column number from 1 @param {...(Node | string)} children */
function cell(name, column, ...children) {
  const result = element("div", `nbt-cell nbt-${name}`, ...children);
  return attributes(result, { role: "gridcell", "aria-colindex": column });
}

/** @param {Column} name @param {Row} row @param {number} index @param {Column[]} columns */
function leadingCell(name, row, index, columns) {
  const column = columns.indexOf(name) + 1;
  if (name === "number") return cell(name, column, String(index));
  if (name === "role") return cell(name, column, row.role ?? "");
  const icon = element("b", "nbt-icon", ICONS[row.kind] ?? OTHER_ICON);
  icon.setAttribute("aria-hidden", "true");
  return cell(name, column, icon, element("span", "nbt-label", row.kind));
}

/** Return the cells of a row's model call, or of a tool's duration. @param {Column[]} columns @param {Row} row @param {Call | undefined} call */
function callCells(columns, row, call) {
  const isToolDuration = !row.inference && row.ms !== undefined && columns.includes("time");
  if (!call && !isToolDuration) return [];
  const cells = columns
    .filter((name) => COLUMNS[name].call && (call || name === "time"))
    .map((name) => callCell(name, columns.indexOf(name) + 1, row, call));
  if (!cells.length) return [];
  const container = element("div", "nbt-calls", ...cells);
  container.setAttribute("role", "presentation");
  return [container];
}

/** @param {Column} name @param {number} column @param {Row} row @param {Call | undefined} call */
function callCell(name, column, row, call) {
  const result = cell(`call nbt-${name}`, column);
  result.style.width = COLUMNS[name].width;
  if (!call) {
    result.textContent = duration(row.ms);
    return result;
  }
  result.append(...callCellContent(name, call));
  if (name === "stop") result.classList.add(`nbt-is-${call.finish}`);
  if (name === "time" && call.first !== undefined) result.title = `First token after ${duration(call.first)}`;
  if (name === "model") result.title = [call.provider, call.model].filter(Boolean).join(": ");
  if (name === "stop") result.title = `Stop reason: ${call.stop || "unknown"} (${call.finish.replaceAll("_", " ")})${call.truncated ? "; truncated at the token limit" : ""}`;
  if (name === "tokens") result.title = [call.cached ? `${formatCount(call.cached)} input tokens from the cache` : "", call.reasoning ? `${formatCount(call.reasoning)} output tokens of reasoning` : ""].filter(Boolean).join(", ");
  return result;
}

/** Return the content of a model call's cell; "—" for an unknown value. @param {Column} name @param {Call} call @returns {(Node | string)[]} */
function callCellContent(name, call) {
  const countOrDash = (/** @type {number | undefined} */ value) => (value === undefined ? "—" : formatCount(value));
  switch (name) {
    case "model":
      return [call.model || call.provider || "—"];
    case "stop":
      return [...(call.truncated ? [element("span", "nbt-cut", "⚠ ")] : []), call.stop || "—"];
    case "tokens":
      return [call.input === undefined ? "—" : `${formatCount(call.input)} → ${formatCount(call.output ?? 0)}`];
    case "cost":
      return [call.cost === undefined ? "—" : `$${call.cost.toFixed(4)}`];
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

/** @param {Row} row @param {number} index @param {RowHost} host */
function contentCell(row, index, host) {
  const isFolded = host.isFolded(index, row);
  const result = cell("content", host.columns.indexOf("content") + 1);
  result.dir = "auto";
  const canFold = foldable(row) && !row.open;
  const link = partnerLink(row, index, host);
  if (link) {
    const actions = element("span", "nbt-actions", link);
    actions.dir = "ltr"; // the text direction follows the model's text, not this link
    result.append(actions);
  }
  if (canFold) result.append(foldButton(index, isFolded, host));
  else result.append(element("span", "nbt-no-fold-button"));
  result.append(...(isFolded && canFold ? [headElement(row, host)] : bodyElements(row, index, host)));
  if (!isFolded || !canFold) result.append(...imageElements(row, index, host));
  else if (row.images?.length || row.elsewhere?.length) result.append(element("span", "nbt-dim", ` ${plural((row.images?.length ?? 0) + (row.elsewhere?.length ?? 0), "image")}`));
  return result;
}

/** @param {number} index @param {boolean} isFolded @param {RowHost} host */
function foldButton(index, isFolded, host) {
  const result = button("nbt-fold-button", isFolded ? "▸" : "▾", isFolded ? `Unfold block ${index}` : `Fold block ${index}`, () => host.fold(index, !isFolded));
  attributes(result, { tabindex: -1, "aria-expanded": !isFolded });
  return result;
}

/** @param {Row} row @param {RowHost} host */
function headElement(row, host) {
  return element("span", "nbt-head", ...markedNodes(headLine(row), host.search));
}

/** @param {Row} row @param {number} index @param {RowHost} host @returns {HTMLElement[]} */
function bodyElements(row, index, host) {
  const text = row.body ?? "";
  if (!text && !row.open) {
    if (row.kind === "tool_call") return [headElement(row, host)];
    return row.images?.length || row.elsewhere?.length ? [] : [element("span", "nbt-dim", "Empty")];
  }
  const tree = row.cut || row.open ? undefined : parseJson(text);
  const plainText = () => (row.open && !host.search ? streamingText(text) : textElement(text, host.search));
  const content = tree === undefined ? plainText() : jsonTree(tree, host.search);
  if (row.kind === "tool_call") {
    const name = element("div", "nbt-head", element("span", "nbt-name", ...markedNodes(row.name ?? "", host.search)));
    if (text.length <= 2 && !row.open) return [headElement(row, host)];
    return row.cut ? [name, content, loadMoreBar(row, index, host)] : [name, content];
  }
  return row.cut ? [content, loadMoreBar(row, index, host)] : [content];
}

const TEXT_PART = 60_000; // characters of a long text that the browser lays out together when they become visible

/** Create an element for a text; a very long text is split, so that the browser only lays out visible parts. @param {string} text @param {string} search */
function textElement(text, search) {
  const result = element("div", "nbt-text");
  if (text.length <= 2 * TEXT_PART) {
    result.append(...markedNodes(text, search));
    return result;
  }
  for (let start = 0; start < text.length; ) {
    const spaceOffset = text.length - start > TEXT_PART ? text.slice(start + TEXT_PART, start + TEXT_PART + 2000).search(/\s/) : -1;
    const end = text.length - start <= TEXT_PART ? text.length : start + TEXT_PART + Math.max(spaceOffset, 0) + (spaceOffset < 0 ? 0 : 1);
    result.append(element("div", "nbt-piece", ...markedNodes(text.slice(start, end), search)));
    start = end;
  }
  return result;
}

const LOAD_STEP = 200_000; // characters loaded at once

/** Create the bar with buttons that load the remaining text of a block. @param {Row} row @param {number} index @param {RowHost} host */
function loadMoreBar(row, index, host) {
  const loadedLength = (row.body ?? "").length;
  const remaining = Math.max(row.size - loadedLength, 0);
  const moreButton = button("nbt-more", remaining > LOAD_STEP ? `Load ${formatCount(LOAD_STEP)} more` : `Load ${formatCount(remaining)} more`, "Load more of this text", () => load(loadedLength + LOAD_STEP));
  const bar = element("div", "nbt-load-more", element("span", "nbt-dim", `${formatCount(loadedLength)} of ${formatCount(row.size)} characters `), moreButton);
  moreButton.tabIndex = -1;
  if (remaining > LOAD_STEP) {
    const allButton = button("nbt-more", "Load all", "Load the whole text", () => load(row.size));
    allButton.tabIndex = -1;
    bar.append(allButton);
  }
  /** @param {number} upTo */
  const load = (upTo) => {
    moreButton.disabled = true;
    moreButton.textContent = "Waiting for the kernel …";
    host.source.loadMore(index, upTo).catch((error) => host.reportError(error));
  };
  return bar;
}

/** Create the link from a call to its result or from a result to its call; a badge if there is none. @param {Row} row @param {number} index @param {RowHost} host */
function partnerLink(row, index, host) {
  if (!row.call || row.open) return undefined;
  const partner = host.source.partner(index);
  const isCall = row.kind === "tool_call";
  if (partner === undefined) return element("span", "nbt-badge", isCall ? "Pending" : "No matching call");
  const label = isCall ? `Go to the result, block ${partner}` : `Go to the call, block ${partner}`;
  const link = button("nbt-link", isCall ? `→ #${partner}` : `← #${partner}${row.name ? ` ${row.name}` : ""}`, label, () => void host.goTo(partner).catch((error) => host.reportError(error)));
  link.tabIndex = -1;
  return link;
}

const INLINE_IMAGE = /^data:image\/(png|jpeg|gif|webp);base64,/;

/** Create elements for the images of a block; remote images are loaded only on request. @param {Row} row @param {number} index @param {RowHost} host @returns {HTMLElement[]} */
function imageElements(row, index, host) {
  const elements = (row.images ?? []).map((source, number) => {
    const image = element("img");
    image.alt = `Image ${number + 1} of block ${index}`;
    if (INLINE_IMAGE.test(source)) image.src = source;
    else host.source.image(index, number).then((data) => INLINE_IMAGE.test(data) && (image.src = data), (error) => host.reportError(error));
    return /** @type {HTMLElement} */ (image);
  });
  for (const address of row.elsewhere ?? []) {
    const container = element("span", "nbt-remote-image", element("span", "nbt-dim", "Remote image: "), element("bdi", "", address.slice(0, 200)));
    container.dir = "ltr"; // the label is in English
    if (/^https?:\/\//i.test(address)) {
      const loadButton = button("nbt-more", "Load image", `Load ${address.slice(0, 200)}; this contacts its server`, () => container.replaceWith(remoteImage(address)));
      loadButton.tabIndex = -1;
      container.append(" ", loadButton);
    }
    elements.push(container);
  }
  return elements;
}

/** @param {string} address */
function remoteImage(address) {
  const image = element("img");
  image.referrerPolicy = "no-referrer";
  image.alt = `Image from ${address.slice(0, 200)}`;
  image.src = address;
  return image;
}
