// @ts-check
/**
 * The realtime socket: connects, says who it is, subscribes again after every break, and notices when the line is dead.
 *
 * Use one `RealtimeSocket` for a page, whatever number of things listens. It knows topics and workspaces and nothing of
 * what events mean. The protocol stands in docs/contracts.md, how to use it in docs/frontend.md.
 *
 * @module realtime/socket
 */

/**
 * @typedef {"idle" | "connecting" | "open" | "waiting" | "unauthenticated" | "closed"} State
 *   `waiting`: the line is down and will be tried again. `unauthenticated`: nobody is signed in; `connect()` tries again.
 *
 * @typedef {object} RealtimeEvent
 * @property {string} eventId
 * @property {string} occurredAt
 * @property {string} eventType
 * @property {string} topic
 * @property {number} workspaceId
 * @property {string} workspaceSlug
 * @property {string} entityType
 * @property {number | null} entityId
 * @property {string | null} commandId        the `Idempotency-Key` (or `X-Command-Id`) of the request behind it
 * @property {string | null} sourceClientId   the `X-Client-Id` of the request behind it
 * @property {number | null} actorUserId
 * @property {Record<string, any>} payload
 *
 * @typedef {object} Wish
 * @property {string} workspaceSlug
 * @property {string[]} topics
 * @property {"app" | "admin"} [surface]      default `app`
 * @property {(event: RealtimeEvent) => void} onEvent
 * @property {(ready: {again: boolean}) => void} [onReady]
 *   the server has confirmed: from now on nothing is missed. `again` after a break, in which something may have been.
 * @property {(refusal: {code: string, message: string}) => void} [onRefused]  refused, or taken away; asked again at the next connect
 *
 * @typedef {object} Options
 * @property {string | URL} [url]             default `/ws/realtime` of this site
 * @property {string | (() => string | Promise<string>)} [token]
 *   an API token, or who gives one; without it the session's cookie counts. It goes into the sub-protocol header, never into the URL.
 * @property {number} [heartbeatSeconds]      default 25: a ping after so long without a frame
 * @property {number} [patienceSeconds]       default 10: no frame for so long after a ping, or no connection, is a dead line
 * @property {() => number} [random]          for tests
 */

export const PROTOCOL = "mozaiks.v1";

/** Close codes that mean something of their own. */
export const CLOSE = Object.freeze({ restart: 1012, tryLater: 1013, unauthenticated: 4401, tooMany: 4429 });

/** Seconds: the first pause, the longest, the least after too many messages, and a line that lasted so long was a good one. */
export const PAUSES = Object.freeze({ first: 0.5, longest: 30, tooMany: 30, steady: 5 });

/**
 * How long to wait before attempt `attempt` (from 0): doubled each time up to the longest, half of it by chance, so that
 * a thousand clients of a server that restarts do not come back in one moment.
 *
 * @param {number} attempt
 * @param {{code?: number, random?: () => number}} [why]
 * @returns {number} seconds
 */
export function pauseBefore(attempt, { code, random = Math.random } = {}) {
  const full = Math.min(PAUSES.longest, PAUSES.first * 2 ** Math.min(attempt, 16));
  const least = code === CLOSE.tooMany ? PAUSES.tooMany : 0;
  return least + full * (0.5 + random() / 2);
}

export class RealtimeSocket extends EventTarget {
  /** @type {State} */ #state = "idle";
  /** @type {WebSocket | null} */ #line = null;
  /** @type {Map<number, Wish & {heard: boolean, pending: boolean}>} */ #wishes = new Map();
  #number = 0;
  #attempt = 0;
  #tokenRenewed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #beat;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #steady;
  /** @type {Required<Pick<Options, "heartbeatSeconds" | "patienceSeconds" | "random">> & Options} */ #options;

