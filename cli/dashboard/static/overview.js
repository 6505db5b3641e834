/** The first page: figures of the cluster, time series by node, and the nodes. */
import { ago, bytes, el, empty, setText, short, split } from "./dom.js";
import { colourOf, Plot, Series } from "./plots.js";

const NAMES = ["clients", "sent", "received", "loop", "memory", "lease"];

export class Overview {
  title = "Overview";
  #series = new Series();
  #before = new Map();
  #figures = {};
  #plots = [
    new Plot("Clients", "clients", short, { min: 4 }),
    new Plot("Messages out per second", "sent", short, { min: 4 }),
    new Plot("Messages in per second", "received", short, { min: 4 }),
    new Plot("Event loop delay", "loop", (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`, { min: 10 }),
    new Plot("Memory", "memory", bytes, { min: 1e8 }),
    new Plot("Lease left", "lease", (seconds) => `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`, { min: 1 }),
  ];
  #legend = el("ul.legend", { "aria-label": "Nodes by colour" });
  #rows = el("tbody");
  #sub = el("p.sub", {}, "Looking at the nodes…");

  constructor() {
    const figure = (name, label) => {
      const value = el("dd", {}, "–");
      const note = el("p.note", {}, "");
      this.#figures[name] = { value, note };
      return el("div.card.figure", {}, el("dt", {}, label), value, note);
    };
    const head = ["Node", "Status", "Clients", "In", "Out", "Loop", "Memory", "Lease", "Links", "Version"];
    const right = new Set(["Clients", "In", "Out", "Loop", "Memory", "Links"]);
    this.element = el(
      "div.stack",
      {},
      el("div.head", {}, el("div", {}, el("h1", {}, "Cluster"), this.#sub)),
      el(
        "dl.figures",
        {},
        figure("clients", "Clients"),
        figure("sent", "Messages out"),
        figure("received", "Messages in"),
        figure("bytes", "Traffic out"),
        figure("topics", "Topics"),
      ),
      el(
        "div.stack",
        { style: { gap: "12px" } },
        this.#legend,
        el("div.plots", {}, ...this.#plots.map(({ element }) => element)),
      ),
      el(
        "section.card",
        { "aria-label": "Nodes" },
        el(
          "div.scroll",
          {},
          el(
            "table.cards",
            {},
            el("caption.sr", {}, "The nodes of the cluster"),
            el(
              "thead",
              {},
              el("tr", {}, ...head.map((name) => el(right.has(name) ? "th.num" : "th", { scope: "col" }, name))),
            ),
            this.#rows,
          ),
        ),
      ),
    );
    this.#rows.append(
      ...[0, 1].map(() => el("tr", {}, el("td.name", { colspan: "10" }, el("span.bone", {}, "10.0.0.5:8081")))),
    );
  }

  enter() {
    if (this.#series.times.length > 0) this.redraw();
  }

  /** Takes a look at the nodes in; draws it only if the page is shown. */
  update(nodes, shown) {
    const values = new Map();
    for (const { host, state } of nodes) {
      if (!state) continue;
      const rates = ratesOf(this.#before.get(host), state);
      this.#before.set(host, state);
      values.set(host, {
        clients: state.clients,
        sent: rates?.sent ?? null,
        received: rates?.received ?? null,
        sentBytes: rates?.sentBytes ?? null,
        loop: state.loopDelayMs,
        memory: state.memoryBytes,
        lease: state.leaseLeftMs / 1_000,
      });
    }
    this.#series.add(Date.now() / 1_000, values, NAMES);
    this.nodes = nodes;
    this.values = values;
    if (shown) this.redraw();
  }

  redraw() {
    if (!this.nodes) return;
    for (const plot of this.#plots) plot.draw(this.#series);
    this.#drawFigures();
    this.#drawNodes();
  }

  #drawFigures() {
    const states = this.nodes.flatMap(({ state }) => (state ? [state] : []));
    const sum = (pick) => states.reduce((total, state) => total + pick(state), 0);
    const rate = (name) => [...this.values.values()].reduce((total, value) => total + (value[name] ?? 0), 0);
    const away = sum(({ away: count }) => count);
    this.#figure("clients", ...split(sum(({ clients }) => clients)), away > 0 ? `${short(away)} of them away` : "");
    this.#figure("sent", ...withUnit(rate("sent"), "/s"), `${short(sum(({ totals }) => totals.sent))} so far`);
    this.#figure(
      "received",
      ...withUnit(rate("received"), "/s"),
      `${short(sum(({ totals }) => totals.received))} so far`,
    );
    const [amount, unit] = bytes(rate("sentBytes")).split(" ");
    const dropped = sum(({ totals }) => totals.dropped);
    this.#figure("bytes", amount, `${unit}/s`, dropped > 0 ? `${short(dropped)} messages dropped` : "nothing dropped");
    this.#figure("topics", ...split(Math.max(0, ...states.map(({ topics }) => topics))), "on the largest node");
    const silent = this.nodes.length - states.length;
    setText(
      this.#sub,
      `${this.nodes.length} nodes${silent > 0 ? `, of which ${silent} do not answer` : ""} · updated each second`,
    );
  }

  #figure(name, amount, unit, note) {
    const { value, note: small } = this.#figures[name];
    if (value.textContent !== `${amount}${unit}`) {
      value.replaceChildren(String(amount), unit ? el("small", {}, unit) : "");
    }
    setText(small, note);
  }

  #drawNodes() {
    const hosts = [...this.#series.hosts.keys()];
    const legend = `${hosts.join()} ${colourOf(0)}`;
    if (this.#legend.dataset.key !== legend) {
      this.#legend.dataset.key = legend;
      this.#legend.replaceChildren(
        ...hosts.map((host, at) =>
          el("li", {}, el("i", { style: { "--series": colourOf(at) }, "aria-hidden": "true" }), host)
        ),
      );
    }
    const rows = this.nodes.map((node) => rowOf(node, this.values.get(node.host)));
    this.#rows.replaceChildren(
      ...rows.length > 0
        ? rows
        : [el("tr", {}, el("td", { colspan: "10" }, empty("No nodes", "The node that was asked knows of none.")))],
    );
  }
}

/** The rates of a node between two states of one life. */
function ratesOf(before, now) {
  const seconds = before?.life === now.life ? (now.timeMs - before.timeMs) / 1_000 : 0;
  if (seconds <= 0) return undefined;
  const rate = (name) => Math.max(0, (now.totals[name] - before.totals[name]) / seconds);
  return { sent: rate("sent"), received: rate("received"), sentBytes: rate("sent_bytes") };
}

function withUnit(count, unit) {
  const [amount, letter] = split(count);
  return [amount, `${letter}${unit}`];
}

function rowOf({ host, state, unheard }, rates) {
  if (!state) {
    return el(
      "tr",
      {},
      el("td.name", {}, host),
      el("td", { colspan: "9" }, el("span.chip.bad", {}, "does not answer"), " ", unheard),
    );
  }
  const kind = { ready: "good", draining: "warn", announced: "warn" }[state.status] ?? "bad";
  const part = Math.max(0, Math.min(1, state.leaseLeftMs / state.leaseMs));
  const lease = el(
    part < 0.34 ? "span.meter.low" : "span.meter",
    {},
    el("i", { "aria-hidden": "true" }, el("b", { style: { width: `${Math.round(part * 100)}%` } })),
    `${(state.leaseLeftMs / 1_000).toFixed(1)} s`,
  );
  const open = state.links.filter((link) => link.open).length;
  const rate = (value) => (typeof value === "number" ? `${short(value)}/s` : "–");
  return el(
    "tr",
    {},
    el("td.name", {}, host),
    el("td", { title: state.reason }, el(`span.chip.${kind}`, {}, `${state.status} · ${ago(state.sinceMs)}`)),
    el("td.num", { "data-label": "Clients" }, short(state.clients)),
    el("td.num", { "data-label": "In" }, rate(rates?.received)),
    el("td.num", { "data-label": "Out" }, rate(rates?.sent)),
    el("td.num", { "data-label": "Loop" }, `${state.loopDelayMs.toFixed(1)} ms`),
    el("td.num", { "data-label": "Memory" }, bytes(state.memoryBytes)),
    el("td", { "data-label": "Lease" }, lease),
    el("td.num", { "data-label": "Links" }, `${open}/${state.links.length}`),
    el("td.dim", { "data-label": "Version" }, state.version),
  );
}
