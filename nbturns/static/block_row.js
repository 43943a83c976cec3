// @ts-check
/* One row of a block table: its cells, its content folded and open, and what its model call says. */

import { attributes, button, counted, duration, element, marked, plural } from "./elements.js";
import { growingText } from "./growing_text.js";
import { jsonTree, parsed } from "./json_tree.js";

/**
 * @typedef {import("./row_source.js").Row} Row
 * @typedef {import("./row_source.js").Call} Call
 * @typedef {import("./row_source.js").RowSource} RowSource
 *
 * What a row asks of the table it stands in.
 * @typedef {object} RowHost
 * @property {RowSource} source
 * @property {string[]} columns names of those that are shown, in order
 * @property {string} sought what is marked, in small letters
 * @property {(index: number, row: Row) => boolean} folded
 * @property {(index: number, folded: boolean) => void} fold
 * @property {(index: number) => Promise<void>} go to another block
 * @property {(index: number, at: HTMLElement) => void} menu
 * @property {(error: unknown) => void} failed
 */

/** As in rows.py. @type {Record<string, string>} */
export const ICONS = { system: "§", user: "›", llm_text: "¶", tool_call: "ƒ", tool_use: "↳", reasoning: "∴" };
export const OTHER_ICON = "◇";

/** What a column is called, how wide it is, and whether it is of the model call: those stand together at the end of the first line. */
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

/** A name that may stand in a class. @param {string} kind */
export function classOf(kind) {
  return kind in ICONS ? kind : "other";
}

