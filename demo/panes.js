// A pane for each node of the demo.

/** @import { Pane } from "../tools/demo.ts" */

const answer = await fetch("panes.json");
const { storage, panes } = /** @type {{ storage: string, panes: Pane[] }} */ (await answer.json());
part("storage").textContent = `Storage: ${storage}.`;
part("panes").replaceChildren(...panes.map(paneOf));

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

/** @param {Pane} pane */
function paneOf({ runtime, version, host, url, visitor }) {
  const title = `${runtime} ${version}`;
  const src = `${url}/?${new URLSearchParams({ name: visitor })}`;
  const header = element(
    "header",
    {},
    element("h2", { textContent: title }),
    element("span", { textContent: host }),
    element("a", { href: url, target: "_blank", rel: "noopener", textContent: "open alone" }),
  );
  return element("section", {}, header, element("iframe", { src, title: `Chat on ${title}` }));
}
