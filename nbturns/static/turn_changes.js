// @ts-check
/* The blocks that were edited, removed or moved since the previous Turn; the table already marks added ones. */

import { ComparisonTable } from "./comparison_table.js";
import { attributes, element, plural } from "./elements.js";
import { changeDescription } from "./run_header.js";

/** Draw the changes of a Turn in a container, which is hidden if there are none. @param {HTMLElement} container @param {import("./run_source.js").TurnEntry} entry @param {number} phase */
export function drawTurnChanges(container, entry, phase) {
  const changes = (entry.changes ?? []).filter((pair) => pair.what !== "added");
  container.hidden = !changes.length || phase >= 0;
  if (container.hidden) return container.replaceChildren();
  const table = new ComparisonTable({ label: `Turn ${entry.index - 1} and Turn ${entry.index}` });
  table.setHeaders(`Turn ${entry.index - 1}`, `Turn ${entry.index}`);
  table.changesOnly = true;
  table.show(changes.map((pair) => ({ ...pair, a_turn: 0, b_turn: 0 })));
  const summary = element("summary", "", `Changes since Turn ${entry.index - 1}: ${changeDescription(entry)}`);
  attributes(summary, { "data-lm-suppress-shortcuts": true });
  const code = `nt.compare(run[${entry.index - 1}], run[${entry.index}])`;
  const moreText = entry.more_changes ? `… and ${plural(entry.more_changes, "more change")}; ` : "";
  container.replaceChildren(element("details", "", summary, element("div", "nbturns nbt-scroll nbt-pairs", table.element), element("small", "", moreText, element("code", "", code))));
}

/** Draw the report of an import, if it is another one. @param {HTMLElement} container @param {{head: string, dropped?: number, lines: string[]} | null} report */
export function drawReport(container, report) {
  container.hidden = !report;
  const drawn = JSON.stringify(report);
  if (!report || container.dataset.drawn === drawn) return;
  container.dataset.drawn = drawn;
  const summary = element("summary", "", report.head, ...(report.dropped ? [element("span", "nbt-dropped", `✗ ${plural(report.dropped, "record")} dropped`)] : []));
  attributes(summary, { "data-lm-suppress-shortcuts": true });
  container.replaceChildren(summary, element("ul", "", ...report.lines.map((line) => element("li", "", line))));
}
