/** The page of one client or of one topic: why, what happened, tap, send, disconnect. */
import { get, post, stream } from "./api.js";
import { ago, bytes, clock, el, empty, setText } from "./dom.js";

const GOOD = new Set(["connected", "listeners"]);
const WARN = new Set(["away", "moving", "slow", "handler_pending", "nobody", "taken_over", "closed", "node_closed"]);
const MAX_TAPPED = 300;
const ARROWS = { sent: "→ sent", received: "← received", published: "⇉ published" };

export class SubjectPage {
  constructor(kind, value) {
    this.kind = kind;
    this.value = value;
    this.title = value;
    this.isClient = kind === "id";
    this.state = el("p.sub", { role: "status" }, "Asking all nodes…");
    this.findings = el(
      "div",
      {},
      el("div.finding", {}, el("i"), el("p", {}, el("span.bone", {}, "What the nodes know is on its way"))),
    );
    this.facts = el("dl.facts");
    this.events = el("ol.events");
    const list = this.isClient ? ["#/clients", "Clients"] : ["#/topics", "Topics"];
    this.element = el(
      "div.stack",
      {},
      el(
        "div.head",
        {},
        el("div", {}, el("p.crumb", {}, el("a", { href: list[0] }, list[1]), " / "), el("h1", {}, value), this.state),
        el(
          "div.tools",
          {},
          el("button", { type: "button", onclick: () => this.#load() }, "Ask again"),
          this.isClient ? this.#disconnectButton() : "",
        ),
      ),
      el(
        "div.split",
        {},
        el("div.stack", {}, card("Why", this.findings, true), card("What happened", this.events, true, "later")),
        el(
          "div.stack",
          {},
          card("Now", this.facts),
          this.#tapCard(),
          card(this.isClient ? "Send to this client" : "Publish to this topic", this.#sendForm()),
        ),
      ),
    );
  }

  enter(failed) {
    this.failed = failed;
    void this.#load();
  }

  leave() {
    this.tapping?.abort();
    this.left = true;
  }

  async #load() {
    try {
      const answer = await get("why", { [this.kind]: this.value });
      if (!this.left) this.#show(answer);
    } catch (error) {
      this.failed(error);
    }
  }

  #show({ findings, clients, topics, holder, records, unheard, sinceMs }) {
    const [client] = clients;
    const listeners = topics.reduce((sum, topic) => sum + topic.listeners, 0);
    setText(
      this.state,
      this.isClient
        ? (client ? `${client.away ? "Away" : "Connected"} · ${client.host} · ${ago(client.sinceMs)}` : "Not connected")
        : `${listeners.toLocaleString("en")} listeners`,
    );
    this.findings.replaceChildren(
      ...findings.map(({ cause, text, fix }) =>
        el(
          "div.finding",
          {},
          el(`i.dot.${GOOD.has(cause) ? "good" : WARN.has(cause) ? "warn" : "bad"}`, { "aria-hidden": "true" }),
          el("div", {}, el("p", {}, text), el("p", {}, fix)),
        )
      ),
    );
    const facts = this.isClient
      ? clientFacts(client, holder)
      : topics.map(({ host, listeners: count }) => [host, `${count.toLocaleString("en")} listeners`]);
    for (const { host, reason } of unheard) facts.push([host, `did not answer: ${reason}`]);
    this.facts.replaceChildren(...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
    if (facts.length === 0) this.facts.replaceChildren(el("dt", {}, "Nodes"), el("dd", {}, "none"));
    this.events.replaceChildren(...records.toReversed().map(eventOf));
    if (records.length === 0) {
      this.events.replaceChildren(
        el(
          "li",
          {},
          el("span", {}, "Nothing"),
          "",
          el("span.what", {}, `since ${new Date(sinceMs).toLocaleString("en-GB")}`),
        ),
      );
    }
    this.disconnect?.toggleAttribute("disabled", !client);
  }

  // ---- tap ----

  #tapCard() {
    this.tapped = el("ol.tapped", { "aria-label": "Messages as they pass", tabindex: "0" });
    this.tapped.append(
      el(
        "li.nothing",
        {},
        empty("No tap runs", "It shows messages as they pass on any node, and costs the others nothing."),
      ),
    );
    this.button = el(
      "button",
      { type: "button", onclick: () => (this.tapping ? this.#stopTap() : this.#startTap()) },
      "Start",
    );
    this.payloads = el("input", { type: "checkbox", id: "payloads" });
    const tools = el(
      "span.now",
      { style: { display: "flex", gap: "12px", "align-items": "center" } },
      el("label.check", { for: "payloads" }, this.payloads, "contents"),
      this.button,
    );
    return el(
      "section.card",
      {},
      el("header", { style: { "padding-bottom": "12px", "align-items": "center" } }, el("h2", {}, "Tap"), tools),
      this.tapped,
    );
  }

  async #startTap() {
    const tapping = this.tapping = new AbortController();
    setText(this.button, "Stop");
    this.payloads.disabled = true;
    this.tapped.replaceChildren();
    const query = { [this.kind]: this.value, payloads: String(this.payloads.checked) };
    try {
      await stream("tap", query, tapping.signal, (message) => this.#tapLine(message));
      this.#note("ended", "the tap ended");
    } catch (error) {
      if (!tapping.signal.aborted) this.#note("failed", error.message);
    }
    if (this.tapping === tapping) this.#stopTap();
  }

  #stopTap() {
    this.tapping?.abort();
    this.tapping = undefined;
    setText(this.button, "Start");
    this.payloads.disabled = false;
  }

  #note(kind, text) {
    this.#tapLine({ kind, text, atMs: Date.now(), missed: 0, host: "", bytes: 0, payload: "" });
  }

  #tapLine(message) {
    const { kind, atMs, missed } = message;
    const below = this.tapped.scrollHeight - this.tapped.scrollTop - this.tapped.clientHeight < 40;
    this.tapped.append(el(
      "li",
      {},
      el("time", {}, clock(atMs)),
      el(`span.arrow-${kind}`, {}, ARROWS[kind] ?? kind),
      el("span.mono", {}, contentOf(message), missed > 0 ? el("span.chip.warn", {}, `${missed} left out`) : ""),
    ));
    while (this.tapped.childElementCount > MAX_TAPPED) this.tapped.firstElementChild.remove();
    if (below) this.tapped.scrollTop = this.tapped.scrollHeight;
  }

