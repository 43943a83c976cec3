// @ts-check
/*
 * Rows that are in the kernel: the first came with the view, others are asked for, a page at a time.
 *
 * Every question says what it is about (the version of the Turn, filter and order), so the kernel remembers nothing
 * of the page. While all rows are here and whole, the page filters, sorts and searches by itself: then it does so
 * while the kernel is busy, and after it is gone.
 */

import { AS_IT_IS, PageRows } from "./row_source.js";

/**
 * @typedef {import("./row_source.js").Row} Row
 * @typedef {import("./row_source.js").Call} Call
 * @typedef {import("./row_source.js").Match} Match
 * @typedef {import("./row_source.js").Arrangement} Arrangement
 * @typedef {{rows: Row[], indices: number[] | null, used: number}} Page
 * @typedef {{resolve: (answer: any) => void, reject: (error: Error) => void, since: number}} Asked
 */

const PAGE = 200; // rows
const MOST_PAGES = 60; // kept in the page
const AHEAD = 10_000; // rows up to which all are fetched in idle time
const AHEAD_OF_MORE = 2_000; // rows that are, where that would not be all of them
const FIRST = 1000; // ms before that begins: first the page draws what it has
const SLOW = 2500; // ms after which it is said that the kernel does not answer

/** The traits that make up an arrangement. @type {[keyof Arrangement, string][]} */
const TRAITS = [["search", "search"], ["only", "only_matches"], ["kinds", "kinds"], ["tool", "tool"], ["sort", "sort"]];

export class KernelRows extends PageRows {
  /** @param {any} model the widget's model, as anywidget gives it */
  constructor(model) {
    super();
    this.model = model;
    this.number = -1; // version of the Turn
    this.count = 0;
    /** @type {any} what is known of the Turn besides its rows */
    this.about = {};
    /** @type {Map<number, Page>} by number */
    this.pages = new Map();
    this.shown = 0;
    this.clock = 0;
    this.fetching = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.waiting = undefined;
    this.summing = false;
    /** @type {Map<number, Asked>} */
    this.asked = new Map();
    this.lastAsked = 0;
    /** @type {Map<number, Promise<void>>} pages on their way, by number */
    this.coming = new Map();
    /** @type {Set<() => void>} hear when it begins or ends that the kernel does not answer, and when `about` changed */
    this.watchers = new Set();
    this.slow = false;
    this.gone = false;
    this.heard = (/** @type {any} */ message) => this.hearKernel(message);
    this.restarted = () => this.begin(model.get("_start"));
    this.changed = () => this.arranged();
    model.on("msg:custom", this.heard);
    model.on("change:_start", this.restarted);
    for (const [, trait] of TRAITS) model.on(`change:${trait}`, this.changed);
    this.timer = setInterval(() => this.lookAtClock(), 500);
    this.begin(model.get("_start"));
    this.ask({ want: "news", number: this.number }).then((news) => news.start && this.begin(news.start), () => undefined);
  }

  end() {
    clearInterval(this.timer);
    clearTimeout(this.waiting);
    this.model.off("msg:custom", this.heard);
    this.model.off("change:_start", this.restarted);
    for (const [, trait] of TRAITS) this.model.off(`change:${trait}`, this.changed);
  }

  get length() {
    return this.order ? this.order.length : this.shown;
  }

  get total() {
    return this.count;
  }

  // Asking.

  /** @param {Record<string, unknown>} question @returns {Promise<any>} */
  ask(question) {
    const id = ++this.lastAsked;
    return new Promise((resolve, reject) => {
      try {
        this.model.send({ ...question, id });
      } catch { // the comm is closed
        this.gone = true;
        this.inform();
        return reject(new Error("the kernel is gone; run the cell again for what is not here"));
      }
      this.asked.set(id, { resolve, reject, since: performance.now() });
    });
  }

  /** @param {any} message */
  hearKernel(message) {
    if (message.change) return this.follow(message.change);
    if (message.start && message.id === undefined) return this.begin(message.start);
    const asked = this.asked.get(message.id);
    if (!asked) return;
    this.asked.delete(message.id);
    this.lookAtClock();
    if (message.error !== undefined) asked.reject(new Error(message.error));
    else asked.resolve(message);
  }

  lookAtClock() {
    const now = performance.now();
    const slow = [...this.asked.values()].some(({ since }) => now - since > SLOW);
    if (slow === this.slow) return;
    this.slow = slow;
    this.inform();
  }

