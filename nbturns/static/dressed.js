// @ts-check
/* The style of a view goes with its script, compressed, and into the document once, however many views there are. */

/** Sheets that are in use, by their text. @type {Map<string, CSSStyleSheet>} */
const SHEETS = ((/** @type {any} */ (globalThis)).nbturnsSheets ??= new Map());

/** A widget whose views have this style. @param {any} widget as anywidget takes it: an object, or what makes one @param {string} style */
export function dressed(widget, style) {
  return () => {
    const made = typeof widget === "function" ? widget() : widget;
    const render = (/** @type {{model: any, el: HTMLElement}} */ given) => (wear(given.el, style), made.render(given));
    return { ...made, render };
  };
}

/** @param {HTMLElement} element @param {string} style */
function wear(element, style) {
  let sheet = SHEETS.get(style);
  if (!sheet) {
    SHEETS.set(style, (sheet = new CSSStyleSheet()));
    sheet.replaceSync(style);
  }
  element.classList.add("nbt-host"); // what stands in a box has the room there is, and no more
  const root = element.getRootNode();
  for (const place of root instanceof ShadowRoot ? [document, root] : [document]) {
    if (!place.adoptedStyleSheets.includes(sheet)) place.adoptedStyleSheets.push(sheet);
  }
}
