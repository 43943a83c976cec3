// @ts-check
/* A table of pairs of blocks: equal pairs are folded, and differences are marked. */

import { kindClass, kindIcon } from "./columns.js";
import { attributes, formatCount, element, plural } from "./elements.js";

/**
 * A pair, as created by `timeline.change_entry`. A piece is [change, text, number of omitted characters].
 * @typedef {{what: string, kind: string, a?: number, b?: number, a_turn?: number, b_turn?: number, head?: string,
 *   fields?: string[], space?: boolean, pieces?: [string, string, number?][]}} Pair
 */

export const SIGNS = /** @type {Record<string, string>} */ ({ same: "=", edited: "~", added: "+", removed: "−", moved: "↕" });
const MAX_OPEN_SAME = 2; // a longer series of equal pairs is folded
const MAX_OPEN_LENGTH = 1200; // characters; a longer text is folded
const CONTEXT_LENGTH = 160; // characters of unchanged text before and after a change

export class ComparisonTable {
  /** @param {{label: string, onSelect?: (number: number) => void}} options */
  constructor(options) {
    this.options = options;
    /** @type {Pair[]} */
    this.pairs = [];
    /** @type {Map<number, HTMLElement>} number of a pair → its row */
    this.lines = new Map();
    /** @type {Set<number>} first pairs of unfolded series */
    this.unfolded = new Set();
    this.changesOnly = false;
    this.active = -1;
    this.body = element("tbody");
    this.headerCells = [element("th"), element("th")];
    this.element = element("table", "nbt-compare");
    this.element.append(element("caption", "nbt-visually-hidden", options.label), columnGroup(), this.header(), this.body);
  }

  header() {
    const [a, b] = this.headerCells;
    for (const cell of this.headerCells) attributes(cell, { scope: "col", colspan: 2 });
    const leadingCells = [element("th", "", "change"), element("th", "", "kind")];
    for (const cell of leadingCells) attributes(cell, { scope: "col" });
    return element("thead", "", element("tr", "", ...leadingCells, a, b));
  }

  /** @param {string} a @param {string} b */
  setHeaders(a, b) {
    this.headerCells[0].textContent = a;
    this.headerCells[1].textContent = b;
  }

  /** @param {Pair[]} pairs */
  show(pairs) {
    this.pairs = pairs;
    this.draw();
  }

  draw() {
    this.lines.clear();
    /** @type {HTMLElement[]} */
    const rows = [];
    let turns = "0 0";
    let turnNumbers = [0, 0];
    for (let number = 0; number < this.pairs.length; ) {
      const pair = this.pairs[number];
      turnNumbers = [pair.a_turn ?? turnNumbers[0], pair.b_turn ?? turnNumbers[1]];
      if (turnNumbers.join(" ") !== turns) {
        turns = turnNumbers.join(" ");
        rows.push(turnHeaderRow(turnNumbers[0] === turnNumbers[1] ? `Turn ${turnNumbers[0]}` : `Turn ${turnNumbers[0]} of A, Turn ${turnNumbers[1]} of B`));
      }
      let end = number;
      while (end < this.pairs.length && this.pairs[end].what === "same" && sameTurns(this.pairs[end], pair)) end++;
      if (this.changesOnly && end > number) {
        number = end;
        continue;
      }
      if (end - number > MAX_OPEN_SAME && !this.unfolded.has(number)) {
        rows.push(this.foldedRow(number, end));
        number = end;
        continue;
      }
      const last = Math.max(end, number + 1);
      for (; number < last; number++) rows.push(this.row(number));
    }
    if (!rows.length) rows.push(turnHeaderRow(this.pairs.length ? "All blocks are equal" : "Nothing to compare"));
    this.body.replaceChildren(...rows);
  }

  /** @param {number} from @param {number} to */
  foldedRow(from, to) {
    const [first, last] = [this.pairs[from], this.pairs[to - 1]];
    const button = element("button", "nbt-control nbt-unfold", `▸ ${plural(to - from, "equal block")}: #${first.a}–#${last.a} · #${first.b}–#${last.b}`);
    button.type = "button";
    attributes(button, { "aria-expanded": false, "data-lm-suppress-shortcuts": true });
    button.addEventListener("click", () => {
      this.unfolded.add(from);
      this.draw();
      this.lines.get(from)?.focus();
    });
    const contentCell = element("td", "nbt-content", button);
    contentCell.colSpan = 5;
    return element("tr", "nbt-same", element("td", "nbt-what", "= same"), contentCell);
  }

