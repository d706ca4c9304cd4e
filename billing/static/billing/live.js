// @ts-check
/**
 * Keeps a page of a workspace fresh: reads again the parts that an event can have changed, and sends its forms without
 * leaving it. What the page says is said by the server alone; without this script it is right when it was loaded.
 *
 * `[data-live-page data-workspace]` is the page. `[data-live data-part]` are its parts: `data-part` is what `?part=` calls
 * it, `data-live` the query it follows (`limitations`, `planState`, `purchases`, or another that only polls). `data-topics`
 * of the page are topics beside the limits, whose events change the parts that follow `limitations`.
 * `form[data-act]` is sent with a key and this tab's id; its answer is the page, whole. It is emptied once it was carried
 * out, unless it has `data-keep`.
 *
 * @module billing/live
 */

import { RealtimeSocket } from "../realtime/socket.js";
import { WorkspaceBilling, newCommandId } from "./limitations.js";

/** Milliseconds a line may be down before the page says so. */
const PATIENCE = 4000;

/** @param {HTMLElement} page */
export function keepFresh(page) {
  const workspaceSlug = page.dataset.workspace ?? "";
  const billing = new WorkspaceBilling({ workspaceSlug });
  const parts = [.../** @type {NodeListOf<HTMLElement>} */ (page.querySelectorAll("[data-live][data-part]"))];
  for (const query of new Set(parts.map((part) => part.dataset.live ?? ""))) {
    /** @type {import("./limitations.js").QueryKey} */
    const key = ["workspaces", workspaceSlug, "billing", query];
    const mine = parts.filter((part) => part.dataset.live === query);
    billing.provide(key, () => Promise.all(mine.map(readPart)));
    billing.watch(key, (texts) => mine.forEach((part, index) => show(page, part, texts[index])));
  }
  const socket = new RealtimeSocket();
  billing.follow(socket);
  for (const topic of (page.dataset.topics ?? "").split(" ").filter(Boolean)) {
    socket.subscribe({ workspaceSlug, topics: [topic], onEvent: (event) => void billing.invalidate(event) });
  }
  sayWhenTheLineIsDown(page, socket);
  page.addEventListener("submit", (event) => void send(page, billing, /** @type {SubmitEvent} */ (event)));
  return { billing, socket };
}

/** @param {HTMLElement} part @returns {Promise<string>} */
async function readPart(part) {
  const url = new URL(location.href);
  url.searchParams.set("part", part.dataset.part ?? "");
  const answer = await fetch(url, { headers: { Accept: "text/html" }, cache: "no-store", credentials: "same-origin" });
  if (!answer.ok || answer.redirected) throw new Error(`the part ${part.dataset.part} could not be read: ${answer.status}`);
  return answer.text();
}

/**
 * Put what the server says now in the place of what it said before, and tell those who do not see it where a limit came into
 * another state. Only what differs is touched, so that nobody loses the field they are in.
 *
 * @param {HTMLElement} page @param {HTMLElement} part @param {string} text
 */
function show(page, part, text) {
  const before = statesOf(part);
  const after = document.createElement("div");
  after.append(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
  become(part, after, false);
  const news = [...statesOf(part)].filter(([code, said]) => before.has(code) && before.get(code)?.state !== said.state);
  if (news.length) say(page, news.map(([, { sentence }]) => sentence).join(" "));
}

/** @param {HTMLElement} part */
function statesOf(part) {
  const found = new Map();
  for (const limit of part.querySelectorAll("[data-limit]")) {
    const state = limit.querySelector("[data-state]")?.textContent ?? "";
    const name = limit.querySelector("h2, h3, h4")?.textContent ?? "";
    found.set(limit.getAttribute("data-limit"), { state, sentence: `${name}: ${state}.` });
  }
  return found;
}

/** @param {HTMLElement} page @param {string} words */
function say(page, words) {
  const said = page.querySelector("[data-live-said]");
  if (said) said.textContent = words;
}

/**
 * Make `node` what `wanted` is, in place. Children with an id are found by it wherever they went.
 *
 * @param {Element} node @param {Element} wanted @param {boolean} [itself] its attributes, too
 */
function become(node, wanted, itself = true) {
  if (itself) {
    for (const { name } of [...node.attributes]) {
      const opened = name === "open" && node instanceof HTMLDetailsElement;
      if (!wanted.hasAttribute(name) && !opened) node.removeAttribute(name);
    }
    for (const { name, value } of wanted.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  const byId = new Map([...node.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = node.firstChild;
  for (const next of [...wanted.childNodes]) {
    const known = next instanceof Element && next.id ? byId.get(next.id) : undefined;
    const same = known ?? (place && isLike(place, next) ? place : undefined);
    if (!same) {
      node.insertBefore(next, place);
      continue;
    }
    if (same === place) place = place.nextSibling;
    else node.insertBefore(same, place);
    if (same instanceof Element && next instanceof Element) become(same, next);
    else if (same.nodeValue !== next.nodeValue) same.nodeValue = next.nodeValue;
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

/** @param {Node} one @param {Node} other */
function isLike(one, other) {
  if (one.nodeName !== other.nodeName) return false;
  return !(one instanceof Element && other instanceof Element) || one.id === other.id;
}

/**
 * Send a form as the browser would, with a key and this tab's id, and show the page that is answered.
 *
 * @param {HTMLElement} page @param {WorkspaceBilling} billing @param {SubmitEvent} event
 */
async function send(page, billing, event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!(form instanceof HTMLFormElement) || form.dataset.act === undefined) return;
  event.preventDefault();
  const body = new FormData(form, event.submitter);
  const commandId = String(body.get("key") || newCommandId());
  const button = /** @type {HTMLButtonElement | null} */ (event.submitter ?? form.querySelector("button"));
  if (button) button.disabled = true;
  try {
    await billing.command(commandId, "consumption", async (headers) => {
      const answer = await fetch(form.action, { method: "POST", body, headers, credentials: "same-origin" });
      const shown = new DOMParser().parseFromString(await answer.text(), "text/html");
      const whole = shown.querySelector("[data-live-page]");
      if (!whole) {
        location.reload(); // signed out, or refused by something that is not this page
        return;
      }
      for (const place of whole.querySelectorAll("[data-part], [data-said-part]")) {
        const here = document.getElementById(place.id);
        if (here) become(here, place, false);
      }
      const told = [...page.querySelectorAll("[data-said-part] [role=status]")].map((each) => each.textContent);
      if (told.length) say(page, told.join(" ")); // an alert is read aloud when it comes; what was always a status is not
      if (answer.ok && form.dataset.keep === undefined) form.reset();
    });
  } catch {
    say(page, "The server could not be reached. Nothing is lost: try again.");
  } finally {
    if (button) button.disabled = false;
  }
}

/** @param {HTMLElement} page @param {RealtimeSocket} socket */
function sayWhenTheLineIsDown(page, socket) {
  const words = /** @type {HTMLElement | null} */ (page.querySelector("[data-live-state]"));
  if (!words) return;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let later;
  const look = () => {
    clearTimeout(later);
    page.dataset.line = socket.state;
    if (socket.state === "open") {
      words.hidden = true;
      return;
    }
    later = setTimeout(() => {
      words.textContent = "Live updates are interrupted. The page looks for changes every 30 seconds.";
      words.hidden = false;
    }, PATIENCE);
  };
  socket.addEventListener("state", look);
  look();
}

const page = /** @type {HTMLElement | null} */ (document.querySelector("[data-live-page]"));
if (page) keepFresh(page);