  /** @param {Options} [options] */
  constructor(options = {}) {
    super();
    this.#options = { heartbeatSeconds: 25, patienceSeconds: 10, random: Math.random, ...options };
    globalThis.addEventListener?.("online", this.#comeBack);
    globalThis.addEventListener?.("pageshow", this.#comeBack);
    globalThis.addEventListener?.("pagehide", this.#leave);
    globalThis.document?.addEventListener("visibilitychange", this.#comeBack);
  }

  /** Dispatches `state` events when it changes. @returns {State} */
  get state() {
    return this.#state;
  }

  /**
   * Hear topics of a workspace from now on, and after every break again. Connects if nothing has yet.
   *
   * @param {Wish} wish
   * @returns {() => void} ends it
   */
  subscribe(wish) {
    const number = ++this.#number;
    const kept = { surface: /** @type {const} */ ("app"), ...wish, heard: false, pending: true };
    this.#wishes.set(number, kept);
    if (this.#state === "open") this.#ask(number, kept);
    else if (this.#state === "idle") void this.connect();
    return () => this.#forget(number);
  }

  /** Connect now: at the first time, after `unauthenticated`, or instead of waiting longer. */
  async connect() {
    if (this.#line || this.#state === "connecting" || this.#state === "closed") return;
    clearTimeout(this.#retry);
    this.#become("connecting");
    let protocols = [PROTOCOL];
    try {
      const token = await this.#token();
      if (token) protocols = [PROTOCOL, `token.${token}`];
    } catch {
      this.#wait();
      return;
    }
    if (/** @type {State} */ (this.#state) !== "connecting") return;
    const line = new WebSocket(this.#url(), protocols);
    this.#line = line;
    line.addEventListener("open", () => this.#line === line && this.#opened());
    line.addEventListener("message", (message) => this.#line === line && this.#heard(message.data));
    line.addEventListener("close", (close) => this.#line === line && this.#lost(close.code));
    this.#expectFrame();
  }

  /** End it for good. */
  close() {
    globalThis.removeEventListener?.("online", this.#comeBack);
    globalThis.removeEventListener?.("pageshow", this.#comeBack);
    globalThis.removeEventListener?.("pagehide", this.#leave);
    globalThis.document?.removeEventListener("visibilitychange", this.#comeBack);
    this.#drop();
    this.#wishes.clear();
    this.#become("closed");
  }

  // --- the line

  #url() {
    const url = new URL(this.#options.url ?? "/ws/realtime", globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    return url;
  }

  async #token() {
    const { token } = this.#options;
    return typeof token === "function" ? await token() : token;
  }

  #opened() {
    this.#become("open");
    this.#steady = setTimeout(() => {
      this.#attempt = 0;
      this.#tokenRenewed = false;
    }, PAUSES.steady * 1000);
    this.#listen();
    for (const [number, wish] of this.#wishes) this.#ask(number, wish);
  }

  /** @param {number} code */
  #lost(code) {
    this.#drop();
    if (code === CLOSE.unauthenticated) {
      const renewable = typeof this.#options.token === "function" && !this.#tokenRenewed;
      if (!renewable) {
        this.#become("unauthenticated");
        return;
      }
      this.#tokenRenewed = true;
    }
    this.#wait(code);
  }

  /** @param {number} [code] */
  #wait(code) {
    const seconds = pauseBefore(this.#attempt, { code, random: this.#options.random });
    this.#attempt += 1;
    this.#become("waiting");
    this.#retry = setTimeout(() => void this.connect(), seconds * 1000);
  }

  #drop() {
    clearTimeout(this.#retry);
    clearTimeout(this.#beat);
    clearTimeout(this.#steady);
    const line = this.#line;
    this.#line = null;
    for (const wish of this.#wishes.values()) wish.pending = true;
    if (line && line.readyState <= WebSocket.OPEN) line.close(1000);
  }

  /** The network is back, or somebody looks at the page again: there is no reason to wait longer. */
  #comeBack = () => {
    if (this.#state === "waiting" && globalThis.document?.visibilityState !== "hidden") void this.connect();
  };

  /** A page that is put away keeps no line, or the browser could not bring it back as it was. */
  #leave = () => {
    if (!this.#line) return;
    this.#drop();
    this.#become("waiting");
  };

  // --- heartbeats

  #listen() {
    clearTimeout(this.#beat);
    this.#beat = setTimeout(() => {
      this.#send({ type: "ping" });
      this.#expectFrame();
    }, this.#options.heartbeatSeconds * 1000);
  }

  #expectFrame() {
    clearTimeout(this.#beat);
    this.#beat = setTimeout(() => this.#lost(1006), this.#options.patienceSeconds * 1000);
  }

  // --- words

  /** @param {object} words */
  #send(words) {
    if (this.#line?.readyState === WebSocket.OPEN) this.#line.send(JSON.stringify(words));
  }

  /** @param {number} number @param {Wish} wish */
  #ask(number, { workspaceSlug, surface, topics }) {
    this.#send({ type: "subscribe", requestId: String(number), workspaceSlug, surface, topics });
  }

  /** @param {number} number */
  #forget(number) {
    const wish = this.#wishes.get(number);
    if (!wish) return;
    this.#wishes.delete(number);
    const { workspaceSlug, surface } = wish;
    const others = [...this.#wishes.values()].filter(
      (other) => other.workspaceSlug === workspaceSlug && other.surface === surface,
    );
    const topics = wish.topics.filter((topic) => !others.some((other) => other.topics.includes(topic)));
    if (topics.length) this.#send({ type: "unsubscribe", requestId: String(number), workspaceSlug, surface, topics });
  }

  /** @param {unknown} data */
  #heard(data) {
    this.#listen();
    /** @type {any} */
    let said;
    try {
      said = JSON.parse(String(data));
    } catch {
      return;
    }
    if (said?.type === "event" && said.event) this.#tell(said.event);
    else if (said?.type === "subscribed") this.#confirmed(Number(said.requestId));
    else if (said?.type === "unsubscribed") this.#takenAway(said);
    else if (said?.type === "error") this.#refused(said);
  }

  /** @param {RealtimeEvent} event */
  #tell(event) {
    for (const wish of [...this.#wishes.values()]) {
      if (wish.workspaceSlug === event.workspaceSlug && wish.topics.includes(event.topic)) call(() => wish.onEvent(event));
    }
  }

  /** @param {number} number */
  #confirmed(number) {
    const wish = this.#wishes.get(number);
    if (!wish || !wish.pending) return;
    const again = wish.heard;
    wish.heard = true;
    wish.pending = false;
    call(() => wish.onReady?.({ again }));
  }

  /** @param {{requestId: unknown, workspaceSlug: string, surface: string, topics: string[]}} said */
  #takenAway({ requestId, workspaceSlug, surface, topics }) {
    if (requestId !== null && requestId !== undefined) return; // an answer to us
    for (const wish of [...this.#wishes.values()]) {
      const meant = wish.workspaceSlug === workspaceSlug && wish.surface === surface;
      if (meant && wish.topics.some((topic) => topics.includes(topic))) {
        wish.pending = true;
        call(() => wish.onRefused?.({ code: "forbidden", message: "This may be heard no more." }));
      }
    }
  }

  /** @param {{requestId: unknown, code: string, message: string}} said */
  #refused({ requestId, code, message }) {
    const number = Number(requestId);
    const wish = this.#wishes.get(number);
    if (!wish) return;
    if (code === "internal_error") {
      setTimeout(() => this.#wishes.has(number) && this.#state === "open" && this.#ask(number, wish), 1000 * pauseBefore(2));
      return;
    }
    call(() => wish.onRefused?.({ code, message }));
  }

  /** @param {State} state */
  #become(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}

/** A listener that fails must not keep others from hearing. @param {() => void} listener */
function call(listener) {
  try {
    listener();
  } catch (error) {
    globalThis.reportError?.(error);
  }
}
