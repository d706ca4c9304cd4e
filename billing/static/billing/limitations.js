// @ts-check
/**
 * What a workspace may do, in the browser: read once, kept, and read again when something says that it changed.
 *
 * `new WorkspaceBilling({workspaceSlug})` keeps limits, plan state and purchases of one workspace. Mutations go through
 * `mutate`, which invalidates at once; events of the socket invalidate what their `changeSource` can have changed; after a
 * break of the socket everything is read again; and every 30 seconds while the page is looked at, whatever the socket does.
 * With a cache of your own (TanStack Query and the like) use the query keys and `keysInvalidatedBy`. See docs/frontend.md.
 *
 * @module billing/limitations
 */

/**
 * @typedef {import("../realtime/socket.js").RealtimeEvent} RealtimeEvent
 * @typedef {import("../realtime/socket.js").RealtimeSocket} RealtimeSocket
 *
 * @typedef {"purchase_grant" | "plan_grant" | "consumption" | "boundary_recompute" | "manual_refresh"} ChangeSource
 * @typedef {{workspaceSlug: string}} Scope
 * @typedef {readonly ["workspaces", string, "billing", string]} QueryKey
 *
 * @typedef {object} Limitation               one limit; amounts in units, null is unlimited
 * @property {string} code
 * @property {string} name
 * @property {"capacity" | "metered_quota" | "balance" | "state"} entitlementType
 * @property {"hard_deny" | "hard_lock_resource" | "soft_warn"} enforcementMode
 * @property {string} unit
 * @property {"day" | "week" | "month" | "year" | null} windowInterval
 * @property {"calendar_utc" | "anniversary" | "rolling" | null} windowAnchor
 * @property {number | null} grantedAmount
 * @property {number} consumedAmount
 * @property {number} heldAmount
 * @property {number | null} effectiveAmount  what is left; below zero while over the limit
 * @property {number | null} hardLimitAmount
 * @property {boolean} unlimited
 * @property {boolean} overLimit
 * @property {string} lockState
 * @property {string | null} nextChangeAt
 * @property {string} windowStartAt
 * @property {string | null} windowEndAt
 * @property {string | null} lastRecomputedAt
 * @property {number} version
 * @property {number[]} alertThresholds         percents of what is granted
 * @property {number | null} alertLevel         the highest of them that use has reached
 *
 * @typedef {{billableEntity: Record<string, any>, generatedAt: string, stale: boolean, limitations: Limitation[]}} Limitations
 *
 * @typedef {object} Problem                  the error envelope of the API
 * @property {string} error
 * @property {string} code
 * @property {Record<string, any>} details
 */

export const WORKSPACE_BILLING_LIMITS = "workspace_billing_limits";
export const WORKSPACE_BILLING_LIMITS_UPDATED = "workspace.billing.limits.updated";

/** Seconds between two looks while the page is visible, whatever the socket does. */
export const POLL_SECONDS = 30;

/** Milliseconds between two reads of one query, at least: whoever is told of changes all the time still reads only so often. */
export const LEAST_PAUSE = 100;

/** @param {Scope} scope @returns {QueryKey} */
export const workspaceBillingLimitationsQueryKey = ({ workspaceSlug }) => ["workspaces", workspaceSlug, "billing", "limitations"];

/** @param {Scope} scope @returns {QueryKey} */
export const workspaceBillingPlanStateQueryKey = ({ workspaceSlug }) => ["workspaces", workspaceSlug, "billing", "planState"];

/** @param {Scope} scope @returns {QueryKey} */
export const workspaceBillingPurchasesQueryKey = ({ workspaceSlug }) => ["workspaces", workspaceSlug, "billing", "purchases"];

/**
 * Which queries a change can have made untrue: limitations always, the plan state where grants came from a plan or a
 * purchase, purchases where something was bought or taken back. A source nobody knows yet invalidates everything.
 *
 * @param {Scope} scope
 * @param {ChangeSource | string | undefined} changeSource
 * @returns {QueryKey[]}
 */