  // ---- actions ----

  #sendForm() {
    const input = el("input", {
      type: "text",
      id: "message",
      autocomplete: "off",
      placeholder: "Text to send",
      required: true,
    });
    const said = el("p.said", { role: "status" }, "");
    const send = async (event) => {
      event.preventDefault();
      try {
        const answer = await post(this.isClient ? "emit" : "publish", {
          [this.kind]: this.value,
          message: input.value,
        });
        setText(
          said,
          this.isClient
            ? (answer.accepted ? "Accepted." : "Not accepted: the reasons are above.")
            : deliveryOf(answer.delivery),
        );
        if (answer.accepted !== false) input.value = "";
      } catch (error) {
        setText(said, error.message);
      }
      void this.#load();
    };
    return el(
      "div",
      {},
      el(
        "form.send",
        { onsubmit: send },
        el("label.sr", { for: "message" }, "Text to send"),
        input,
        el("button.main", { type: "submit" }, "Send"),
      ),
      said,
    );
  }

  #disconnectButton() {
    const button = el("button.danger", { type: "button", disabled: true }, "Disconnect");
    let sure = false;
    let timer;
    const calm = () => {
      sure = false;
      setText(button, "Disconnect");
    };
    button.addEventListener("click", async () => {
      clearTimeout(timer);
      if (!sure) {
        sure = true;
        setText(button, "Disconnect now?");
        timer = setTimeout(calm, 4_000);
        return;
      }
      calm();
      try {
        await post("disconnect", { id: this.value });
      } catch (error) {
        this.failed(error);
      }
      setTimeout(() => this.#load(), 200);
    });
    return (this.disconnect = button);
  }
}

function card(title, content, flush = false, order = "") {
  const body = flush
    ? el("div", { style: { "margin-top": "12px", "border-top": "1px solid var(--line)" } }, content)
    : el("div.body", {}, content);
  const kind = order === "" ? "section.card" : `section.card.${order}`;
  return el(kind, { "aria-label": title }, el("header", {}, el("h2", {}, title)), body);
}

function clientFacts(client, holder) {
  const stored = holder ? `${holder.host}${holder.confirmed ? "" : ", which does not have it"}` : "names no node";
  if (!client) return [["Storage", stored]];
  const tags = client.topics.map((topic) => el("a.chip", { href: `#/topics/${encodeURIComponent(topic)}` }, topic));
  return [
    ["Node", client.host],
    ["Storage", stored],
    ["Since", `${new Date(client.sinceMs).toLocaleString("en-GB")} (${ago(client.sinceMs)})`],
    ["Address", client.address || "unknown"],
    ["Protocol", client.protocol || "plain WebSocket"],
    ["User", client.user || "none"],
    ["Buffer", `${bytes(client.bufferedBytes)} of ${bytes(client.maxBufferedBytes)}`],
    ["Sent", `${client.sent.toLocaleString("en")} messages`],
    ["Topics", tags.length > 0 ? el("div.tags", {}, ...tags) : "none"],
  ];
}

function eventOf({ atMs, host, kind, text, code, times }) {
  const chip = { connected: "good", resumed: "good", node: "", away: "warn", nobody: "warn", closed: "warn" }[kind] ??
    "bad";
  return el(
    "li",
    {},
    el("time", { datetime: new Date(atMs).toISOString(), title: new Date(atMs).toISOString() }, clock(atMs)),
    el("span", {}, el(chip === "" ? "span.chip" : `span.chip.${chip}`, {}, kind)),
    el(
      "span.what",
      {},
      `${code > 0 ? `${code} ` : ""}${text} `,
      el("span", {}, `· ${times > 1 ? `${times} times · ` : ""}${host}`),
    ),
  );
}

function contentOf({ kind, bytes: size, binary, payload, text, host, offered }) {
  if (!(kind in ARROWS)) return `${text}${host ? ` ${host}` : ""}`.trim();
  const amount = `${size} ${binary ? "bytes" : "characters"}`;
  const to = kind === "published" ? ` to ${offered}` : "";
  if (!payload) return `${amount}${to}`;
  const raw = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
  const content = binary
    ? Array.from(raw.subarray(0, 64), (byte) => byte.toString(16).padStart(2, "0")).join(" ")
    : new TextDecoder().decode(raw);
  return `${content}${raw.length < size ? "…" : ""}`;
}

function deliveryOf({ delivered = 0, held = 0, dropped = 0, unreachable = [] } = {}) {
  return `Delivered ${delivered}, held ${held}, dropped ${dropped}${
    unreachable.length > 0 ? `, not reached: ${unreachable.join(", ")}` : ""
  }.`;
}
