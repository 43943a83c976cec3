// @ts-check
/*
 * A text that grows at its end. What is settled stands in places of its own, so that a browser lays out anew only
 * the last lines with each piece that comes: in one place, 100 KB would take 40 ms a piece.
 */

import { element } from "./elements.js";

const LINES = 800; // characters that may be laid out anew

/** @param {string} text */
export function growingText(text) {
  const made = element("div", "nbt-text nbt-growing");
  let at = 0;
  for (let end; (end = text.lastIndexOf("\n", at + LINES) + 1) > at && text.length - at > LINES; at = end) {
    made.append(element("div", "", text.slice(at, end)));
  }
  made.append(element("div", "", new Text(text.slice(at))));
  return made;
}

/** @param {Element} place as `growingText` made it @param {string} text that comes to its end */
export function grow(place, text) {
  const last = place.lastElementChild?.lastChild;
  if (!(last instanceof Text)) return;
  last.appendData(text);
  if (last.length <= LINES) return;
  const end = last.data.lastIndexOf("\n") + 1 || (last.length > 2 * LINES ? lastLine(last) : 0);
  if (end) place.append(element("div", "", last.splitText(end)));
}

/** Where the last line on the screen begins; 0 where there is but one. @param {Text} text */
function lastLine(text) {
  const range = document.createRange();
  /** @param {number} at */
  const top = (at) => {
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    return range.getBoundingClientRect().top;
  };
  const last = top(text.length - 1) - 2; // px: not every letter of a line is as high
  let low = 0;
  let high = text.length - 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (top(middle) < last) low = middle + 1;
    else high = middle;
  }
  return /[\uDC00-\uDFFF]/.test(text.data[low]) ? low - 1 : low; // not between the two halves of a letter
}
