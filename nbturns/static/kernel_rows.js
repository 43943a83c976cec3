// @ts-check
/*
 * A source whose rows are in the kernel: the first rows arrive with the view, the others are requested by pages.
 *
 * Every request contains the version of the Turn, the filters and the order, so the kernel keeps no state for the
 * browser. While all rows have been loaded with their whole text, the browser filters, sorts and searches alone, which
 * also works while the kernel is busy or gone.
 */

import { PAGE_ROWS, RowPages } from "./row_pages.js";
import { NO_FILTER_SORT, PageRows, addCalls } from "./row_source.js";

/**
 * @typedef {import("./row_source.js").Row} Row
 * @typedef {import("./row_source.js").Call} Call
 * @typedef {import("./row_source.js").Match} Match
 * @typedef {import("./row_source.js").FilterSort} FilterSort
 * @typedef {{resolve: (answer: any) => void, reject: (error: Error) => void, since: number}} PendingRequest
 */

const MAX_PREFETCH_ALL = 10_000; // Turns up to this length are loaded completely in idle time
const PREFETCH_ROWS = 2_000; // rows loaded in idle time of a longer Turn
const PREFETCH_DELAY = 1000; // ms, so that the first rows are drawn before loading starts
const SLOW_AFTER = 2500; // ms without an answer before a message is displayed

/** The traits that make up a FilterSort. @type {(keyof FilterSort)[]} */
const FILTER_SORT_TRAITS = ["search", "only_matches", "kinds", "tool", "sort"];

export class KernelRows extends PageRows {
  /** @param {any} model the widget's model, as provided by anywidget */
  constructor(model) {
    super();
    this.model = model;
    this.version = -1; // version of the Turn
    this.turnLength = 0;
    /** @type {any} totals of the Turn, and its kinds and tools */
    this.summary = {};
    this.pages = new RowPages();
    this.displayedLength = 0;
    this.isPrefetching = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.prefetchTimer = undefined;
    this.isRequestingTotals = false;
    /** @type {Map<number, PendingRequest>} */
    this.pendingRequests = new Map();
    this.lastRequestId = 0;
    /** @type {Map<number, Promise<void>>} requested pages, by number */
    this.pendingPages = new Map();
    /** @type {Set<() => void>} called when `summary`, `isSlow` or `kernelIsGone` changed */
    this.watchers = new Set();
    this.isSlow = false;
    this.kernelIsGone = false;
    this.onMessage = (/** @type {any} */ message) => this.handleMessage(message);
    this.onStart = () => this.replaceTurn(model.get("_start"));
    this.onTraitChange = () => this.updateFilterSort();
    model.on("msg:custom", this.onMessage);
    model.on("change:_start", this.onStart);
    for (const trait of FILTER_SORT_TRAITS) model.on(`change:${trait}`, this.onTraitChange);
    this.slowTimer = setInterval(() => this.checkSlow(), 500);
    this.replaceTurn(model.get("_start"));
    this.ask({ request: "changes", version: this.version }).then(({ start }) => start && this.replaceTurn(start), () => undefined);
  }

  close() {
    clearInterval(this.slowTimer);
    clearTimeout(this.prefetchTimer);
    this.model.off("msg:custom", this.onMessage);
    this.model.off("change:_start", this.onStart);
    for (const trait of FILTER_SORT_TRAITS) this.model.off(`change:${trait}`, this.onTraitChange);
  }

  get length() {
    return this.order ? this.order.length : this.displayedLength;
  }

  get total() {
    return this.turnLength;
  }

  // Requests.

  /** @param {Record<string, unknown>} request @returns {Promise<any>} */
  ask(request) {
    const id = ++this.lastRequestId;
    return new Promise((resolve, reject) => {
      try {
        this.model.send({ ...request, id });
      } catch { // the comm is closed
        this.kernelIsGone = true;
        this.notifyWatchers();
        return reject(new Error("The kernel is gone; run the cell again to load this"));
      }
      this.pendingRequests.set(id, { resolve, reject, since: performance.now() });
    });
  }