/** The line that stands for a folded block. @param {Row} row */
export function headOf(row) {
  if (row.head !== undefined) return row.head;
  const line = (row.body ?? "").slice(0, 400).replace(/\s+/g, " ").trim().slice(0, 240);
  return /^[[{] /.test(line) ? line.replace(/([[{]) /g, "$1") : line;
}

/** Whether there is anything to unfold. @param {Row} row */
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
    line.classList.add("nbt-awaited");
    line.append(cell("content", 1, `row ${counted(position)}: waiting for the kernel …`));
    return line;
  }
  line.dataset.index = String(index);
  line.classList.add(`nbt-${classOf(row.kind)}`);
  line.classList.toggle("nbt-failed", !!row.error);
  line.classList.toggle("nbt-fresh", !!row.fresh);
  const call = row.inference ? host.source.call(row.inference) : undefined;
  const before = row.inference && position > 0 ? host.source.row(position - 1) : undefined;
  const joined = !!call && before?.inference === row.inference;
  line.classList.toggle("nbt-made", !!call);
  line.classList.toggle("nbt-joined", joined);
  line.classList.toggle("nbt-again", !!call && !joined && row.lead === false);
  const columns = /** @type {Column[]} */ (host.columns);
  for (const name of columns) if (!COLUMNS[name].call && name !== "content") line.append(leftCell(name, row, index, columns));
  const main = element("div", "nbt-main", ...callCells(columns, row, joined ? undefined : call), contentCell(row, index, host));
  main.setAttribute("role", "presentation");
  const menu = button("nbt-dots", "⋯", `what can be done with block ${index}`, () => host.menu(index, menu));
  attributes(menu, { tabindex: -1, "aria-haspopup": "menu" });
  const end = cell("end", columns.length + 1, menu);
  line.append(main, end);
  return line;
}

/** @param {string} name @param {number} column its number, from 1 @param {...(Node | string)} children */
function cell(name, column, ...children) {
  const made = element("div", `nbt-cell nbt-${name}`, ...children);
  return attributes(made, { role: "gridcell", "aria-colindex": column });
}

/** @param {Column} name @param {Row} row @param {number} index @param {Column[]} columns */
function leftCell(name, row, index, columns) {
  const column = columns.indexOf(name) + 1;
  if (name === "number") return cell(name, column, String(index));
  if (name === "role") return cell(name, column, row.role ?? "");
  const icon = element("b", "nbt-icon", ICONS[row.kind] ?? OTHER_ICON);
  icon.setAttribute("aria-hidden", "true");
  return cell(name, column, icon, element("span", "nbt-word", row.kind));
}

/** What the model call of a row says, at the end of its first line; or how long a tool took. @param {Column[]} columns @param {Row} row @param {Call | undefined} call */
function callCells(columns, row, call) {
  const took = !row.inference && row.ms !== undefined && columns.includes("time");
  if (!call && !took) return [];
  const cells = columns
    .filter((name) => COLUMNS[name].call && (call || name === "time"))
    .map((name) => callCell(name, columns.indexOf(name) + 1, row, call));
  if (!cells.length) return [];
  const box = element("div", "nbt-calls", ...cells);
  box.setAttribute("role", "presentation");
  return [box];
}

/** @param {Column} name @param {number} column @param {Row} row @param {Call | undefined} call */
function callCell(name, column, row, call) {
  const made = cell(`call nbt-${name}`, column);
  made.style.width = COLUMNS[name].width;
  if (!call) {
    made.textContent = duration(row.ms);
    return made;
  }
  made.append(...told(name, call));
  if (name === "stop") made.classList.add(`nbt-is-${call.finish}`);
  if (name === "time" && call.first !== undefined) made.title = `first token after ${duration(call.first)}`;
  if (name === "model") made.title = [call.provider, call.model].filter(Boolean).join(": ");
  if (name === "stop") made.title = `${call.stop || "no stop reason is known"}, ${call.finish.replaceAll("_", " ")}${call.truncated ? "; cut at the limit of tokens" : ""}`;
  if (name === "tokens") made.title = [call.cached ? `${counted(call.cached)} of the input from the cache` : "", call.reasoning ? `${counted(call.reasoning)} of the output reasoning` : ""].filter(Boolean).join(", ");
  return made;
}

/** What a cell says of a model call; "—" where it is not known. @param {Column} name @param {Call} call @returns {(Node | string)[]} */
function told(name, call) {
  const number = (/** @type {number | undefined} */ value) => (value === undefined ? "—" : counted(value));
  switch (name) {
    case "model":
      return [call.model || call.provider || "—"];
    case "stop":
      return [...(call.truncated ? [element("span", "nbt-cut", "⚠ ")] : []), call.stop || "—"];
    case "tokens":
      return [call.input === undefined ? "—" : `${counted(call.input)} → ${counted(call.output ?? 0)}`];
    case "cost":
      return [call.cost === undefined ? "—" : `$${call.cost.toFixed(4)}`];
    case "time":
      return [duration(call.ms) || "—"];
    case "first":
      return [duration(call.first) || "—"];
    case "cached":
    case "reasoning":
      return [number(call[name])];
    case "provider":
    case "finish":
      return [call[name] || "—"];
    default:
      return [];
  }
}

/** @param {Row} row @param {number} index @param {RowHost} host */
function contentCell(row, index, host) {
  const folded = host.folded(index, row);
  const made = cell("content", host.columns.indexOf("content") + 1);
  made.dir = "auto";
  const can = foldable(row) && !row.open;
  const link = partnerLink(row, index, host);
  if (link) {
    const actions = element("span", "nbt-actions", link);
    actions.dir = "ltr"; // not part of what the model said, by whose first letter the direction is chosen
    made.append(actions);
  }
  if (can) made.append(twisty(index, folded, host));
  else made.append(element("span", "nbt-no-twisty"));
  made.append(...(folded && can ? [head(row, host)] : body(row, index, host)));
  if (!folded || !can) made.append(...pictures(row, index, host));
  else if (row.images?.length || row.elsewhere?.length) made.append(element("span", "nbt-dim", ` ${plural((row.images?.length ?? 0) + (row.elsewhere?.length ?? 0), "image")}`));
  return made;
}

/** @param {number} index @param {boolean} folded @param {RowHost} host */
function twisty(index, folded, host) {
  const made = button("nbt-twisty", folded ? "▸" : "▾", folded ? `unfold block ${index}` : `fold block ${index}`, () => host.fold(index, !folded));
  attributes(made, { tabindex: -1, "aria-expanded": !folded });
  return made;
}

/** @param {Row} row @param {RowHost} host */
function head(row, host) {
  return element("span", "nbt-head", ...marked(headOf(row), host.sought));
}

/** @param {Row} row @param {number} index @param {RowHost} host @returns {HTMLElement[]} */
function body(row, index, host) {
  const text = row.body ?? "";
  if (!text && !row.open) {
    if (row.kind === "tool_call") return [head(row, host)];
    return row.images?.length || row.elsewhere?.length ? [] : [element("span", "nbt-dim", "empty")];
  }
  const tree = row.cut || row.open ? undefined : parsed(text);
  const plain = () => (row.open && !host.sought ? growingText(text) : textOf(text, host.sought));
  const shown = tree === undefined ? plain() : jsonTree(tree, host.sought);
  if (row.kind === "tool_call") {
    const name = element("div", "nbt-head", element("span", "nbt-name", ...marked(row.name ?? "", host.sought)));
    if (text.length <= 2 && !row.open) return [head(row, host)];
    return row.cut ? [name, shown, rest(row, index, host)] : [name, shown];
  }
  return row.cut ? [shown, rest(row, index, host)] : [shown];
}

const PIECE = 60_000; // characters of a long text that are laid out together, when they are seen

/** A text; a very long one in pieces, so that the browser lays out those it shows. @param {string} text @param {string} sought */
function textOf(text, sought) {
  const made = element("div", "nbt-text");
  if (text.length <= 2 * PIECE) {
    made.append(...marked(text, sought));
    return made;
  }
  for (let at = 0; at < text.length; ) {
    const space = text.length - at > PIECE ? text.slice(at + PIECE, at + PIECE + 2000).search(/\s/) : -1;
    const end = text.length - at <= PIECE ? text.length : at + PIECE + Math.max(space, 0) + (space < 0 ? 0 : 1);
    made.append(element("div", "nbt-piece", ...marked(text.slice(at, end), sought)));
    at = end;
  }
  return made;
}

const STEP = 200_000; // characters that are loaded at a time

/** What is left of a long text. @param {Row} row @param {number} index @param {RowHost} host */
function rest(row, index, host) {
  const have = (row.body ?? "").length;
  const left = Math.max(row.size - have, 0);
  const some = button("nbt-more", left > STEP ? `${counted(STEP)} more` : `${counted(left)} more`, "load more of this text", () => load(have + STEP));
  const bar = element("div", "nbt-rest", element("span", "nbt-dim", `${counted(have)} of ${counted(row.size)} characters `), some);
  some.tabIndex = -1;
  if (left > STEP) {
    const all = button("nbt-more", "all of it", "load the whole text", () => load(row.size));
    all.tabIndex = -1;
    bar.append(all);
  }
  /** @param {number} upTo */
  const load = (upTo) => {
    some.disabled = true;
    some.textContent = "waiting for the kernel …";
    host.source.more(index, upTo).catch((error) => host.failed(error));
  };
  return bar;
}

/** A call says where its result is, a result which call it answers. @param {Row} row @param {number} index @param {RowHost} host */
function partnerLink(row, index, host) {
  if (!row.call || row.open) return undefined;
  const partner = host.source.partner(index);
  const isCall = row.kind === "tool_call";
  if (partner === undefined) return element("span", "nbt-badge", isCall ? "pending" : "answers no call here");
  const name = isCall ? `to its result, block ${partner}` : `to the call it answers, block ${partner}`;
  const link = button("nbt-link", isCall ? `→ #${partner}` : `← #${partner}${row.name ? ` ${row.name}` : ""}`, name, () => void host.go(partner).catch((error) => host.failed(error)));
  link.tabIndex = -1;
  return link;
}

const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,/;

/** Images of inline data are shown; others say where they are, and are fetched when somebody asks. @param {Row} row @param {number} index @param {RowHost} host @returns {HTMLElement[]} */
function pictures(row, index, host) {
  const made = (row.images ?? []).map((source, number) => {
    const picture = element("img");
    picture.alt = `image ${number + 1} of block ${index}`;
    if (PICTURE.test(source)) picture.src = source;
    else host.source.image(index, number).then((found) => PICTURE.test(found) && (picture.src = found), (error) => host.failed(error));
    return /** @type {HTMLElement} */ (picture);
  });
  for (const address of row.elsewhere ?? []) {
    const place = element("span", "nbt-elsewhere", element("span", "nbt-dim", "image elsewhere: "), element("bdi", "", address.slice(0, 200)));
    place.dir = "ltr"; // these words are ours
    if (/^https?:\/\//i.test(address)) {
      const load = button("nbt-more", "load it", `load ${address.slice(0, 200)}: its server will know`, () => place.replaceWith(remote(address)));
      load.tabIndex = -1;
      place.append(" ", load);
    }
    made.push(place);
  }
  return made;
}

/** @param {string} address */
function remote(address) {
  const picture = element("img");
  picture.referrerPolicy = "no-referrer";
  picture.alt = `image from ${address.slice(0, 200)}`;
  picture.src = address;
  return picture;
}
