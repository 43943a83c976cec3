// @ts-check
/* JSON as it was written: numbers keep their text, objects keep the order of their names and repeated names. */

/** An object: its names and values, in order. */
export class JsonObject {
  /** @param {[string, JsonValue][]} members */
  constructor(members) {
    this.members = members;
  }
}

/** A number, true, false, null or NaN, as it was written. */
export class JsonWord {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
}

/** A list holds values like this; a type of JSDoc cannot say so. @typedef {string | JsonWord | JsonObject | any[]} JsonValue */

const TOKEN = /\s*(?:([{}[\],:])|("(?:[^"\\\n]|\\[^])*")|(-?(?:\d[\d.eE+-]*|Infinity)|true|false|null|NaN))\s*/y;
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|([^]))/g;
const ESCAPED = /** @type {Record<string, string>} */ ({ b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", "/": "/", "\\": "\\", '"': '"' });

/** Parse a text that is a JSON object or list; undefined for any other text. @param {string | undefined} text */
export function parseJson(text) {
  if (!text || !/^[[{]/.test(text)) return undefined;
  try {
    return new Reader(text).read();
  } catch {
    return undefined; // not JSON, or nested too deeply
  }
}

class Reader {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
    this.offset = 0;
    this.token = "";
  }

  read() {
    this.next();
    const value = this.value();
    if (this.offset < this.text.length) throw new Error("text after the end");
    return value;
  }

  next() {
    TOKEN.lastIndex = this.offset;
    const match = TOKEN.exec(this.text);
    if (!match) throw new Error(`not JSON at ${this.offset}`);
    this.offset = TOKEN.lastIndex;
    this.token = match[1] ?? match[2] ?? match[3];
  }

  /** @returns {JsonValue} */
  value() {
    if (this.token === "[") return this.list("]", () => this.value());
    if (this.token === "{") return new JsonObject(this.list("}", () => this.member()));
    if (this.token.startsWith('"')) return unescaped(this.token);
    if (this.token.length === 1 && "]},:".includes(this.token)) throw new Error(`unexpected ${this.token}`);
    return new JsonWord(this.token);
  }

  /** @returns {[string, JsonValue]} */
  member() {
    if (!this.token.startsWith('"')) throw new Error("expected a name");
    const name = unescaped(this.token);
    this.next();
    if (this.token !== ":") throw new Error("expected a colon");
    this.next();
    return [name, this.value()];
  }

  /** @template T @param {string} end @param {() => T} item @returns {T[]} */
  list(end, item) {
    const items = [];
    this.next();
    while (this.token !== end) {
      items.push(item());
      this.next();
      if (this.token === ",") {
        this.next();
        if (this.token === end) throw new Error("nothing after a comma");
      } else if (this.token !== end) throw new Error("expected a comma");
    }
    return items;
  }
}

/** Return the text of a string; escapes that are not JSON stay as they are. @param {string} token */
function unescaped(token) {
  const text = token.slice(1, -1);
  if (!text.includes("\\")) return text;
  return text.replace(ESCAPE, (escape, code, letter) => (code ? String.fromCharCode(parseInt(code, 16)) : (Object.hasOwn(ESCAPED, letter) ? ESCAPED[letter] : escape)));
}

/** Format JSON on one line, with a space after commas and colons. @param {JsonValue} value @returns {string} */
export function inlineJson(value) {
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof JsonWord) return value.text;
  if (Array.isArray(value)) return `[${value.map(inlineJson).join(", ")}]`;
  return `{${value.members.map(([name, item]) => `${JSON.stringify(name)}: ${inlineJson(item)}`).join(", ")}}`;
}

/** Format JSON over several lines, two spaces for each level. @param {JsonValue} value @param {string} [indent] @returns {string} */
export function indentedJson(value, indent = "") {
  const isList = Array.isArray(value);
  const lines = isList ? value.map((item) => indentedJson(item, `${indent}  `)) : value instanceof JsonObject ? value.members.map(([name, item]) => `${JSON.stringify(name)}: ${indentedJson(item, `${indent}  `)}`) : [];
  if (!lines.length) return inlineJson(value);
  const [opening, closing] = isList ? "[]" : "{}";
  return `${opening}\n${lines.map((line) => `${indent}  ${line}`).join(",\n")}\n${indent}${closing}`;
}