  /** What a long Turn comes to is summed when it has been shown. */
  sum() {
    if (!this.about.later || this.summing) return;
    this.summing = true;
    const asked = () => this.ask({ want: "sums" }).then(({ sums }) => ((this.about = { ...this.about, ...sums }), this.inform()), () => undefined).finally(() => (this.summing = false));
    setTimeout(asked, 300);
  }

  inform() {
    this.sum();
    for (const watcher of this.watchers) watcher();
  }

  // What the kernel says of its own.

  /** The Turn as it is. @param {any} start */
  begin(start) {
    if (!start || start.number === undefined || start.number <= this.number) return;
    this.number = start.number;
    this.count = start.total;
    this.about = start.about;
    this.calls = { ...start.calls };
    this.pages.clear();
    this.coming.clear();
    this.put(0, start.rows, null);
    this.arrangement = this.wanted();
    this.inform();
    this.rearrange();
  }

  /** The Turn is another: `removed` rows from `from` on gave way to `added`, of which `rows` are the first. @param {any} change */
  follow(change) {
    if (change.number <= this.number) return;
    if (change.number !== this.number + 1) {
      this.ask({ want: "news", number: this.number }).then((news) => news.start && this.begin(news.start), () => undefined);
      return;
    }
    this.number = change.number;
    this.count = change.total;
    this.about = { ...this.about, ...change.about };
    Object.assign(this.calls, change.calls);
    this.coming.clear();
    const natural = !this.isArranged();
    this.forget(change);
    for (const [index, row] of Object.entries(change.touched ?? {})) this.patchRow(Number(index), row);
    this.inform();
    if (!natural) return this.rearrange();
    this.order = null;
    this.shown = this.count;
    const first = Math.min(change.from, ...Object.keys(change.touched ?? {}).map(Number));
    this.tell({ from: Math.max(0, first - 1), to: change.added === change.removed ? change.from + change.added : this.count });
    this.prefetch();
  }

  /** Of the pages, keep what is before the change, and put what came. @param {any} change */
  forget({ from, removed, added, rows }) {
    const first = Math.floor(from / PAGE);
    const inPlace = added === removed && rows.length === added;
    for (const [number, page] of this.pages) {
      if (page.indices) this.pages.delete(number);
      else if (inPlace) page.rows.splice(...span(number, from, rows, page.rows));
      else if (number > first) this.pages.delete(number);
      else if (number === first) page.rows.splice(from - number * PAGE);
    }
    if (!inPlace) this.put(from, rows, null);
  }

  /** @param {number} index @param {Partial<Row>} row */
  patchRow(index, row) {
    const page = this.pages.get(Math.floor(index / PAGE));
    if (page && !page.indices && page.rows[index % PAGE]) Object.assign(page.rows[index % PAGE], row);
  }

  /** Rows from a position on into their pages; only where they join what is there. @param {number} from @param {Row[]} rows @param {number[] | null} indices */
  put(from, rows, indices) {
    for (let at = 0; at < rows.length; ) {
      const number = Math.floor((from + at) / PAGE);
      const within = (from + at) % PAGE;
      const page = this.pages.get(number) ?? { rows: [], indices: indices && [], used: ++this.clock };
      const part = rows.slice(at, at + PAGE - within);
      if (page.rows.length < within) return;
      page.rows.splice(within, part.length, ...part);
      if (indices) page.indices?.splice(within, part.length, ...indices.slice(at, at + part.length));
      this.pages.set(number, page);
      at += part.length;
    }
  }

  // Reading.

  /** @param {number} position */
  pageOf(position) {
    return this.pages.get(Math.floor(position / PAGE));
  }

  /** @param {number} position @returns {Row | undefined} */
  row(position) {
    const place = this.order ? this.order[position] : position;
    return this.pageOf(place)?.rows[place % PAGE];
  }

  /** @param {number} position */
  index(position) {
    if (this.order) return this.order[position];
    const page = this.pageOf(position);
    return page?.indices ? page.indices[position % PAGE] : this.isArranged() ? undefined : position;
  }

  /** @param {number} index */
  position(index) {
    if (this.order) return this.order.indexOf(index);
    if (!this.isArranged()) return index < this.count ? index : -1;
    for (const [number, page] of this.pages) {
      const within = page.indices?.indexOf(index) ?? -1;
      if (within >= 0) return number * PAGE + within;
    }
    return -1;
  }

