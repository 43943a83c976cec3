// @ts-check
/* The script of a saved page: it replaces the static table by the view of the embedded data. */

import { openSavedView } from "./saved_page.js";

/** Replace the static table by the view. */
function openPage() {
  const data = JSON.parse(document.getElementById("nbturns-data")?.textContent ?? "{}");
  const staticView = document.getElementById("nbturns-still");
  const container = document.createElement("main");
  document.body.append(container);
  openSavedView(data, container);
  staticView?.remove(); // last, so that the static table stays if the view cannot be created
}

openPage();