  /** @param {any} message */
  handleMessage(message) {
    if (message.change) return this.applyChange(message.change);
    if (message.start && message.id === undefined) return this.replaceTurn(message.start);
    const request = this.pendingRequests.get(message.id);
    if (!request) return;
    this.pendingRequests.delete(message.id);
    this.checkSlow();
    if (message.error !== undefined) request.reject(new Error(message.error));
    else request.resolve(message);
  }

  checkSlow() {
    const now = performance.now();
    const slow = [...this.pendingRequests.values()].some(({ since }) => now - since > SLOW_AFTER);
    if (slow === this.isSlow) return;
    this.isSlow = slow;
    this.notifyWatchers();
  }

  /** Request the totals of a long Turn, which are not sent with its rows. */
  requestTotals() {
    if (!this.summary.totals_pending || this.isRequestingTotals) return;
    this.isRequestingTotals = true;
    const request = () => this.ask({ request: "totals" }).then(({ totals }) => ((this.summary = { ...this.summary, ...totals }), this.notifyWatchers()), () => undefined).finally(() => (this.isRequestingTotals = false));
    setTimeout(request, 300);
  }

  notifyWatchers() {
    this.requestTotals();
    for (const watcher of this.watchers) watcher();
  }

  // Changes sent by the kernel.

  /** Take over the complete state of a Turn. @param {any} start */
  replaceTurn(start) {
    if (!start || start.version === undefined || start.version <= this.version) return;
    this.version = start.version;
    this.turnLength = start.total;
    this.summary = start.summary;
    this.calls = new Map(Object.entries(start.calls ?? {}));
    this.pages.clear();
    this.pendingPages.clear();
    this.pages.put(0, start.rows, null);
    this.filterSort = this.traitFilterSort();
    this.notifyWatchers();
    this.refilter();
  }

  /** Replace `removed` rows from `from` with `added` rows, the first of which are `rows`. @param {any} change */
  applyChange(change) {
    if (change.version <= this.version) return;
    if (change.version !== this.version + 1) {
      this.ask({ request: "changes", version: this.version }).then(({ start }) => start && this.replaceTurn(start), () => undefined);
      return;
    }
    this.version = change.version;
    this.turnLength = change.total;
    this.summary = { ...this.summary, ...change.summary };
    addCalls(this.calls, change.calls);
    this.pendingPages.clear();
    const pagesAreInTurnOrder = !this.hasFilterSort();
    this.pages.update(change);
    for (const [index, row] of Object.entries(change.updated_partners ?? {})) this.pages.patchRow(Number(index), row);
    this.notifyWatchers();
    if (!pagesAreInTurnOrder) return this.refilter();
    this.order = null;
    this.displayedLength = this.turnLength;
    const firstChanged = Math.min(change.from, ...Object.keys(change.updated_partners ?? {}).map(Number));
    this.notify({ from: Math.max(0, firstChanged - 1), to: change.added === change.removed ? change.from + change.added : this.turnLength });
    this.prefetch();
  }

  // Reading.

  /** @param {number} position @returns {Row | undefined} */
  row(position) {
    const place = this.order ? this.order[position] : position;
    return this.pages.pageOf(place)?.rows[place % PAGE_ROWS];
  }

  /** @param {number} position */
  index(position) {
    if (this.order) return this.order[position];
    const page = this.pages.pageOf(position);
    return page?.indices ? page.indices[position % PAGE_ROWS] : this.hasFilterSort() ? undefined : position;
  }

  /** @param {number} index */
  position(index) {
    if (this.order) return this.order.indexOf(index);
    if (!this.hasFilterSort()) return index < this.turnLength ? index : -1;
    for (const [number, page] of this.pages) {
      const pageOffset = page.indices?.indexOf(index) ?? -1;
      if (pageOffset >= 0) return number * PAGE_ROWS + pageOffset;
    }
    return -1;
  }

  /** @param {number} index */
  async locate(index) {
    const position = this.position(index);
    if (position >= 0 || this.order || !this.hasFilterSort()) return position;
    return (await this.ask({ request: "position", filter_sort: this.filterSort, row: index })).position;
  }

