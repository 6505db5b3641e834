/** The page: its parts by the address, one look at the nodes each second, and what is said when something is wrong. */
import { get, setKey, takeKey, WrongKey } from "./api.js";
import { el, setText } from "./dom.js";
import { ListPage } from "./lists.js";
import { Overview } from "./overview.js";
import { SubjectPage } from "./subject.js";

const EVERY_MS = 1_000;
const main = document.getElementById("main");
const health = document.getElementById("health");
const banner = document.getElementById("banner");

/** Kept while other pages are shown, so that the plots have no hole. */
const overview = new Overview();
let page;
let timer;

function pageOf(hash) {
  const [, name = "", encoded = ""] = hash.split("/");
  const value = decodeURIComponent(encoded);
  if (name === "clients" && value !== "") return new SubjectPage("id", value);
  if (name === "topics" && value !== "") return new SubjectPage("topic", value);
  if (name === "clients" || name === "topics") return new ListPage(name);
  return overview;
}

function show() {
  page?.leave?.();
  page = pageOf(location.hash);
  const at = location.hash.split("/")[1] || "overview";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === at) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${page.title} · meshsocket`;
  main.replaceChildren(page.element);
  page.enter?.(failed);
}

async function look() {
  clearTimeout(timer);
  const startedMs = performance.now();
  try {
    if (!document.hidden) seen(await get("state"));
  } catch (error) {
    failed(error);
    if (error instanceof WrongKey) return;
  }
  timer = setTimeout(look, Math.max(100, EVERY_MS - (performance.now() - startedMs)));
}

function seen({ nodes }) {
  banner.hidden = true;
  overview.update(nodes, page === overview);
  const ready = nodes.filter(({ state }) => state?.status === "ready").length;
  const good = ready === nodes.length;
  health.querySelector("i").className = `dot ${good ? "good" : "bad"}`;
  setText(
    health.querySelector("span"),
    good ? `${ready} ${ready === 1 ? "node" : "nodes"} ready` : `${ready} of ${nodes.length} nodes ready`,
  );
}

function failed(error) {
  if (error instanceof WrongKey) return login(error.message);
  banner.hidden = false;
  setText(
    banner,
    error instanceof TypeError
      ? "The dashboard does not answer: is the program that serves it still running?"
      : `${error.message}. The page goes on asking.`,
  );
  health.querySelector("i").className = "dot bad";
  setText(health.querySelector("span"), "Not connected");
}

function login(how) {
  clearTimeout(timer);
  banner.hidden = true;
  setText(health.querySelector("span"), "Locked");
  const input = el("input", { type: "password", id: "key", autocomplete: "current-password", required: true });
  const enter = (event) => {
    event.preventDefault();
    setKey(input.value.trim());
    show();
    void look();
  };
  const form = el(
    "form.body",
    { onsubmit: enter },
    el("h1", {}, "This page is locked"),
    el("p", {}, how),
    el("label", { for: "key" }, el("span.sr", {}, "Key"), input),
    el("button.main", { type: "submit" }, "Open"),
  );
  main.replaceChildren(el("section.card.login", {}, form));
  input.focus();
}

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme === undefined
    ? matchMedia("(prefers-color-scheme: dark)").matches
    : root.dataset.theme === "dark";
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("meshsocket.theme", root.dataset.theme);
  overview.redraw();
});

const theme = localStorage.getItem("meshsocket.theme");
if (theme) document.documentElement.dataset.theme = theme;
takeKey();
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#key=")) {
    takeKey();
    void look();
  }
  show();
  main.focus();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void look();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => overview.redraw());
show();
void look();
