/* global uPlot */
/** Time series of the nodes, a line for each node, over the last minutes. */
import { el, setText } from "./dom.js";

const SECONDS = 300;
const LIGHT = ["#0b7c72", "#c2571a", "#5b5bd6", "#b0186f", "#46700f", "#0a6fb8", "#8a5a00", "#6e5772"];
const DARK = ["#3fc9b8", "#ff9a5c", "#a5a5ff", "#ff83c1", "#a8d85c", "#6cc0ff", "#e8bd55", "#c9aecd"];

/** The measurements of all nodes so far, at common moments. */
export class Series {
  times = [];
  /** By host: an object of arrays of the same length as `times`. */
  hosts = new Map();

  /** `values` has for each host an object of numbers, or nothing if it did not answer. */
  add(time, values, names) {
    this.times.push(time);
    for (const host of values.keys()) {
      if (!this.hosts.has(host)) {
        const gap = () => Array.from({ length: this.times.length - 1 }, () => null);
        this.hosts.set(host, Object.fromEntries(names.map((name) => [name, gap()])));
      }
    }
    for (const [host, series] of this.hosts) {
      for (const name of names) series[name].push(values.get(host)?.[name] ?? null);
    }
    if (this.times.length <= SECONDS) return;
    this.times.shift();
    for (const [host, series] of this.hosts) {
      for (const name of names) series[name].shift();
      if (names.every((name) => series[name].every((value) => value === null))) this.hosts.delete(host);
    }
  }
}

export function colours() {
  const theme = document.documentElement.dataset.theme;
  const dark = theme === undefined ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark";
  return dark ? DARK : LIGHT;
}

export function colourOf(at) {
  const all = colours();
  return all[at % all.length];
}

/** One plot in a card: the name, the value of now or under the pointer, and the lines. */
export class Plot {
  constructor(title, name, format, { min = 1 } = {}) {
    this.name = name;
    this.format = format;
    this.min = min;
    this.title = title;
    this.now = el("span.now", {}, "–");
    this.box = el("div.plot", { role: "img", "aria-label": title });
    this.element = el("section.card", {}, el("header", {}, el("h2", {}, title), this.now), this.box);
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(this.box);
  }

  /** Draws the series. The lines are made again only when the nodes or the colours changed. */
  draw(series) {
    const hosts = [...series.hosts.keys()];
    const key = `${hosts.join()} ${colourOf(0)}`;
    const data = [series.times, ...hosts.map((host) => series.hosts.get(host)[this.name])];
    if (key !== this.key) this.#make(hosts, data, key);
    else this.plot.setData(data, false);
    const [last] = series.times.slice(-1);
    this.plot.setScale("x", { min: Math.max(last - SECONDS, Math.min(series.times[0], last - 60)), max: last });
    this.hosts = hosts;
    if (typeof this.hovered !== "number") this.#tell(data[0].length - 1);
  }

  #make(hosts, data, key) {
    this.plot?.destroy();
    this.key = key;
    const style = getComputedStyle(document.documentElement);
    const [muted, line] = [style.getPropertyValue("--muted").trim(), style.getPropertyValue("--line").trim()];
    const font = '11px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
    const axis = { stroke: muted, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    this.plot = new uPlot(
      {
        width: Math.max(200, this.box.clientWidth - 14),
        height: 142,
        padding: [8, 4, 0, 0],
        legend: { show: false },
        cursor: { sync: { key: "nodes" }, drag: { x: false, y: false }, points: { size: 6 }, y: false },
        scales: { x: { time: true }, y: { range: (_plot, _min, max) => [0, Math.max(this.min, (max ?? 0) * 1.15)] } },
        axes: [
          { ...axis, grid: { show: false }, size: 24, space: 90, values: (_plot, times) => times.map(minuteOf) },
          { ...axis, size: 52, space: 34, values: (_plot, values) => values.map((value) => this.format(value)) },
        ],
        series: [
          {},
          ...hosts.map((host, at) => ({
            label: host,
            stroke: colourOf(at),
            width: 1.75,
            points: { show: false },
            ...(hosts.length === 1 && { fill: `${colourOf(at)}1f` }),
          })),
        ],
        hooks: {
          setCursor: [(plot) => {
            this.hovered = plot.cursor.idx;
            this.#tell(plot.cursor.idx ?? plot.data[0].length - 1);
          }],
        },
      },
      data,
      this.box,
    );
  }

  #tell(at) {
    const values = this.plot.data.slice(1).map((line) => line[at]);
    const known = values.filter((value) => typeof value === "number");
    const text = known.length === 0
      ? "–"
      : values.map((value) => (typeof value === "number" ? this.format(value) : "–")).join("  ·  ");
    setText(this.now, text);
    this.box.setAttribute("aria-label", `${this.title}, now by node: ${text}`);
  }

  #resize() {
    if (this.plot) this.plot.setSize({ width: Math.max(200, this.box.clientWidth - 14), height: 142 });
  }

  destroy() {
    this.observer.disconnect();
    this.plot?.destroy();
  }
}

function minuteOf(seconds) {
  return new Date(seconds * 1_000).toLocaleTimeString("en-GB", { hour12: false });
}