export function keysInvalidatedBy(scope, changeSource) {
  const limitations = workspaceBillingLimitationsQueryKey(scope);
  const planState = workspaceBillingPlanStateQueryKey(scope);
  const purchases = workspaceBillingPurchasesQueryKey(scope);
  switch (changeSource) {
    case "consumption":
    case "boundary_recompute":
    case "manual_refresh":
      return [limitations];
    case "plan_grant":
      return [limitations, planState];
    default:
      return [limitations, planState, purchases];
  }
}

/** A refusal of the API, with its envelope. */
export class ApiProblem extends Error {
  /** @param {number} status @param {Problem} problem */
  constructor(status, problem) {
    super(problem.error);
    this.name = "ApiProblem";
    this.status = status;
    this.code = problem.code;
    this.details = problem.details ?? {};
  }
}

/** A key for one command: the same for its repeats. @returns {string} */
export const newCommandId = () => globalThis.crypto?.randomUUID?.() ?? `c-${Date.now()}-${Math.random().toString(36).slice(2)}`;

/**
 * @template T
 * @typedef {object} Query                    something that was read and is kept
 * @property {QueryKey} key
 * @property {() => Promise<T>} read
 * @property {T | undefined} value
 * @property {unknown} error
 * @property {Promise<T> | null} reading
 * @property {boolean} stale                  invalidated, and not read since
 * @property {number} readAt                  when it was asked for last, by the page's own clock
 * @property {Set<(value: T) => void>} watchers
 */

/**
 * @typedef {object} Options
 * @property {string} workspaceSlug
 * @property {string} [baseUrl]               where the API is; default this site
 * @property {string} [token]                 an API token; without it the session's cookie counts
 * @property {string} [clientId]              this tab; default a random one
 * @property {number} [pollSeconds]           default `POLL_SECONDS`; 0 never polls
 * @property {typeof fetch} [fetch]
 */

export class WorkspaceBilling {
  /** @type {Map<string, Query<any>>} */ #queries = new Map();
  /** @type {Map<string, "under way" | "done">} */ #commands = new Map();
  /** @type {Options} */ #options;
  /** @type {{etag: string, body: Limitations} | null} */ #known = null;
  /** @type {(() => void) | null} */ #hush = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #poll;
  #polledAt = 0;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    /** This tab, as `X-Client-Id` says it. */
    this.clientId = options.clientId ?? newCommandId();
    /** @type {Scope} */
    this.scope = { workspaceSlug: options.workspaceSlug };
    this.provide(workspaceBillingLimitationsQueryKey(this.scope), () => this.#readLimitations());
    this.provide(workspaceBillingPlanStateQueryKey(this.scope), () => this.#get("/api/billing/plan-state"));
    this.provide(workspaceBillingPurchasesQueryKey(this.scope), () => this.#get("/api/billing/purchases"));
  }

  // --- reading

  /** The one accessor of limits: kept until something invalidates it. @returns {Promise<Limitations>} */
  limitations() {
    return this.get(workspaceBillingLimitationsQueryKey(this.scope));
  }

  /** @returns {Promise<Record<string, any>>} */
  planState() {
    return this.get(workspaceBillingPlanStateQueryKey(this.scope));
  }

  /** @returns {Promise<Record<string, any>>} */
  purchases() {
    return this.get(workspaceBillingPurchasesQueryKey(this.scope));
  }

  /**
   * Say how the query of `key` is read: another way than the API's JSON, or a query of your own.
   *
   * @template T
   * @param {QueryKey} key
   * @param {() => Promise<T>} read
   */
  provide(key, read) {
    const watchers = this.#queries.get(name(key))?.watchers ?? new Set();
    this.#queries.set(name(key), { key, read, value: undefined, error: null, reading: null, stale: true, readAt: -Infinity, watchers });
  }

  /** @param {QueryKey} key @returns {Promise<any>} */
  async get(key) {
    const query = this.#query(key);
    return query.stale || query.reading ? this.#read(query) : query.value;
  }

  /**
   * Be told every value of a query that is read from now on. Only what is watched is read again by itself.
   *
   * @param {QueryKey} key
   * @param {(value: any) => void} watcher
   * @returns {() => void} ends it
   */
  watch(key, watcher) {
    const { watchers } = this.#query(key);
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  }

  // --- invalidating

  /**
   * Something changed: read again what it can have made untrue. Takes an event of the socket, or `{changeSource}`.
   *
   * An event that this tab's own command brought about is passed over, for `mutate` has invalidated (or will) itself.
   *
   * @param {RealtimeEvent | {changeSource?: ChangeSource | string}} [event]
   * @returns {Promise<void>} when all of it was read
   */
  async invalidate(event = {}) {
    if ("eventType" in event && this.#isOwn(event)) return;
    const source = "eventType" in event ? event.payload?.changeSource : event.changeSource;
    await this.#refresh(keysInvalidatedBy(this.scope, source));
  }

  /** Read everything again that is watched or was read. @returns {Promise<void>} */
  async invalidateAll() {
    await this.#refresh([...this.#queries.values()].map((query) => query.key));
  }

  /**
   * Do something that changes limits: sent with a key, so that it may be repeated, and with this tab's id. What can have
   * changed is read again as soon as the answer is there, without waiting for the socket.
   *
   * @param {string} path
   * @param {{method?: string, body?: any, headers?: Record<string, string>, commandId?: string, changeSource?: ChangeSource}} [how]
   * @returns {Promise<any>} the answer's JSON, null without one
   * @throws {ApiProblem} when it was refused
   */
  async mutate(path, { method = "POST", body, headers = {}, commandId = newCommandId(), changeSource = "consumption" } = {}) {
    return this.command(commandId, changeSource, async (own) => {
      const answer = await this.#fetch(path, {
        method,
        body: body === undefined ? undefined : JSON.stringify(body),
        headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers, ...own },
      });
      return read(answer);
    });
  }

