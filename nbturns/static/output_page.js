// @ts-check
/* The script of a view's saved output. It gives way to the live view beside it, and without one it opens the saved view. */

(() => {
  const page = /** @type {HTMLElement} */ (document.currentScript?.closest(".nbturns-page"));
  const output = /** @type {HTMLElement} */ (page.closest(".jp-OutputArea-child, .output_area, .output") ?? page);
  const check = () => {
    const liveOutput = /** @type {HTMLElement | null} */ (output.nextElementSibling);
    const failed = !liveOutput?.querySelector(".nbt-view") && /^\s*(\[\d*\]:)?\s*Error displaying widget/.test(liveOutput?.textContent ?? "");
    const isLive = !failed && !!liveOutput?.querySelector(".nbt-view, .jupyter-widgets .widget-box, .jupyter-widgets.widget-box");
    if (isLive && page.childNodes.length) page.replaceChildren();
    if (failed && liveOutput) liveOutput.style.display = "none";
    return isLive;
  };
  if (output.parentElement) new MutationObserver(check).observe(output.parentElement, { childList: true, subtree: true });
  if (check()) return;
  const waiting = ((/** @type {any} */ (window)).nbturnsPages ??= []);
  setTimeout(() => check() || waiting.push(page), 800);
})();
