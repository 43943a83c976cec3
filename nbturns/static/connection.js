// @ts-check
/* A live view whose kernel has ended says so, and its buttons that need the kernel are disabled. */

/** Return a model that no longer saves its traits once the kernel has ended, because ipywidgets would log an error. @param {any} model @param {{isLost: boolean}} connection */
export function guardedModel(model, connection) {
  const member = (/** @type {any} */ target, /** @type {string | symbol} */ name) => {
    const value = target[name];
    if (typeof value !== "function") return value;
    return name === "save_changes" && connection.isLost ? () => undefined : value.bind(target);
  };
  return new Proxy(model, { get: member });
}

/** Watch the connection of a widget to its kernel. @param {any} model @param {HTMLElement} container the element of the widget @param {() => void} onLoss */
export function watchConnection(model, container, onLoss) {
  const showLoss = () => {
    onLoss();
    const view = container.querySelector(".nbt-view");
    if (!(view instanceof HTMLElement) || view.classList.contains("nbt-disconnected")) return;
    view.classList.add("nbt-disconnected");
    const note = document.createElement("div");
    note.className = "nbt-connection";
    note.setAttribute("role", "status");
    note.textContent = `○ Not connected: the kernel has ended. This is what the view showed at ${new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}. Run the cell again to connect.`;
    view.prepend(note);
    disableButtons(view);
    new MutationObserver(() => disableButtons(view)).observe(view, { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled"] }); // some are drawn or enabled later
  };
  model.on("comm_live_update", showLoss); // ipywidgets sends it when the kernel restarts; a widget is never connected again
  container.addEventListener("nbt-lost", showLoss); // a message could not be sent
  const stopWatching = watchKernel(model.widget_manager?.kernel, showLoss);
  return () => (model.off("comm_live_update", showLoss), stopWatching());
}

/** Disable what needs the kernel. @param {HTMLElement} view */
function disableButtons(view) {
  for (const control of /** @type {Iterable<HTMLButtonElement | HTMLInputElement>} */ (view.querySelectorAll("button[data-kernel], [data-kernel] :is(button, input)"))) {
    if (control.disabled) continue;
    control.disabled = true;
    control.title = "Not connected: run the cell again";
  }
}

const ENDED_STATUSES = ["restarting", "autorestarting", "terminating", "dead"];

/** Call `onEnd` when a kernel is shut down, or dies, or another one is chosen, which ipywidgets does not report. @param {any} kernel of JupyterLab; undefined elsewhere @param {() => void} onEnd */
function watchKernel(kernel, onEnd) {
  if (!kernel?.statusChanged?.connect || !kernel.disposed?.connect) return () => undefined;
  const onStatus = (/** @type {unknown} */ _, /** @type {string} */ status) => ENDED_STATUSES.includes(status) && onEnd();
  kernel.statusChanged.connect(onStatus);
  kernel.disposed.connect(onEnd);
  if (kernel.isDisposed || ENDED_STATUSES.includes(kernel.status)) onEnd();
  return () => (kernel.statusChanged.disconnect(onStatus), kernel.disposed.disconnect(onEnd));
}