  /**
   * The same for a request of your own: `send` gets the headers that go with it.
   *
   * @template T
   * @param {string} commandId
   * @param {ChangeSource} changeSource
   * @param {(headers: {"Idempotency-Key": string, "X-Client-Id": string}) => Promise<T>} send
   * @returns {Promise<T>}
   */
  async command(commandId, changeSource, send) {
    this.#commands.set(commandId, "under way");
    try {
      const answer = await send({ "Idempotency-Key": commandId, "X-Client-Id": this.clientId });
      this.#commands.set(commandId, "done");
      void this.invalidate({ changeSource });
      return answer;
    } catch (error) {
      this.#commands.delete(commandId);
      // Without an answer it may have happened all the same, and its event may have come and been passed over.
      if (!(error instanceof ApiProblem)) void this.invalidate({ changeSource });
      throw error;
    } finally {
      this.#forgetOldCommands();
    }
  }

  // --- staying right

  /**
   * Follow a socket, and poll. Without a socket polling alone keeps it right.
   *
   * @param {RealtimeSocket | null} [socket]
   * @returns {() => void} ends both
   */
  follow(socket = null) {
    this.#hush?.();
    const end = socket?.subscribe({
      workspaceSlug: this.scope.workspaceSlug,
      topics: [WORKSPACE_BILLING_LIMITS],
      onEvent: (event) => void this.invalidate(event),
      onReady: () => void this.invalidateAll(), // something may have happened before, or while the line was down
    });
    globalThis.document?.addEventListener("visibilitychange", this.#look);
    this.#polledAt = Date.now();
    this.#pollLater();
    this.#hush = () => {
      end?.();
      clearTimeout(this.#poll);
      globalThis.document?.removeEventListener("visibilitychange", this.#look);
      this.#hush = null;
    };
    return this.#hush;
  }

  #pollLater() {
    clearTimeout(this.#poll);
    const seconds = this.#options.pollSeconds ?? POLL_SECONDS;
    if (!seconds || globalThis.document?.visibilityState === "hidden") return;
    const rest = this.#polledAt + seconds * 1000 - Date.now();
    this.#poll = setTimeout(this.#look, Math.max(0, rest));
  }

  /** The page is looked at, and it is time. */
  #look = () => {
    const seconds = this.#options.pollSeconds ?? POLL_SECONDS;
    const visible = globalThis.document?.visibilityState !== "hidden";
    if (seconds && visible && Date.now() - this.#polledAt >= seconds * 1000) {
      this.#polledAt = Date.now();
      void this.invalidateAll();
    }
    this.#pollLater();
  };

  // --- inside

  /** @param {QueryKey} key @returns {Query<any>} */
  #query(key) {
    const query = this.#queries.get(name(key));
    if (!query) throw new Error(`there is no query ${name(key)}`);
    return query;
  }

