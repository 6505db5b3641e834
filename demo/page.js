// The chat page: a plain browser WebSocket, and what to do when it closes.

const MAX_LINES = 500;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;

/** Close codes after which the server wants us back: it restarts or is full, we were too slow, the line broke. */
const COME_BACK = new Set([1001, 1006, 1012, 1013, 4008]);
const NAME_TAKEN_OVER = 4409;

/** @import { FromPage, NodeClients, ToPage } from "./chat.ts" */

const log = part("log", HTMLElement);
const to = part("to", HTMLSelectElement);
const nameInput = part("name", HTMLInputElement);
const textInput = part("text", HTMLInputElement);
const sendButton = part("send", HTMLButtonElement);
const state = part("state", HTMLElement);

/** The runtime of each node, as it was last known: a node whose clients are gone says nothing of itself. */
const runtimes = new Map(/** @type {[string, string][]} */ ([]));

let ownName = new URL(location.href).searchParams.get("name")?.trim().slice(0, 32) ?? "";
/** @type {WebSocket | undefined} */
let socket;
let attempt = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let asked = false;

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

function connect() {
  clearTimeout(timer);
  socket?.close();
  part("notice", HTMLElement).hidden = true;
  showState("connecting", "connecting");
  const url = new URL("ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.search = new URLSearchParams({ name: ownName }).toString();
  const opened = new WebSocket(url);
  socket = opened;
  opened.addEventListener("message", (event) => {
    if (opened === socket) receive(/** @type {ToPage} */ (JSON.parse(String(event.data))));
  });
  opened.addEventListener("close", ({ code, reason }) => {
    if (opened === socket) closed(code, reason);
  });
}

/**
 * @param {number} code
 * @param {string} reason
 */
function closed(code, reason) {
  sendButton.disabled = true;
  showWho([]);
  if (COME_BACK.has(code)) {
    // Any moment of a window that doubles: who lost the same node must not come back all at once.
    const delay = Math.random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt++);
    showState("connecting", attempt > 1 ? `connecting, attempt ${attempt}` : "connecting again");
    timer = setTimeout(connect, delay);
    return;
  }
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
      attempt = 0;
      asked = false;
      part("where", HTMLElement).textContent = `on ${message.runtime}, ${message.node}`;
      sendButton.disabled = false;
      showState("connected", "connected");
      ask();
      break;
    case "said":
      addLine(message.direct ? "direct" : "said", message.from, message.text);
      break;
    case "sent":
      if (message.accepted) addLine("sent", `to ${message.to}`, message.text);
      else addLine("failed", "", `Nobody called “${message.to}” is connected: not sent.`);
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

/** Asks who is there; once for all that changes in the same moment. */
function ask() {
  if (asked) return;
  asked = true;
  setTimeout(() => {
    asked = false;
    send({ type: "who" });
  }, 50);
}

/** @param {FromPage} message */
function send(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

/**
 * @param {"connecting" | "connected" | "closed"} now
 * @param {string} words
 */
function showState(now, words) {
  state.dataset["state"] = now;
  state.textContent = words;
  if (now !== "connected") part("where", HTMLElement).textContent = "";
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
  log.append(element("li", { className }, ...label, words));
  while (log.childElementCount > MAX_LINES) log.firstElementChild?.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

/** @param {readonly NodeClients[]} nodes */
function showWho(nodes) {
  part("who", HTMLElement).replaceChildren(...nodes.map(nodeItem));
  const ids = nodes.flatMap(({ ids: some }) => some).filter((id) => id !== ownName);
  showReceivers([...new Set(ids)].sort());
}

/** @param {NodeClients} node */
function nodeItem({ node, runtime, ids }) {
  if (runtime) runtimes.set(node, runtime);
  const known = element("span", { className: "runtime", textContent: runtimes.get(node) ?? "" });
  const title = element("div", { className: "node" }, known, " ", node);
  const people = ids.length > 0
    ? ids.map((id) => element("li", {}, personButton(id)))
    : [element("li", { className: "nobody", textContent: "nobody" })];
  return element("li", {}, title, element("ul", {}, ...people));
}

/** @param {string} id */
function personButton(id) {
  const own = id === ownName;
  const button = element("button", {
    type: "button",
    textContent: own ? `${id} (you)` : id,
    title: own ? "" : `Write to ${id} alone`,
    disabled: own,
  });
  if (own) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => {
    to.value = id;
    showReceiver();
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
  showReceiver();
}

function showReceiver() {
  textInput.placeholder = to.value === "" ? "Message to everyone" : `Message to ${to.value} alone`;
}

/** @param {string} wanted */
function rename(wanted) {
  ownName = wanted;
  nameInput.value = ownName;
  const url = new URL(location.href);
  url.searchParams.set("name", ownName);
  history.replaceState(null, "", url);
  document.title = `${ownName} · meshsocket chat`;
  attempt = 0;
  connect();
}

part("write", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const text = textInput.value;
  if (send(to.value === "" ? { type: "say", text } : { type: "to", id: to.value, text })) textInput.value = "";
});
part("rename", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = nameInput.value.trim();
  if (wanted !== "") rename(wanted);
});
part("again", HTMLButtonElement).addEventListener("click", connect);
to.addEventListener("change", showReceiver);
addEventListener("online", () => {
  if (state.dataset["state"] === "connecting") connect();
});

// In a frame, what is around it says where it is.
document.documentElement.classList.toggle("framed", window !== window.top);
rename(ownName || `guest-${Math.random().toString(36).slice(2, 6)}`);
