// The chat page, over meshsocket/client: it moves from node to node by itself, and counts what it hears.

import { connect } from "./client.js";

const MAX_LINES = 500;
const TRAFFIC_MS = 200;
const RETRY_MS = 200;
const NAME_TAKEN_OVER = 4409;
/** Errors after which a message may or may not have arrived: it is said again, under the same number. */
const UNSURE = new Set(["unknown", "unavailable", "deadline_exceeded", "canceled", "internal"]);

/** @import { Call, NodeClients, Outcome, ToPage } from "./chat.ts" */
/** @import { MeshWebSocket } from "../client/index.ts" */
/** @typedef {{ name: string, runtime: string, away: boolean, sent: number, received: number, missing: number, doubled: number }} FromFrame */
/** @typedef {{ dead: readonly string[], traffic: boolean }} ToFrame */

const log = part("log", HTMLElement);
const to = part("to", HTMLSelectElement);
const nameInput = part("name", HTMLInputElement);
const textInput = part("text", HTMLInputElement);
const sendButton = part("send", HTMLButtonElement);
const state = part("state", HTMLElement);
const outcome = part("outcome", HTMLElement);

const query = new URL(location.href).searchParams;
const nodes = query.get("nodes")?.split(",") ?? [location.href];

/** The runtime of each node, as it was last known: a node whose clients are gone says nothing of itself. */
const runtimes = new Map(/** @type {[string, string][]} */ ([]));
/** The people of each node, as they were last known. */
const people = new Map(/** @type {[string, readonly string[]][]} */ ([]));
/** The nodes that were killed. */
let dead = new Set(/** @type {string[]} */ ([]));

let ownName = query.get("name")?.trim().slice(0, 32) ?? "";
/** @type {MeshWebSocket | undefined} */
let ws;
/** Which of the nodes is tried next. */
let turn = 0;
let asked = false;
let runtime = "";

/** This page among those that count: its name in each message that it says. */
const run = Math.random().toString(36).slice(2, 10);
let number = 0;
const counts = { sent: 0, received: 0, missing: 0, doubled: 0 };
/** The last number of each page that says something. @type {Map<string, number>} */
const last = new Map();
/** The last message that was heard, while those before it come again: a page that moved gets more than it missed. @type {string | undefined} */
let catchingUp;
/** Whether this page is new: what was said before is shown to it, and not counted. */
let isNew = true;
/** @type {string | undefined} */
let latest;
/** Messages are said one at a time, so that their order is that of their numbers. @type {Promise<unknown>} */
let saying = Promise.resolve();
/** @type {ReturnType<typeof setInterval> | undefined} */
let traffic;

/**
 * An element of the page.
 *
 * @template {HTMLElement} Type
 * @param {string} id
 * @param {new () => Type} type
 * @returns {Type}
 */
function part(id, type) {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`the page has no ${id}`);
}

function open() {
  ws?.close();
  part("notice", HTMLElement).hidden = true;
  showState("connecting", "connecting");
  const opened = connect(address, { minDelayMs: 100, maxDelayMs: 1_000, connectTimeoutMs: 3_000 });
  ws = opened;
  const isCurrent = () => opened === ws;
  opened.addEventListener("message", ({ data }) => {
    if (isCurrent()) receive(/** @type {ToPage} */ (JSON.parse(String(data))));
  });
  opened.addEventListener("open", () => {
    if (isCurrent()) void join();
  });
  opened.addEventListener("away", () => {
    if (isCurrent()) showState("connecting", "connecting again");
  });
  opened.addEventListener("close", ({ code, reason }) => {
    if (isCurrent()) closed(code, reason);
  });
}

/** The address for the next attempt: the node of this page first, then the others in turn. */
function address() {
  const url = new URL("ws", nodes[turn++ % nodes.length]);
  url.search = new URLSearchParams({ name: ownName }).toString();
  return url;
}

/** A new client gets what was said lately; what this page heard before is left out. */
async function join() {
  catchingUp = latest;
  for (const opened = ws; opened === ws;) {
    try {
      await call({ type: "join" });
      catchingUp = undefined;
      isNew = false;
      return;
    } catch (error) {
      if (!(await again(error))) return;
    }
  }
}

/**
 * @param {number} code
 * @param {string} reason
 */
function closed(code, reason) {
  const why = code === NAME_TAKEN_OVER
    ? `The name “${ownName}” was taken over by a newer connection (${code}).`
    : `The server closed the connection (${code}${reason ? `: ${reason}` : ""}).`;
  showState("closed", "closed");
  part("notice-text", HTMLElement).textContent = why;
  part("notice", HTMLElement).hidden = false;
}