  /** @param {number} index */
  async locate(index) {
    const here = this.position(index);
    if (here >= 0 || this.order || !this.isArranged()) return here;
    return (await this.ask({ want: "place", arrangement: this.arrangement, row: index })).position;
  }

  /** @param {number} index @returns {number | undefined} */
  partner(index) {
    const row = this.known(index);
    return row?.partner ?? undefined; // null in a row whose partner went
  }

  /** The row of a block, if it is here. @param {number} index */
  known(index) {
    if (this.isArranged() && !this.order) {
      const position = this.position(index);
      return position < 0 ? undefined : this.row(position);
    }
    return this.pageOf(index)?.rows[index % PAGE];
  }

  /** Ask for the rows near these positions that are not here. @param {number} from @param {number} to */
  async need(from, to) {
    if (this.order) return;
    const numbers = [];
    for (let number = Math.floor(from / PAGE); number * PAGE < Math.min(to, this.shown); number++) numbers.push(number);
    await Promise.all(numbers.map((number) => this.fetch(number)));
  }

  /** @param {number} number of a page @returns {Promise<void>} */
  fetch(number) {
    const have = this.pages.get(number);
    const start = number * PAGE;
    const full = Math.min(PAGE, this.shown - start);
    if (have) have.used = ++this.clock;
    if (full <= 0 || (have?.rows.length ?? 0) >= full) return Promise.resolve();
    const known = this.coming.get(number);
    if (known) return known;
    const coming = this.fetchPage(number, start + (have?.rows.length ?? 0), start + full).finally(() => {
      if (this.coming.get(number) === coming) this.coming.delete(number);
    });
    this.coming.set(number, coming);
    return coming;
  }

  /** @param {number} number of a page @param {number} from @param {number} to positions */
  async fetchPage(number, from, to) {
    const version = this.number;
    const arrangement = this.arrangement;
    const answer = await this.ask({ want: "rows", number: version, arrangement, from, to });
    if (version !== this.number || arrangement !== this.arrangement || this.order || answer.number !== version) return;
    Object.assign(this.calls, answer.calls);
    this.put(from, answer.rows, answer.indices ?? null);
    this.dropOld(number);
    this.tell({ from: Math.max(0, from - 1), to });
  }

  /** Only so many rows stay in the page: those not looked at for longest go. @param {number} keep number of the page that just came */
  dropOld(keep) {
    while (this.pages.size > MOST_PAGES) {
      const [oldest] = [...this.pages].filter(([number]) => number !== keep).sort((a, b) => a[1].used - b[1].used);
      this.pages.delete(oldest[0]);
    }
  }

  /** In idle time fetch what follows, so that it is here when the kernel is busy. */
  prefetch() {
    if (this.order || this.fetching) return;
    this.fetching = true;
    const next = async () => {
      const last = Math.ceil((this.shown > AHEAD ? AHEAD_OF_MORE : this.shown) / PAGE);
      for (let number = 0; number < last; number++) {
        const full = Math.min(PAGE, this.shown - number * PAGE);
        if (this.order || (this.pages.get(number)?.rows.length ?? 0) >= full) continue;
        await this.fetch(number);
        return idle(() => void next().catch(() => (this.fetching = false)));
      }
      this.fetching = false;
    };
    this.waiting = setTimeout(() => idle(() => void next().catch(() => (this.fetching = false))), FIRST);
  }

  // Arranging.

  /** What the traits say. @returns {Arrangement} */
  wanted() {
    return /** @type {Arrangement} */ (Object.fromEntries(TRAITS.map(([name, trait]) => [name, this.model.get(trait) ?? AS_IT_IS[name]])));
  }

  isArranged() {
    const { search, only, kinds, tool, sort } = this.arrangement;
    return !!((search && only) || kinds.length || tool || sort);
  }

  /** Whether all rows are here, each with all of its text. */
  isWhole() {
    if (!this.natural || this.count > AHEAD) return false;
    let have = 0;
    for (const page of this.pages.values()) {
      if (page.rows.some((row) => row.cut)) return false;
      have += page.rows.length;
    }
    return have === this.count;
  }

  /** Whether the pages hold rows in the order of the Turn. */
  get natural() {
    return ![...this.pages.values()].some((page) => page.indices);
  }

