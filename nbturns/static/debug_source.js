// @ts-check
/* The state of the mouse side of an execution, and its requests to the kernel (widgets/stepping/debug_state.py). */

const REQUEST_SECONDS = 20; // then a request is given up: the kernel is busy or gone

export class DebugSource {
  /** @param {any} model the widget's model, as provided by anywidget */
  constructor(model) {
    this.model = model;
    /** @type {any} */
    this.state = {};
    /** Snapshots as [number of the phase, iteration, signs]. @type {[number, number, string][]} */
    this.rail = [];
    this.number = -1;
    /** @type {Set<() => void>} called after a change of the state */
    this.watchers = new Set();
    /** @type {Map<string, {resolve: (answer: any) => void, reject: (error: any) => void}>} */
    this.requests = new Map();
    this.prefix = Math.random().toString(36).slice(2, 10); // of this page, because all pages get all answers
    this.requestCount = 0;
    this.onState = () => this.takeState(model.get("debug") ?? {});
    this.onMessage = (/** @type {any} */ message) => this.takeAnswer(message);
    model.on("change:debug", this.onState);
    model.on("msg:custom", this.onMessage);
    this.onState();
    this.requestState();
  }

  close() {
    this.model.off("change:debug", this.onState);
    this.model.off("msg:custom", this.onMessage);
    for (const { reject } of this.requests.values()) reject(new Error("the view was closed"));
    this.requests.clear();
  }

  requestState() {
    this.model.send({ do: "state" });
  }

  /** @param {any} state */
  takeState(state) {
    if (state.number === undefined || state.number <= this.number) return;
    const missed = this.number >= 0 && state.number > this.number + 1;
    const isOther = state.execution !== this.state.execution;
    this.number = state.number;
    if (isOther) this.rail = [];
    const { from, entries } = state.rail;
    if (from <= this.rail.length) this.rail.splice(from, this.rail.length, ...entries);
    this.rail.length = Math.min(this.rail.length, state.snapshots);
    if ((missed && from > 0) || this.rail.length < state.snapshots) this.requestState();
    this.state = state;
    for (const watcher of this.watchers) watcher();
  }

  /**
   * Ask the kernel to do something; the promise has its answer, or an error with `call` and `faults`.
   * @param {string} action @param {Record<string, unknown>} [fields] @returns {Promise<any>}
   */
  ask(action, fields = {}) {
    const id = `${this.prefix}-${++this.requestCount}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        if (this.requests.delete(id)) reject(new Error("the kernel does not answer; it is busy or gone"));
      }, REQUEST_SECONDS * 1000);
      const settle = (/** @type {(value: any) => void} */ callback) => (/** @type {any} */ value) => (clearTimeout(timer), callback(value));
      this.requests.set(id, { resolve: settle(resolve), reject: settle(reject) });
      try {
        this.model.send({ do: action, debug_id: id, ...fields });
      } catch (error) {
        this.requests.delete(id);
        clearTimeout(timer);
        reject(error);
      }
    });
  }

  /** @param {any} message */
  takeAnswer(message) {
    const request = this.requests.get(message?.debug_id);
    if (!request) return;
    this.requests.delete(message.debug_id);
    if (message.error === undefined) request.resolve(message);
    else request.reject(Object.assign(new Error(message.error), { call: message.call, faults: message.faults }));
  }
}
