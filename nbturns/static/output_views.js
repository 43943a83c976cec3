// @ts-check
/* The code of the saved views of a notebook: it opens every page that waits, and those that follow. */

import { openSavedView } from "./saved_page.js";
import { element } from "./elements.js";

/** Replace the static table of a page by the view of its data. @param {HTMLElement} page */
function openPage(page) {
  const data = page.querySelector('script[type="application/json"]')?.textContent;
  const table = page.querySelector(".nbturns");
  if (!data || !table || page.dataset.version !== (/** @type {any} */ (window)).nbturnsVersion) return; // it shows its static table
  const container = element("div");
  const note = element("div", "nbt-connection", "○ Saved view, not connected to a kernel. Run the cell again for the live view.");
  table.after(container);
  try {
    openSavedView(JSON.parse(data), container);
    container.querySelector(".nbt-view")?.prepend(note);
    table.remove();
  } catch (error) {
    container.remove(); // the static table stays
    console.warn("nbturns: the saved view cannot be opened", error);
  }
}

/** @type {any} */
const pages = ((/** @type {any} */ (window)).nbturnsPages ??= []);
pages.push = (/** @type {HTMLElement} */ page) => openPage(page);
for (const page of pages.splice(0)) openPage(page);
