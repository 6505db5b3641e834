// A pane for each node of the demo.

const { storage, panes } = await (await fetch("panes.json")).json();
document.getElementById("storage").textContent = `Storage: ${storage}.`;
document.getElementById("panes").replaceChildren(...panes.map(paneOf));

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

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
