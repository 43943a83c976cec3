// @ts-check
/*
 * A text to which more is appended. Complete parts get their own elements, so that the browser lays out only the last
 * part again: with a single element, appending to 100 KB takes 40 ms.
 */

import { element } from "./elements.js";

const MAX_LAST_PART = 800; // characters that are laid out again when text is appended

/** @param {string} text */
export function streamingText(text) {
  const result = element("div", "nbt-text nbt-streaming");
  let start = 0;
  for (let end; (end = text.lastIndexOf("\n", start + MAX_LAST_PART) + 1) > start && text.length - start > MAX_LAST_PART; start = end) {
    result.append(element("div", "", text.slice(start, end)));
  }
  result.append(element("div", "", new Text(text.slice(start))));
  return result;
}

/** Append to an element created by `streamingText`. @param {Element} container @param {string} text */
export function appendText(container, text) {
  const lastPart = container.lastElementChild?.lastChild;
  if (!(lastPart instanceof Text)) return;
  lastPart.appendData(text);
  if (lastPart.length <= MAX_LAST_PART) return;
  const end = lastPart.data.lastIndexOf("\n") + 1 || (lastPart.length > 2 * MAX_LAST_PART ? lastLineStart(lastPart) : 0);
  if (end) container.append(element("div", "", lastPart.splitText(end)));
}

/** Return the offset at which the last displayed line starts; 0 for a single line. @param {Text} text */
function lastLineStart(text) {
  const range = document.createRange();
  /** @param {number} offset */
  const lineTop = (offset) => {
    range.setStart(text, offset);
    range.setEnd(text, offset + 1);
    return range.getBoundingClientRect().top;
  };
  const lastLineTop = lineTop(text.length - 1) - 2; // px of tolerance: the letters of a line differ in height
  let low = 0;
  let high = text.length - 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (lineTop(middle) < lastLineTop) low = middle + 1;
    else high = middle;
  }
  return /[\uDC00-\uDFFF]/.test(text.data[low]) ? low - 1 : low; // never inside a surrogate pair
}
