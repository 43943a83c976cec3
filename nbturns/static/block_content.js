// @ts-check
/* The content of a row of a block table: its folded line or its whole text, arguments, images and badges. */

import { imageElements } from "./block_images.js";
import { button, attributes, element, formatCount, markedNodes, plural } from "./elements.js";
import { parseJson } from "./json_text.js";
import { jsonTree } from "./json_tree.js";
import { streamingText } from "./streaming_text.js";

/**
 * @typedef {import("./row_source.js").Row} Row
 * @typedef {import("./block_row.js").RowHost} RowHost
 */

const MIN_BROKEN_LENGTH = 30; // characters of a call that may break between its parts

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

/**
 * Return the content of a row, and what stands on a shelf of full width below it.
 * @param {Row} row @param {number} index @param {RowHost} host @returns {{content: (Node | string)[], shelf: HTMLElement[]}}
 */
export function rowContent(row, index, host) {
  const canFold = foldable(row) && !row.open;
  const isFolded = canFold && host.isFolded(index, row);
  /** @type {(Node | string)[]} */
  const content = canFold ? [foldButton(index, isFolded, host)] : [];
  if (row.error) content.push(element("span", "nbt-badge nbt-is-failed", "✗\ufe0e failed"), " ");
  if (row.call && !row.open && host.source.partner(index) === undefined) content.push(element("span", "nbt-badge", row.kind === "tool_call" ? "Pending" : "No matching call"), " ");
  content.push(...(row.marks ?? []).map((mark) => markElement(mark)));
  if (row.kind === "tool_use" && row.name) content.push(element("b", "nbt-name", row.name), " ");
  const imageCount = (row.images?.length ?? 0) + (row.elsewhere?.length ?? 0);
  const subagent = row.child ? host.subagents?.element(row.child, index) : undefined;
  if (isFolded) {
    content.push(headElement(row, host));
    if (imageCount) content.push(element("span", "nbt-dim", ` ${plural(imageCount, "image")}`));
    return { content, shelf: subagent ? [subagent] : [] };
  }
  const { text, wide } = bodyElements(row, index, host);
  content.push(...text);
  return { content, shelf: [...wide, ...imageElements(row, index, host), ...(subagent ? [subagent] : [])] };
}

/** Create the badge of a change by a person; it unfolds to the value before. @param {import("./row_source.js").Mark} mark */
function markElement(mark) {
  const summary = attributes(element("summary", "", `${mark.sign}\ufe0e ${mark.label}`), { title: mark.note, "data-lm-suppress-shortcuts": true });
  const details = element("details", "nbt-mark", summary, element("pre", "", mark.before === undefined ? mark.note : `${mark.note}\nwas: ${mark.before}`));
  details.addEventListener("click", (event) => event.stopPropagation());
  return details;
}

/** @param {number} index @param {boolean} isFolded @param {RowHost} host */
function foldButton(index, isFolded, host) {
  const result = button("nbt-fold-button", isFolded ? "▸" : "▾", isFolded ? `Unfold block ${index}` : `Fold block ${index}`, () => host.fold(index, !isFolded));
  attributes(result, { tabindex: -1, "aria-expanded": !isFolded });
  return result;
}

/** @param {Row} row @param {RowHost} host */
function headElement(row, host) {
  const line = headLine(row);
  const nodes = markedNodes(line, host.search);
  return element("span", "nbt-head", ...(row.kind === "tool_call" && line.length > MIN_BROKEN_LENGTH ? breakable(nodes) : nodes));
}

/** Add places where a call may break between its parts; they do not change its text. @param {Node[]} nodes @returns {(Node | string)[]} */
function breakable(nodes) {
  /** @type {(Node | string)[]} */
  const result = [];
  for (const node of nodes) {
    const parts = node instanceof Text ? node.data.split(/(?<=[/(_.=,])/) : [node];
    parts.forEach((part, n) => result.push(...(n ? [element("wbr"), part] : [part])));
  }
  return result;
}

/** Return the whole text of a row, and what is wide. @param {Row} row @param {number} index @param {RowHost} host @returns {{text: HTMLElement[], wide: HTMLElement[]}} */
function bodyElements(row, index, host) {
  const text = row.body ?? "";
  if (!text && !row.open) {
    if (row.kind === "tool_call") return { text: [headElement(row, host)], wide: [] };
    return { text: row.images?.length || row.elsewhere?.length ? [] : [element("span", "nbt-dim", "Empty")], wide: [] };
  }
  const tree = row.cut || row.open ? undefined : parseJson(text);
  const plainText = () => (row.open && !host.search ? streamingText(text) : textElement(text, host.search));
  const raw = tree === undefined ? plainText() : jsonTree(tree, host.search);
  const body = [host.rendering?.element(index, row, raw) ?? raw];
  if (row.cut && body[0] === raw) body.push(loadMoreBar(row, index, host));
  if (row.kind !== "tool_call") return (tree === undefined && !row.form) || !foldable(row) ? { text: body, wide: [] } : { text: [], wide: body };
  if (text.length <= 2 && !row.open) return { text: [headElement(row, host)], wide: [] };
  return { text: [element("span", "nbt-head", element("span", "nbt-name", ...markedNodes(row.name ?? "", host.search)))], wide: body };
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
