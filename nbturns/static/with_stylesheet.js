// @ts-check
/* Add the stylesheet of a view to the document, once for all views. The CSS is packed together with the script. */

import { guardedModel, watchConnection } from "./connection.js";

/** CSS text → stylesheet in use. @type {Map<string, CSSStyleSheet>} */
const STYLESHEETS = ((/** @type {any} */ (globalThis)).nbturnsSheets ??= new Map());

/** Return a widget definition whose views have this stylesheet and say when their kernel has ended. @param {any} widget object or function, as anywidget accepts it @param {string} css */
export function withStylesheet(widget, css) {
  return () => {
    const definition = typeof widget === "function" ? widget() : widget;
    const connection = { isLost: false };
    const guard = (/** @type {any} */ context) => ({ ...context, model: guardedModel(context.model, connection) });
    const render = (/** @type {{model: any, el: HTMLElement}} */ context) => {
      adoptStylesheet(context.el, css);
      const close = definition.render(guard(context));
      const stopWatching = watchConnection(context.model, context.el, () => (connection.isLost = true));
      return () => (stopWatching(), typeof close === "function" && close());
    };
    const initialize = definition.initialize && ((/** @type {any} */ context) => definition.initialize(guard(context)));
    return { ...definition, ...(initialize ? { initialize } : {}), render };
  };
}

/** @param {HTMLElement} element @param {string} css */
function adoptStylesheet(element, css) {
  let sheet = STYLESHEETS.get(css);
  if (!sheet) {
    STYLESHEETS.set(css, (sheet = new CSSStyleSheet()));
    sheet.replaceSync(css);
  }
  element.classList.add("nbt-host"); // lets the view shrink inside a flex box
  const root = element.getRootNode();
  for (const container of root instanceof ShadowRoot ? [document, root] : [document]) {
    if (!container.adoptedStyleSheets.includes(sheet)) container.adoptedStyleSheets.push(sheet);
  }
}
