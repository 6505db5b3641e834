/** Draws bench/results.json: `results.svg`, the scenarios as bars, and `curves.svg`, what grows as lines. `npm run bench -- --write` calls it. */
import { readFileSync, writeFileSync } from "node:fs";
import { init } from "echarts";
import type { Results } from "../run/results.ts";
import { bars } from "./bars.ts";
import { lines } from "./lines.ts";
import type { Drawing } from "./panels.ts";

const file = (name: string): URL => new URL(`../${name}`, import.meta.url);

function draw(name: string, { width, height, options }: Drawing): void {
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption({ animation: false, backgroundColor: "#ffffff", ...options });
  writeFileSync(file(name), `${chart.renderToSVGString()}\n`);
  chart.dispose();
}

const results = JSON.parse(readFileSync(file("results.json"), "utf8")) as Results;
draw("results.svg", bars(results));
draw("curves.svg", lines(results));