  /** @param {number} index @returns {number | undefined} */
  partner(index) {
    const row = this.rowOfBlock(index);
    return row?.partner ?? undefined; // null if the partner was removed
  }

  /** Return the row of a block, if it has been loaded. @param {number} index */
  rowOfBlock(index) {
    if (this.hasFilterSort() && !this.order) {
      const position = this.position(index);
      return position < 0 ? undefined : this.row(position);
    }
    return this.pages.pageOf(index)?.rows[index % PAGE_ROWS];
  }

  /** Request the pages of these positions that have not been loaded. @param {number} from @param {number} to */
  async load(from, to) {
    if (this.order) return;
    const numbers = [];
    for (let number = Math.floor(from / PAGE_ROWS); number * PAGE_ROWS < Math.min(to, this.displayedLength); number++) numbers.push(number);
    await Promise.all(numbers.map((number) => this.fetch(number)));
  }

  /** @param {number} number of a page @returns {Promise<void>} */
  fetch(number) {
    const page = this.pages.get(number);
    const start = number * PAGE_ROWS;
    const pageLength = Math.min(PAGE_ROWS, this.displayedLength - start);
    this.pages.use(page);
    if (pageLength <= 0 || (page?.rows.length ?? 0) >= pageLength) return Promise.resolve();
    const pendingPage = this.pendingPages.get(number);
    if (pendingPage) return pendingPage;
    const newPage = this.fetchPage(number, start + (page?.rows.length ?? 0), start + pageLength).finally(() => {
      if (this.pendingPages.get(number) === newPage) this.pendingPages.delete(number);
    });
    this.pendingPages.set(number, newPage);
    return newPage;
  }

  /** @param {number} number of a page @param {number} from @param {number} to positions */
  async fetchPage(number, from, to) {
    const version = this.version;
    const filterSort = this.filterSort;
    const answer = await this.ask({ request: "rows", version, filter_sort: filterSort, from, to });
    if (version !== this.version || filterSort !== this.filterSort || this.order || answer.version !== version) return;
    addCalls(this.calls, answer.calls);
    this.pages.put(from, answer.rows, answer.indices ?? null);
    this.pages.dropOld(number);
    this.notify({ from: Math.max(0, from - 1), to });
  }

  /** Load further rows in idle time, so that they are available when the kernel is busy. */
  prefetch() {
    if (this.order || this.isPrefetching) return;
    this.isPrefetching = true;
    const fetchNext = async () => {
      const pageCount = Math.ceil((this.displayedLength > MAX_PREFETCH_ALL ? PREFETCH_ROWS : this.displayedLength) / PAGE_ROWS);
      for (let number = 0; number < pageCount; number++) {
        const pageLength = Math.min(PAGE_ROWS, this.displayedLength - number * PAGE_ROWS);
        if (this.order || (this.pages.get(number)?.rows.length ?? 0) >= pageLength) continue;
        await this.fetch(number);
        return idle(() => void fetchNext().catch(() => (this.isPrefetching = false)));
      }
      this.isPrefetching = false;
    };
    this.prefetchTimer = setTimeout(() => idle(() => void fetchNext().catch(() => (this.isPrefetching = false))), PREFETCH_DELAY);
  }

  // Filters and order.

  /** Return the settings of the traits. @returns {FilterSort} */
  traitFilterSort() {
    return /** @type {FilterSort} */ (Object.fromEntries(FILTER_SORT_TRAITS.map((trait) => [trait, this.model.get(trait) ?? NO_FILTER_SORT[trait]])));
  }

  hasFilterSort() {
    const { search, only_matches: onlyMatches, kinds, tool, sort } = this.filterSort;
    return !!((search && onlyMatches) || kinds.length || tool || sort);
  }

  /** Return whether all rows have been loaded with their whole text. */
  hasAllText() {
    if (!this.pages.areInTurnOrder || this.turnLength > MAX_PREFETCH_ALL) return false;
    let loadedRows = 0;
    for (const page of this.pages.values()) {
      if (page.rows.some((row) => row.cut)) return false;
      loadedRows += page.rows.length;
    }
    return loadedRows === this.turnLength;
  }