  /** @param {number} number */
  row(number) {
    const pair = this.pairs[number];
    const otherFields = (pair.fields ?? []).filter((field) => !["text", "args", "result", "error"].includes(field));
    if (pair.space) otherFields.push("white space only");
    const changeCell = element("td", "nbt-what", `${SIGNS[pair.what] ?? "?"} ${pair.what}`, ...(otherFields.length ? [element("small", "", otherFields.join(", "))] : []));
    const icon = element("b", "nbt-icon", kindIcon(pair.kind));
    icon.setAttribute("aria-hidden", "true");
    const line = element("tr", `nbt-${kindClass(pair.kind)} nbt-${pair.what}`, changeCell, element("td", "nbt-kind", icon, ` ${pair.kind}`));
    attributes(line, { tabindex: -1, "data-lm-suppress-shortcuts": true });
    if (pair.what === "same") {
      const text = element("td", "nbt-content", element("pre", "", pair.head ?? ""));
      if (pair.a !== pair.b) text.append(element("small", "", `#${pair.b} in B`));
      text.colSpan = 3;
      line.append(element("td", "nbt-n", String(pair.a)), text);
    } else {
      line.append(...sideCells(pair.a, pair, "removed"), ...sideCells(pair.b, pair, "added"));
      if (this.options.onSelect) line.addEventListener("click", () => this.select(number));
    }
    line.classList.toggle("nbt-active", number === this.active);
    this.lines.set(number, line);
    return line;
  }

  /** Numbers of the pairs that differ. */
  get changes() {
    return this.pairs.flatMap((pair, number) => (pair.what === "same" ? [] : [number]));
  }

  /** @param {number} number @param {boolean} [notify] */
  select(number, notify = true) {
    this.lines.get(this.active)?.classList.remove("nbt-active");
    this.active = number;
    const line = this.lines.get(number);
    line?.classList.add("nbt-active");
    line?.scrollIntoView({ block: "nearest" });
    if (notify) this.options.onSelect?.(number);
  }
}

/** @param {Pair} pair @param {Pair} otherPair */
function sameTurns(pair, otherPair) {
  return pair.a_turn === otherPair.a_turn && pair.b_turn === otherPair.b_turn;
}

function columnGroup() {
  return element("colgroup", "", ...["what", "kind", "n", "content", "n", "content"].map((name) => element("col", `nbt-col-${name}`)));
}

/** @param {string} text */
function turnHeaderRow(text) {
  const cell = element("th", "", text);
  attributes(cell, { scope: "rowgroup", colspan: 6 });
  return element("tr", "nbt-part", cell);
}

/** Return the cells of one side, with the text that only this side has marked. @param {number | undefined} index @param {Pair} pair @param {string} ownChange */
function sideCells(index, pair, ownChange) {
  if (index === undefined) return [element("td", "nbt-n"), element("td", "nbt-content")];
  const ownPieces = (pair.pieces ?? []).filter(([change]) => change === "same" || change === ownChange || change === "cut");
  const length = ownPieces.reduce((sum, [, text]) => sum + text.length, 0);
  const textElement = element("pre", "", ...ownPieces.flatMap((piece) => pieceNodes(piece, ownChange)));
  /** @type {Node} */
  let content = ownPieces.length ? textElement : element("small", "", "Empty");
  if (length > MAX_OPEN_LENGTH) {
    const summary = element("summary", "", ownPieces.map(([, text]) => text).join("").slice(0, 100));
    attributes(summary, { "data-lm-suppress-shortcuts": true });
    content = element("details", "", summary, textElement);
  }
  return [element("td", "nbt-n", String(index)), element("td", "nbt-content", content)];
}

/** Show white space as signs, like `visible_space` in render/text.py. @param {string} text */
function visibleSpace(text) {
  return text.replaceAll(" ", "·").replaceAll("\t", "→").replaceAll("\n", "↵\n");
}

/** @param {[string, string, number?]} piece @param {string} ownChange @returns {(Node | string)[]} */
function pieceNodes([change, text, omittedLength], ownChange) {
  const omittedNote = omittedLength ? [element("small", "", `… ${formatCount(omittedLength)} more characters`)] : [];
  if (change === "cut") return [element("small", "", "… and more")];
  if (change === ownChange) return [element(ownChange === "removed" ? "del" : "ins", "", text.trim() ? text : visibleSpace(text)), ...omittedNote];
  if (text.length <= 4 * CONTEXT_LENGTH) return [text, ...omittedNote];
  return [text.slice(0, CONTEXT_LENGTH), element("small", "", `… ${formatCount(text.length - 2 * CONTEXT_LENGTH)} equal characters …`), text.slice(-CONTEXT_LENGTH), ...omittedNote];
}
