// @ts-check
/* Pairs of blocks side by side: what is the same folds, what differs is marked, in words and signs. */

import { ICONS, OTHER_ICON, classOf } from "./block_row.js";
import { attributes, counted, element, plural } from "./elements.js";

/**
 * A pair, as `timeline.change_entry` makes it. A piece is what became of a stretch of text, the text, and how many
 * characters of it were left out.
 * @typedef {{what: string, kind: string, a?: number, b?: number, a_turn?: number, b_turn?: number, head?: string,
 *   fields?: string[], pieces?: [string, string, number?][]}} Pair
 */

export const SIGNS = /** @type {Record<string, string>} */ ({ same: "=", edited: "~", added: "+", removed: "−", moved: "↕" });
const FEW = 2; // same pairs in a row that stand open
const LONG = 1200; // characters of one side up to which it stands open
const AROUND = 160; // characters of unchanged text shown on both sides of a change

export class ComparisonTable {
  /** @param {{label: string, heads?: [string, string], selectable?: boolean, onSelect?: (number: number) => void}} options */
  constructor(options) {
    this.options = options;
    /** @type {Pair[]} */
    this.pairs = [];
    /** @type {Map<number, HTMLElement>} row by number of the pair */
    this.lines = new Map();
    /** @type {Set<number>} first pairs of stretches that were unfolded */
    this.open = new Set();
    this.changesOnly = false;
    this.active = -1;
    this.body = element("tbody");
    this.heads = [element("th"), element("th")];
    this.element = element("table", "nbt-compare");
    this.element.append(element("caption", "nbt-unseen", options.label), columns(), this.header(), this.body);
  }

  header() {
    const [a, b] = this.heads;
    for (const head of this.heads) attributes(head, { scope: "col", colspan: 2 });
    const first = [element("th", "", "change"), element("th", "", "kind")];
    for (const head of first) attributes(head, { scope: "col" });
    return element("thead", "", element("tr", "", ...first, a, b));
  }

  /** @param {string} a @param {string} b */
  name(a, b) {
    this.heads[0].textContent = a;
    this.heads[1].textContent = b;
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
    let part = [0, 0];
    for (let number = 0; number < this.pairs.length; ) {
      const pair = this.pairs[number];
      part = [pair.a_turn ?? part[0], pair.b_turn ?? part[1]];
      if (part.join(" ") !== turns) {
        turns = part.join(" ");
        rows.push(partRow(part[0] === part[1] ? `turn ${part[0]}` : `turn ${part[0]} of A, turn ${part[1]} of B`));
      }
      let end = number;
      while (end < this.pairs.length && this.pairs[end].what === "same" && sameTurns(this.pairs[end], pair)) end++;
      if (this.changesOnly && end > number) {
        number = end;
        continue;
      }
      if (end - number > FEW && !this.open.has(number)) {
        rows.push(this.folded(number, end));
        number = end;
        continue;
      }
      const last = Math.max(end, number + 1);
      for (; number < last; number++) rows.push(this.row(number));
    }
    if (!rows.length) rows.push(partRow(this.pairs.length ? "all blocks are the same" : "there is nothing to compare"));
    this.body.replaceChildren(...rows);
  }

  /** @param {number} from @param {number} to */
  folded(from, to) {
    const [first, last] = [this.pairs[from], this.pairs[to - 1]];
    const button = element("button", "nbt-control nbt-unfold", `▸ ${plural(to - from, "block")} the same: #${first.a}–#${last.a} · #${first.b}–#${last.b}`);
    button.type = "button";
    attributes(button, { "aria-expanded": false, "data-lm-suppress-shortcuts": true });
    button.addEventListener("click", () => {
      this.open.add(from);
      this.draw();
      this.lines.get(from)?.focus();
    });
    const said = element("td", "nbt-content", button);
    said.colSpan = 5;
    return element("tr", "nbt-same", element("td", "nbt-what", "= same"), said);
  }

