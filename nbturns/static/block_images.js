// @ts-check
/* The images of a block, with their size, and buttons to zoom, open and save them. */

import { attributes, button, element, formatCount } from "./elements.js";

/**
 * @typedef {import("./row_source.js").Row} Row
 * @typedef {import("./block_row.js").RowHost} RowHost
 */

const INLINE_IMAGE = /^data:image\/(png|jpeg|gif|webp);base64,/;

/** Create elements for the images of a block; remote images are loaded only on request. @param {Row} row @param {number} index @param {RowHost} host @returns {HTMLElement[]} */
export function imageElements(row, index, host) {
  const elements = (row.images ?? []).map((source, number) => {
    const image = element("img");
    image.alt = `Image ${number + 1} of block ${index}`;
    if (INLINE_IMAGE.test(source)) image.src = source;
    else host.source.image(index, number).then((data) => INLINE_IMAGE.test(data) && (image.src = data), (error) => host.reportError(error));
    return /** @type {HTMLElement} */ (imageFigure(image, `block-${index}-image-${number + 1}`));
  });
  for (const address of row.elsewhere ?? []) {
    const container = element("span", "nbt-remote-image", element("span", "nbt-dim", "Remote image: "), element("bdi", "", address.slice(0, 200)));
    container.dir = "ltr"; // the label is in English
    if (/^https?:\/\//i.test(address)) {
      const loadButton = button("nbt-more", "Load image", `Load ${address.slice(0, 200)}; this contacts its server`, () => container.replaceWith(remoteImage(address)));
      loadButton.tabIndex = -1;
      container.append(" ", loadButton);
    }
    elements.push(container);
  }
  return elements;
}

/** @param {string} address */
function remoteImage(address) {
  const image = element("img");
  image.referrerPolicy = "no-referrer";
  image.alt = `Image from ${address.slice(0, 200)}`;
  image.src = address;
  return image;
}

/** Create an image with its size and buttons; a click on it zooms. @param {HTMLImageElement} image @param {string} name of the file that is saved */
function imageFigure(image, name) {
  const size = element("span", "nbt-dim");
  const zoom = button("nbt-zoom", image, "Zoom", () => attributes(zoom, { "aria-pressed": zoom.classList.toggle("nbt-zoomed") }));
  const open = button("nbt-link", "Open", "Open the image in a new tab", () => window.open(URL.createObjectURL(imageFile(image.src)), "_blank", "noopener"));
  const save = attributes(element("a", "nbt-link", "Save"), { download: name, "data-lm-suppress-shortcuts": true, tabindex: -1 });
  attributes(zoom, { tabindex: -1, "aria-pressed": false, "aria-label": `Zoom: ${image.alt}` });
  open.tabIndex = -1;
  image.addEventListener("load", () => {
    size.textContent = `${image.naturalWidth} × ${image.naturalHeight}, ${formatCount(Math.ceil((image.src.length * 3) / 4096))} KB`;
    save.href = image.src;
  });
  return element("div", "nbt-figure", zoom, element("div", "", size, element("br"), open, save));
}

/** Return the file of an inline image. @param {string} dataUrl */
function imageFile(dataUrl) {
  const [head, data] = dataUrl.split(",");
  return new Blob([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], { type: head.slice(5, head.indexOf(";")) });
}
