// A pane for each node of the demo, and what all panes count together.

/** @import { DemoState, Pane } from "../tools/demo.ts" */
/** @import { FromFrame, ToFrame } from "./page.js" */

const REFRESH_MS = 1_000;

/** @type {Map<string, { pane: Pane, section: HTMLElement, frame: HTMLIFrameElement, button: HTMLButtonElement }>} */
const panes = new Map();
/** The counters of each frame. @type {Map<MessageEventSource, FromFrame>} */
const counted = new Map();
const traffic = /** @type {HTMLButtonElement} */ (part("traffic"));

const first = await state();
part("storage").textContent = `Storage: ${first.storage}.`;
part("panes").replaceChildren(...first.panes.map((pane) => paneOf(pane, first.panes)));
show(first);
setInterval(() => void state().then(show, () => {}), REFRESH_MS);

addEventListener("message", ({ data, source, origin }) => {
  if (origin !== location.origin || !source) return;
  const heard = /** @type {FromFrame} */ (data);
  if (!counted.has(source)) tell();
  counted.set(source, heard);
  for (const name of /** @type {const} */ (["sent", "received", "missing", "doubled"])) {
    const sum = [...counted.values()].reduce((all, each) => all + each[name], 0);
    const shown = part(name);
    shown.textContent = sum.toLocaleString("en");
    shown.classList.toggle("bad", sum > 0 && (name === "missing" || name === "doubled"));
  }
  for (const { frame, section } of panes.values()) {
    if (frame.contentWindow !== source) continue;
    const at = section.querySelector(".at");
    if (at) at.textContent = heard.away ? "moving …" : heard.runtime ? `${heard.name} on ${heard.runtime}` : "";
    section.dataset["away"] = String(heard.away);
  }
});

traffic.addEventListener("click", () => {
  const on = traffic.getAttribute("aria-pressed") !== "true";
  traffic.setAttribute("aria-pressed", String(on));
  traffic.textContent = on ? "Stop traffic" : "Start traffic";
  tell();
});

/** @returns {Promise<DemoState>} */
async function state() {
  const answer = await fetch("panes.json");
  return /** @type {DemoState} */ (await answer.json());
}

/** Tells the frames which nodes are dead, and whether to send by themselves. */
function tell() {
  const dead = [...panes.values()].filter(({ pane }) => !pane.running).map(({ pane }) => pane.host);
  /** @type {ToFrame} */
  const message = { dead, traffic: traffic.getAttribute("aria-pressed") === "true" };
  for (const { frame } of panes.values()) frame.contentWindow?.postMessage(message, location.origin);
}

/** @param {DemoState} now */
function show(now) {
  for (const pane of now.panes) {
    const known = panes.get(pane.runtime);
    if (!known) continue;
    known.pane = pane;
    known.section.dataset["running"] = String(pane.running);
    known.button.textContent = pane.running ? "Kill" : "Start";
    known.button.setAttribute("aria-label", `${pane.running ? "Kill" : "Start"} the node on ${pane.runtime}`);
  }
  tell();
}

/** @param {string} id */
function part(id) {
  const found = document.getElementById(id);
  if (found) return found;
  throw new Error(`the page has no ${id}`);
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
 * @param {Pane} pane
 * @param {readonly Pane[]} all
 */
function paneOf(pane, all) {
  const { runtime, version, host, url, visitor } = pane;
  const title = `${runtime} ${version}`;
  // Its own node first, then the others.
  const nodes = [url, ...all.map((each) => each.url).filter((each) => each !== url)].join();
  const src = `chat?${new URLSearchParams({ name: visitor, nodes })}`;
  const frame = element("iframe", { src, title: `Chat on ${title}` });
  const button = element("button", { type: "button", className: "power" });
  const header = element(
    "header",
    {},
    element("span", { className: "lamp" }),
    element("h2", { textContent: title }),
    element("span", { className: "host", textContent: host }),
    element("span", { className: "at" }),
    button,
  );
  const section = element("section", {}, header, frame);
  button.addEventListener("click", () => void power(runtime, button));
  panes.set(runtime, { pane, section, frame, button });
  return section;
}

/**
 * @param {string} runtime
 * @param {HTMLButtonElement} button
 */
async function power(runtime, button) {
  const running = panes.get(runtime)?.pane.running;
  button.disabled = true;
  button.textContent = running ? "Killing …" : "Starting …";
  try {
    const answer = await fetch(`nodes/${runtime}/${running ? "kill" : "start"}`, { method: "POST" });
    show(/** @type {DemoState} */ (await answer.json()));
  } finally {
    button.disabled = false;
  }
}
