// The chat page: a plain browser WebSocket, and what to do when it closes.

const MAX_LINES = 500;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;

/** Close codes after which the server wants us back: it restarts or is full, we were too slow, the line broke. */
const COME_BACK = new Set([1001, 1006, 1012, 1013, 4008]);
const NAME_TAKEN_OVER = 4409;

const part = (id) => document.getElementById(id);
const log = part("log");
const to = part("to");

/** The runtime of each node, as it was last known: a node whose clients are gone says nothing of itself. */
const runtimes = new Map();

let name = new URL(location.href).searchParams.get("name")?.trim().slice(0, 32) ?? "";
let socket;
let attempt = 0;
let timer;
let asked = false;

function connect() {
  clearTimeout(timer);
  socket?.close();
  part("notice").hidden = true;
  showState("connecting", "connecting");
  const url = new URL("ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.search = new URLSearchParams({ name });
  const opened = new WebSocket(url);
  socket = opened;
  opened.addEventListener("message", ({ data }) => opened === socket && receive(JSON.parse(data)));
  opened.addEventListener("close", ({ code, reason }) => opened === socket && closed(code, reason));
}

function closed(code, reason) {
  part("send").disabled = true;
  showWho([]);
  if (COME_BACK.has(code)) {
    // Any moment of a window that doubles: who lost the same node must not come back all at once.
    const delay = Math.random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt++);
    showState("connecting", attempt > 1 ? `connecting, attempt ${attempt}` : "connecting again");
    timer = setTimeout(connect, delay);
    return;
  }
  const why = code === NAME_TAKEN_OVER
    ? `The name “${name}” was taken over by a newer connection (${code}).`
    : `The server closed the connection (${code}${reason ? `: ${reason}` : ""}).`;
  showState("closed", "closed");
  part("notice-text").textContent = why;
  part("notice").hidden = false;
}

function receive(message) {
  switch (message.type) {
    case "welcome":
      attempt = 0;
      asked = false;
      part("where").textContent = `on ${message.runtime}, ${message.node}`;
      part("send").disabled = false;
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

function send(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

function showState(state, words) {
  part("state").dataset.state = state;
  part("state").textContent = words;
  if (state !== "connected") part("where").textContent = "";
}

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function addLine(className, who, words) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const label = who ? [element("b", { textContent: who })] : [];
  log.append(element("li", { className }, ...label, words));
  while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function showWho(nodes) {
  part("who").replaceChildren(...nodes.map(nodeItem));
  const ids = nodes.flatMap(({ ids: some }) => some).filter((id) => id !== name);
  showReceivers([...new Set(ids)].sort());
}

function nodeItem({ node, runtime, ids }) {
  if (runtime) runtimes.set(node, runtime);
  const known = element("span", { className: "runtime", textContent: runtimes.get(node) ?? "" });
  const title = element("div", { className: "node" }, known, " ", node);
  const people = ids.length > 0
    ? ids.map((id) => element("li", {}, personButton(id)))
    : [element("li", { className: "nobody", textContent: "nobody" })];
  return element("li", {}, title, element("ul", {}, ...people));
}

function personButton(id) {
  const self = id === name;
  const button = element("button", {
    type: "button",
    textContent: self ? `${id} (you)` : id,
    title: self ? "" : `Write to ${id} alone`,
    disabled: self,
  });
  if (self) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => {
    to.value = id;
    showReceiver();
    part("text").focus();
  });
  return button;
}

/** Who is chosen stays chosen, also when gone: what is meant for one must not go to everyone. */
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
  part("text").placeholder = to.value === "" ? "Message to everyone" : `Message to ${to.value} alone`;
}

function rename(wanted) {
  name = wanted;
  part("name").value = name;
  const url = new URL(location.href);
  url.searchParams.set("name", name);
  history.replaceState(null, "", url);
  document.title = `${name} · meshsocket chat`;
  attempt = 0;
  connect();
}

part("write").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = part("text").value;
  if (send(to.value === "" ? { type: "say", text } : { type: "to", id: to.value, text })) part("text").value = "";
});
part("rename").addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = part("name").value.trim();
  if (wanted !== "") rename(wanted);
});
part("again").addEventListener("click", connect);
to.addEventListener("change", showReceiver);
addEventListener("online", () => part("state").dataset.state === "connecting" && connect());

// In a frame, what is around it says where it is.
document.documentElement.classList.toggle("framed", self !== top);
rename(name || `guest-${Math.random().toString(36).slice(2, 6)}`);
