/** A page in React that lists what it hears, and shows the state of its connection. */
import { createElement as h, type ReactElement, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { useMeshSocket } from "./use-mesh-socket.ts";

function App(): ReactElement {
  const [lines, setLines] = useState<readonly string[]>([]);
  const url = new URL("/ws", location.href);
  const { state, losses, send } = useMeshSocket(url.href, (message) => {
    if (typeof message === "string") setLines((all) => [...all, message]);
  });
  const submit = (form: FormData): void => {
    const text = form.get("text");
    if (typeof text === "string") void send(text);
  };
  return h(
    "main",
    null,
    h("p", { id: "state" }, losses > 0 ? `${state}, lost ${losses} times` : state),
    h("form", { action: submit }, h("input", { name: "text", "aria-label": "Message" }), h("button", null, "Send")),
    h("ul", null, ...lines.map((line, index) => h("li", { key: index }, line))),
  );
}

const root = document.getElementById("root");
if (root) createRoot(root).render(h(StrictMode, null, h(App)));