  /** @param {Partial<Arrangement>} change */
  arrange(change) {
    for (const [name, trait] of TRAITS) if (name in change) this.model.set(trait, change[name]);
    this.model.save_changes();
    this.arranged();
  }

  /** The traits changed, here or in the kernel. */
  arranged() {
    const wanted = this.wanted();
    if (JSON.stringify(wanted) === JSON.stringify(this.arrangement)) return;
    const before = this.arrangement;
    this.arrangement = wanted;
    const onlyMarks = { ...before, search: "" };
    if (!wanted.only && JSON.stringify({ ...wanted, search: "" }) === JSON.stringify(onlyMarks)) this.tell({ from: 0, to: this.length });
    else this.rearrange();
    this.inform();
  }

  rearrange() {
    this.order = null;
    if (this.isWhole()) {
      this.rows = Array.from({ length: this.count }, (_, index) => /** @type {Row} */ (this.pageOf(index)?.rows[index % PAGE]));
      this.order = this.ordered();
      this.shown = this.count;
      this.tell({ from: 0, to: this.length });
    } else if (!this.isArranged()) {
      if (!this.natural) this.pages.clear();
      this.shown = this.count;
      this.tell({ from: 0, to: this.length });
      this.prefetch();
    } else {
      void this.arrangeThere().catch(() => undefined);
    }
  }

  /** Let the kernel filter and sort: it has all rows. */
  async arrangeThere() {
    const { arrangement, number } = this;
    const answer = await this.ask({ want: "rows", number, arrangement, from: 0, to: PAGE });
    if (arrangement !== this.arrangement || number !== this.number) return;
    this.pages.clear();
    this.coming.clear();
    Object.assign(this.calls, answer.calls);
    this.shown = answer.length;
    this.put(0, answer.rows, answer.indices);
    this.tell({ from: 0, to: this.shown });
  }

  /** @param {number} from @param {number} to @returns {Promise<number[]>} */
  async indices(from, to) {
    if (this.order) return this.order.slice(from, to + 1);
    if (!this.isArranged()) return Array.from({ length: to - from + 1 }, (_, n) => from + n);
    return (await this.ask({ want: "indices", arrangement: this.arrangement, from, to: to + 1 })).indices;
  }

  /** @param {number} position @param {1 | -1} step @returns {Promise<Match | undefined>} */
  async find(position, step) {
    if (this.order || (!this.isArranged() && this.isWhole())) return super.find(position, step);
    return (await this.ask({ want: "match", arrangement: this.arrangement, position, step })).match ?? undefined;
  }

  // More of a block.

  /** @param {number} index @param {number} [upTo] */
  async more(index, upTo) {
    const row = this.known(index);
    if (!row) return;
    const { text, from, cut } = await this.ask({ want: "text", row: index, from: row.got ?? 0, to: upTo ?? row.size });
    const now = this.known(index);
    if (!now || (now.got ?? 0) !== from) return;
    now.body = from ? (now.body ?? "") + text.text : text.text;
    now.got = text.to;
    now.cut = cut;
    const position = this.position(index);
    if (position >= 0) this.tell({ from: position, to: position + 1 });
  }

  /** @param {number} index @param {number} number */
  async image(index, number) {
    const row = this.known(index);
    if (row?.images?.[number]) return row.images[number];
    const { image } = await this.ask({ want: "image", row: index, image: number });
    if (row?.images) row.images[number] = image;
    return image;
  }

  /** @param {number} index @param {string} form */
  async text(index, form) {
    return (await this.ask({ want: "form", row: index, form })).text;
  }
}

/** Where rows that gave way to as many others stand in a page, for `splice`. @param {number} number @param {number} from @param {Row[]} rows @param {Row[]} have @returns {[number, number, ...Row[]]} */
function span(number, from, rows, have) {
  const start = Math.max(0, from - number * PAGE);
  const part = rows.slice(Math.max(0, number * PAGE - from), Math.max(0, (number + 1) * PAGE - from)).slice(0, Math.max(0, have.length - start));
  return part.length && start < have.length ? [start, part.length, ...part] : [0, 0];
}

/** @param {() => void} run */
function idle(run) {
  if ("requestIdleCallback" in window) window.requestIdleCallback(run, { timeout: 1000 });
  else setTimeout(run, 30);
}