  /** @param {Partial<FilterSort>} change */
  setFilterSort(change) {
    for (const trait of FILTER_SORT_TRAITS) if (trait in change) this.model.set(trait, change[trait]);
    this.model.save_changes();
    this.updateFilterSort();
  }

  /** Apply a change of the traits, made here or in the kernel. */
  updateFilterSort() {
    const filterSort = this.traitFilterSort();
    if (JSON.stringify(filterSort) === JSON.stringify(this.filterSort)) return;
    const oldFilterSort = this.filterSort;
    this.filterSort = filterSort;
    const oldWithoutSearch = { ...oldFilterSort, search: "" };
    if (!filterSort.only_matches && JSON.stringify({ ...filterSort, search: "" }) === JSON.stringify(oldWithoutSearch)) this.notify({ from: 0, to: this.length });
    else this.refilter();
    this.notifyWatchers();
  }

  refilter() {
    this.order = null;
    if (this.hasAllText()) {
      this.rows = Array.from({ length: this.turnLength }, (_, index) => /** @type {Row} */ (this.pages.pageOf(index)?.rows[index % PAGE_ROWS]));
      this.order = this.computeOrder();
      this.displayedLength = this.turnLength;
      this.notify({ from: 0, to: this.length });
    } else if (!this.hasFilterSort()) {
      if (!this.pages.areInTurnOrder) this.pages.clear();
      this.displayedLength = this.turnLength;
      this.notify({ from: 0, to: this.length });
      this.prefetch();
    } else {
      void this.filterInKernel().catch(() => undefined);
    }
  }

  /** Let the kernel filter and sort, because it has all rows. */
  async filterInKernel() {
    const { filterSort, version } = this;
    const answer = await this.ask({ request: "rows", version, filter_sort: filterSort, from: 0, to: PAGE_ROWS });
    if (filterSort !== this.filterSort || version !== this.version) return;
    this.pages.clear();
    this.pendingPages.clear();
    addCalls(this.calls, answer.calls);
    this.displayedLength = answer.length;
    this.pages.put(0, answer.rows, answer.indices);
    this.notify({ from: 0, to: this.displayedLength });
  }

  /** @param {number} from @param {number} to @returns {Promise<number[]>} */
  async indices(from, to) {
    if (this.order) return this.order.slice(from, to + 1);
    if (!this.hasFilterSort()) return Array.from({ length: to - from + 1 }, (_, n) => from + n);
    return (await this.ask({ request: "indices", filter_sort: this.filterSort, from, to: to + 1 })).indices;
  }

  /** @param {number} position @param {1 | -1} step @returns {Promise<Match | undefined>} */
  async find(position, step) {
    if (this.order || (!this.hasFilterSort() && this.hasAllText())) return super.find(position, step);
    return (await this.ask({ request: "match", filter_sort: this.filterSort, position, step })).match ?? undefined;
  }

  // Data of a block.

  /** @param {number} index @param {number} [upTo] */
  async loadMore(index, upTo) {
    const row = this.rowOfBlock(index);
    if (!row) return;
    const { text, from, cut } = await this.ask({ request: "text", row: index, from: row.received ?? 0, to: upTo ?? row.size });
    const currentRow = this.rowOfBlock(index);
    if (!currentRow || (currentRow.received ?? 0) !== from) return;
    currentRow.body = from ? (currentRow.body ?? "") + text.text : text.text;
    currentRow.received = text.to;
    currentRow.cut = cut;
    const position = this.position(index);
    if (position >= 0) this.notify({ from: position, to: position + 1 });
  }

  /** @param {number} index @param {number} number */
  async image(index, number) {
    const row = this.rowOfBlock(index);
    if (row?.images?.[number]) return row.images[number];
    const { image } = await this.ask({ request: "image", row: index, image: number });
    if (row?.images) row.images[number] = image;
    return image;
  }

  /** @param {number} index @param {string} format */
  async text(index, format) {
    return (await this.ask({ request: "format", row: index, format })).text;
  }
}

/** @param {() => void} callback */
function idle(callback) {
  if ("requestIdleCallback" in window) window.requestIdleCallback(callback, { timeout: 1000 });
  else setTimeout(callback, 30);
}
