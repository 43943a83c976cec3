// @ts-check
/* Blocks in their other form: Markdown, diffs, code and records. The kernel parses them; the page only builds elements of a fixed list of tags. */

import { attributes, button, element, markedNodes } from "./elements.js";

/**
 * @typedef {import("./block_table.js").BlockTable} BlockTable
 * @typedef {import("./row_source.js").Row} Row
 *
 * A text, or a tag with attributes (c: class, h: address, s: first number, a: alignment) and child nodes.
 * @typedef {string | [string, {c?: string, h?: string, s?: number, a?: string}, ...any[]]} FormNode
 */

const TAGS = new Set("p h4 h5 h6 ul ol li blockquote pre code em strong s br hr a table thead tbody tr th td span del ins".split(" "));
const MARKDOWN_KINDS = ["user", "llm_text", "reasoning"];

/** Create the nodes of a form. @param {FormNode[]} nodes @param {string} search @returns {Node[]} */
function formNodes(nodes, search) {
  return nodes.flatMap((node) => {
    if (typeof node === "string") return markedNodes(node, search);
    const [tag, values, ...children] = node;
    if (!TAGS.has(tag)) return formNodes(children, search);
    const result = element(/** @type {"p"} */ (tag), values.c ? `nbt-t-${values.c}` : "", ...formNodes(children, search));
    if (tag === "a" && /^(https?:\/\/|mailto:)/i.test(values.h ?? "")) attributes(result, { href: values.h, title: values.h, target: "_blank", rel: "noopener noreferrer" });
    if (tag === "ol") attributes(result, { start: values.s });
    if (values.a === "right") result.style.textAlign = "right";
    return result;
  });
}

/** Let MathJax draw the formulas, where the page has it. @param {HTMLElement} form */
function drawFormulas(form) {
  const mathJax = /** @type {any} */ (window).MathJax;
  const formulas = [...form.querySelectorAll(".nbt-t-math")];
  if (!formulas.length || !mathJax) return;
  for (const formula of formulas) formula.replaceWith(element("span", "nbt-t-math tex2jax_process mathjax_process", formula.textContent ?? ""));
  if (mathJax.typesetPromise) void mathJax.typesetPromise([form]).catch(() => undefined);
  else mathJax.Hub?.Queue(["Typeset", mathJax.Hub, form]);
}

/** Decide which rows of a table are shown in their form, and request the forms of visible rows. */
export class Rendering {
  /** @param {BlockTable} table @param {any} model */
  constructor(table, model) {
    this.table = table;
    this.model = model;
    /** @type {Set<number>} indices of blocks that are shown differently from the others */
    this.exceptions = new Set();
    /** @type {WeakMap<Row, FormNode[]>} [] if a row has no form */
    this.forms = new WeakMap();
    /** @type {WeakMap<Element, [number, Row]>} */
    this.waiting = new WeakMap();
    this.observer = new IntersectionObserver((entries) => entries.forEach((entry) => entry.isIntersecting && this.request(entry.target)), { rootMargin: "200px" });
    this.button = button("", "Rendered", "Render Markdown in messages (M)", () => this.toggle());
    this.onChange = () => this.draw();
    model.on("change:markdown", this.onChange);
    table.rendering = this;
    table.keys.extraKeys.set("M", () => this.toggle());
    this.draw();
  }

  close() {
    this.observer.disconnect();
    this.model.off("change:markdown", this.onChange);
  }

  toggle() {
    this.model.set("markdown", !this.model.get("markdown"));
    this.model.save_changes();
    this.draw();
  }

  draw() {
    this.exceptions.clear();
    const isOn = !!this.model.get("markdown");
    attributes(this.button, { "aria-pressed": isOn }).classList.toggle("nbt-pressed", isOn);
    this.table.drawAll();
  }

  /** Return whether a row is shown in its form; undefined if it has none. @param {number} index @param {Row} row */
  isRendered(index, row) {
    const isMarkdown = MARKDOWN_KINDS.includes(row.kind);
    if (row.open || !(isMarkdown || row.form) || this.forms.get(row)?.length === 0) return undefined;
    return (isMarkdown ? !!this.model.get("markdown") : true) !== this.exceptions.has(index);
  }

  /** Switch one block between its form and its text. @param {number} index */
  switch(index) {
    if (!this.exceptions.delete(index)) this.exceptions.add(index);
    this.table.redraw(this.table.source.position(index));
  }

  /** Return the form of a row, or its text until the form has arrived. @param {number} index @param {Row} row @param {HTMLElement} text */
  element(index, row, text) {
    if (!this.isRendered(index, row)) return text;
    const nodes = this.forms.get(row);
    if (!nodes) {
      this.waiting.set(text, [index, row]);
      this.observer.observe(text);
      return text;
    }
    const form = element("div", "nbt-form", ...formNodes(nodes, this.table.search));
    for (const wide of form.querySelectorAll("pre, table")) attributes(/** @type {HTMLElement} */ (wide), { tabindex: 0, "data-lm-suppress-shortcuts": true });
    drawFormulas(form);
    return form;
  }

  /** Request the form of a row whose text has become visible. @param {Element} text */
  request(text) {
    this.observer.unobserve(text);
    const [index, row] = this.waiting.get(text) ?? [0, undefined];
    if (!row) return;
    this.table.source.text(index, "nodes").then(
      (answer) => {
        this.forms.set(row, answer ? JSON.parse(answer) : []);
        this.table.redraw(this.table.source.position(index));
      },
      () => this.forms.set(row, []), // without a kernel the text stays
    );
  }
}