  /** @param {number} number */
  row(number) {
    const pair = this.pairs[number];
    const differs = (pair.fields ?? []).filter((name) => !["text", "args", "result", "error"].includes(name));
    const what = element("td", "nbt-what", `${SIGNS[pair.what] ?? "?"} ${pair.what}`, ...(differs.length ? [element("small", "", differs.join(", "))] : []));
    const icon = element("b", "nbt-icon", ICONS[pair.kind] ?? OTHER_ICON);
    icon.setAttribute("aria-hidden", "true");
    const line = element("tr", `nbt-${classOf(pair.kind)} nbt-${pair.what}`, what, element("td", "nbt-kind", icon, ` ${pair.kind}`));
    attributes(line, { tabindex: -1, "data-lm-suppress-shortcuts": true });
    if (pair.what === "same") {
      const text = element("td", "nbt-content", element("pre", "", pair.head ?? ""));
      if (pair.a !== pair.b) text.append(element("small", "", `#${pair.b} in B`));
      text.colSpan = 3;
      line.append(element("td", "nbt-n", String(pair.a)), text);
    } else {
      line.append(...side(pair.a, pair, "removed"), ...side(pair.b, pair, "added"));
      if (this.options.onSelect) line.addEventListener("click", () => this.select(number));
    }
    line.classList.toggle("nbt-active", number === this.active);
    this.lines.set(number, line);
    return line;
  }

  /** Numbers of the pairs that are not the same. */
  get changes() {
    return this.pairs.flatMap((pair, number) => (pair.what === "same" ? [] : [number]));
  }

  /** @param {number} number @param {boolean} [tell] */
  select(number, tell = true) {
    this.lines.get(this.active)?.classList.remove("nbt-active");
    this.active = number;
    const line = this.lines.get(number);
    line?.classList.add("nbt-active");
    line?.scrollIntoView({ block: "nearest" });
    if (tell) this.options.onSelect?.(number);
  }
}

/** @param {Pair} one @param {Pair} other */
function sameTurns(one, other) {
  return one.a_turn === other.a_turn && one.b_turn === other.b_turn;
}

function columns() {
  return element("colgroup", "", ...["what", "kind", "n", "said", "n", "said"].map((name) => element("col", `nbt-col-${name}`)));
}

/** @param {string} text */
function partRow(text) {
  const head = element("th", "", text);
  attributes(head, { scope: "rowgroup", colspan: 6 });
  return element("tr", "nbt-part", head);
}

/** One of the two sides: what both say, and what it alone says, marked. @param {number | undefined} index @param {Pair} pair @param {string} own */
function side(index, pair, own) {
  if (index === undefined) return [element("td", "nbt-n"), element("td", "nbt-content")];
  const mine = (pair.pieces ?? []).filter(([what]) => what === "same" || what === own || what === "cut");
  const length = mine.reduce((sum, [, text]) => sum + text.length, 0);
  const said = element("pre", "", ...mine.flatMap((piece) => pieceNodes(piece, own)));
  /** @type {Node} */
  let content = mine.length ? said : element("small", "", "empty");
  if (length > LONG) {
    const head = element("summary", "", mine.map(([, text]) => text).join("").slice(0, 100));
    attributes(head, { "data-lm-suppress-shortcuts": true });
    content = element("details", "", head, said);
  }
  return [element("td", "nbt-n", String(index)), element("td", "nbt-content", content)];
}

/** @param {[string, string, number?]} piece @param {string} own @returns {(Node | string)[]} */
function pieceNodes([what, text, left], own) {
  const rest = left ? [element("small", "", `… ${counted(left)} more characters`)] : [];
  if (what === "cut") return [element("small", "", "… and more")];
  if (what === own) return [element(own === "removed" ? "del" : "ins", "", text), ...rest];
  if (text.length <= 4 * AROUND) return [text, ...rest];
  return [text.slice(0, AROUND), element("small", "", `… ${counted(text.length - 2 * AROUND)} characters the same …`), text.slice(-AROUND), ...rest];
}