/** @param {ToPage} message */
function receive(message) {
  switch (message.type) {
    case "welcome":
      turn--;
      asked = false;
      runtime = message.runtime;
      part("where", HTMLElement).textContent = `on ${message.runtime}, ${message.node}`;
      showState("connected", "connected");
      ask();
      break;
    case "said":
      said(message);
      break;
    case "changed":
      ask();
      break;
    case "who":
      showWho(message.nodes);
      break;
    case "failed":
      addLine("failed", "", message.why);
      break;
    default:
  }
}

/** @param {ToPage & { type: "said" }} message */
function said({ from, text, direct, run: page, number: count }) {
  if (page !== undefined && count !== undefined) {
    const id = `${page}:${count}`;
    if (catchingUp !== undefined) {
      if (id === catchingUp) catchingUp = undefined;
      return;
    }
    latest = id;
    const before = last.get(page) ?? count - 1;
    if (!isNew) {
      counts.received++;
      if (count <= before) counts.doubled++;
      else counts.missing += count - before - 1;
    }
    last.set(page, Math.max(before, count));
    report();
  }
  if (text !== "") addLine(direct ? "direct" : "said", from, text);
}

/** Asks who is there; once for all that changes in the same moment. */
function ask() {
  if (asked) return;
  asked = true;
  setTimeout(() => {
    asked = false;
    if (ws?.readyState === 1) ws.send(JSON.stringify({ type: "who" }));
  }, 50);
}

// ---- saying ----

/**
 * @param {Call} message
 * @returns {Promise<Outcome>}
 */
async function call(message) {
  if (!ws) throw new Error("there is no connection");
  return /** @type {Outcome} */ (JSON.parse(String(await ws.request(JSON.stringify(message)))));
}

/**
 * Whether to try once more after an error, once some time passed.
 * @param {unknown} error
 */
async function again(error) {
  const { code } = /** @type {{ code?: string }} */ (error ?? {});
  if (code === undefined || !UNSURE.has(code) || state.dataset["state"] === "closed") return false;
  await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  return true;
}

/**
 * Says something to everyone, once: however often that has to be tried, it has one number.
 * @param {string} text
 * @returns {Promise<Outcome>}
 */
function say(text) {
  const saidNow = saying.then(async () => {
    const message = /** @type {const} */ ({ type: "say", run, number: number + 1, text });
    for (;;) {
      try {
        const result = await call(message);
        number++;
        counts.sent++;
        report();
        return result;
      } catch (error) {
        if (!(await again(error))) throw error;
      }
    }
  });
  saying = saidNow.catch(() => {});
  return saidNow;
}

/**
 * @param {string} text
 * @param {string} id
 */