  /** @param {RealtimeEvent} event */
  #isOwn(event) {
    return event.sourceClientId === this.clientId && event.commandId !== null && this.#commands.has(event.commandId);
  }

  #forgetOldCommands() {
    for (const [commandId, state] of this.#commands) {
      if (this.#commands.size <= 200) return;
      if (state === "done") this.#commands.delete(commandId);
    }
  }

  /** @param {QueryKey[]} keys */
  async #refresh(keys) {
    const concerned = keys.map((key) => this.#query(key));
    for (const query of concerned) query.stale = true;
    const wanted = concerned.filter((query) => query.watchers.size);
    await Promise.allSettled(wanted.map((query) => this.#read(query)));
  }

  /**
   * Read a query, once for all who ask while it is being read; again if it was invalidated meanwhile.
   *
   * @param {Query<any>} query
   */
  #read(query) {
    query.reading ??= (async () => {
      try {
        while (query.stale) {
          const rest = query.readAt + LEAST_PAUSE - performance.now();
          if (rest > 0) await new Promise((done) => setTimeout(done, rest));
          query.stale = false;
          query.readAt = performance.now();
          query.value = await query.read();
          query.error = null;
          tell(query);
        }
      } catch (error) {
        query.stale = true;
        query.error = error;
        throw error;
      } finally {
        query.reading = null;
      }
      return query.value;
    })();
    return query.reading;
  }

  /** @returns {Promise<Limitations>} */
  async #readLimitations() {
    const headers = /** @type {Record<string, string>} */ (this.#known ? { "If-None-Match": this.#known.etag } : {});
    const answer = await this.#fetch("/api/billing/limitations", { headers });
    if (answer.status === 304 && this.#known) return this.#known.body;
    const body = await read(answer);
    const etag = answer.headers.get("ETag");
    this.#known = etag ? { etag, body } : null;
    return body;
  }

  /** @param {string} path */
  async #get(path) {
    return read(await this.#fetch(path, {}));
  }

  /** @param {string} path @param {RequestInit & {headers?: Record<string, string>}} init */
  #fetch(path, init) {
    const { baseUrl = "", token, fetch: send = globalThis.fetch.bind(globalThis) } = this.#options;
    const unsafe = !["GET", "HEAD"].includes(init.method ?? "GET");
    return send(baseUrl + path, {
      credentials: token ? "omit" : "same-origin",
      cache: "no-store",
      ...init,
      headers: {
        Accept: "application/json",
        "x-workspace-slug": this.scope.workspaceSlug,
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...(unsafe && !token ? { "X-CSRFToken": cookie("csrftoken") } : {}),
        ...init.headers,
      },
    });
  }
}

/** A watcher that fails must not keep others from being told. @param {Query<any>} query */
function tell({ watchers, value }) {
  for (const watcher of [...watchers]) {
    try {
      watcher(value);
    } catch (error) {
      globalThis.reportError?.(error);
    }
  }
}

/** @param {QueryKey} key */
const name = (key) => key.join("/");

/** @param {string} wanted */
function cookie(wanted) {
  const found = (globalThis.document?.cookie ?? "").split("; ").find((pair) => pair.startsWith(`${wanted}=`));
  return found ? decodeURIComponent(found.slice(wanted.length + 1)) : "";
}

/** @param {Response} answer @returns {Promise<any>} */
async function read(answer) {
  const text = await answer.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    // A proxy in between may answer with a page.
  }
  if (answer.ok) return body;
  throw new ApiProblem(answer.status, body ?? { error: `The server answered ${answer.status}.`, code: "ERROR", details: {} });
}