async function write(text, id) {
  const started = performance.now();
  const elsewhere = state.dataset["state"] !== "connected";
  showOutcome("", elsewhere ? "waiting for a node …" : "sending …");
  try {
    const { delivered, held } = id === "" ? await say(text) : await call({ type: "to", id, text });
    if (id !== "" && delivered === 0) return failed(`Nobody called “${id}” is connected: not sent.`);
    if (id !== "") addLine("sent", `to ${id}`, text);
    if (textInput.value === text) textInput.value = "";
    const took = performance.now() - started;
    showOutcome("good", `delivered ${delivered}${held > 0 ? `, held ${held}` : ""} in ${took.toFixed(1)} ms`);
  } catch (error) {
    failed(`Not sent: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

/**
 * The text stays where it is, to be sent again.
 * @param {string} why
 */
function failed(why) {
  addLine("failed", "", why);
  showOutcome("bad", "not sent");
}

/**
 * @param {"" | "good" | "bad"} kind
 * @param {string} words
 */
function showOutcome(kind, words) {
  outcome.className = kind;
  outcome.textContent = words;
}

// ---- showing ----

/**
 * @param {"connecting" | "connected" | "closed"} now
 * @param {string} words
 */
function showState(now, words) {
  state.dataset["state"] = now;
  state.textContent = words;
  sendButton.disabled = now === "closed" || (now === "connecting" && runtime === "");
  if (now !== "connected") part("where", HTMLElement).textContent = "";
  report();
}

function report() {
  const { sent, received, missing, doubled } = counts;
  part("counts", HTMLElement).textContent =
    `sent ${sent} · received ${received} · missing ${missing} · doubled ${doubled}`;
  if (window === window.parent) return;
  const away = state.dataset["state"] !== "connected";
  /** @type {FromFrame} */
  const message = { name: ownName, runtime, away, ...counts };
  window.parent.postMessage(message, location.origin);
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Partial<HTMLElementTagNameMap[Tag]>} properties
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/**
 * @param {string} className
 * @param {string} who
 * @param {string} words
 */
function addLine(className, who, words) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const label = who ? [element("b", { textContent: who })] : [];
  const own = who === ownName ? " own" : "";
  log.append(element("li", { className: className + own }, ...label, words));
  while (log.childElementCount > MAX_LINES) log.firstElementChild?.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

/** @param {readonly NodeClients[]} known */
function showWho(known) {
  const here = new Set(known.filter(({ node }) => !dead.has(node)).flatMap(({ ids }) => ids));
  for (const { node, runtime: name, ids } of known) {
    if (name) runtimes.set(node, name);
    // People of a dead node stay in sight until they are on another.
    people.set(node, dead.has(node) ? (people.get(node) ?? []).filter((id) => !here.has(id)) : ids);
  }
  for (const node of people.keys()) {
    if (!dead.has(node) && !known.some((each) => each.node === node)) people.delete(node);
  }
  showPeople();
}

function showPeople() {
  const items = [...people].sort(([one], [other]) => one.localeCompare(other));
  part("who", HTMLElement).replaceChildren(...items.map(([node, ids]) => nodeItem(node, ids)));
  const ids = items.flatMap(([node, some]) => (dead.has(node) ? [] : some)).filter((id) => id !== ownName);
  showReceivers([...new Set(ids)].sort());
}

/**
 * @param {string} node
 * @param {readonly string[]} ids
 */
function nodeItem(node, ids) {
  const isDead = dead.has(node);
  const known = element("span", { className: "runtime", textContent: runtimes.get(node) ?? "" });
  const title = element("div", { className: "node" }, known, element("span", { className: "host", textContent: node }));
  const items = ids.length > 0
    ? ids.map((id) => element("li", {}, personButton(id, isDead)))
    : [element("li", { className: "nobody", textContent: isDead ? "down" : "nobody" })];
  return element("li", { className: isDead ? "dead" : "" }, title, element("ul", {}, ...items));
}

/**
 * @param {string} id
 * @param {boolean} isDead
 */
function personButton(id, isDead) {
  const own = id === ownName;
  const button = element("button", {
    type: "button",
    textContent: own ? `${id} (you)` : id,
    title: isDead ? `the node of ${id} is down` : own ? "" : `Write to ${id} alone`,
    disabled: own || isDead,
  });
  if (own) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => {
    to.value = id;
    textInput.focus();
  });
  return button;
}

/**
 * Who is chosen stays chosen, also when gone: what is meant for one must not go to everyone.
 * @param {readonly string[]} ids
 */
function showReceivers(ids) {
  const chosen = to.value;
  const options = chosen === "" || ids.includes(chosen) ? ids : [...ids, chosen];
  to.replaceChildren(
    element("option", { value: "", textContent: "everyone" }),
    ...options.map((id) => element("option", { value: id, textContent: id })),
  );
  to.value = chosen;
}

/** @param {string} wanted */
function rename(wanted) {
  ownName = wanted;
  nameInput.value = ownName;
  const url = new URL(location.href);
  url.searchParams.set("name", ownName);
  history.replaceState(null, "", url);
  document.title = `${ownName} · meshsocket chat`;
  open();
}

part("write", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  void write(textInput.value, to.value);
});
part("rename", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = nameInput.value.trim();
  if (wanted !== "") rename(wanted);
});
part("again", HTMLButtonElement).addEventListener("click", open);

// The page around this one knows which nodes were killed, and whether to send by itself.
addEventListener("message", ({ data, origin, source }) => {
  if (origin !== location.origin || source !== window.parent) return;
  const heard = /** @type {ToFrame} */ (data);
  const before = [...dead].join();
  dead = new Set(heard.dead);
  if ([...dead].join() !== before) {
    showPeople();
    ask();
  }
  if (heard.traffic && traffic === undefined) traffic = setInterval(() => void say("").catch(() => {}), TRAFFIC_MS);
  if (!heard.traffic) {
    clearInterval(traffic);
    traffic = undefined;
  }
});

// The newest message stays in sight when the log gets smaller.
new ResizeObserver(() => (log.scrollTop = log.scrollHeight)).observe(log);

// In a frame, what is around it says where it is.
document.documentElement.classList.toggle("framed", window !== window.top);
rename(ownName || `guest-${Math.random().toString(36).slice(2, 6)}`);
