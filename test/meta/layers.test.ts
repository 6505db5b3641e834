import assert from "node:assert/strict";
import { test } from "node:test";
import { importsOf, readFiles, type SourceFile } from "./source.ts";

/** A layer of the core; a file imports from its own layer and from those above it in this table. */
interface Layer {
  name: string;
  files: readonly string[];
}

/** From what everything stands on to what the user imports. The names are paths below src/ without `.ts`. */
const LAYERS: readonly Layer[] = [
  { name: "generated", files: ["gen/*"] },
  {
    name: "words",
    files: [
      "error",
      "close-code",
      "limits",
      "logger",
      "random-id",
      "tick",
      "check",
      "host",
      "local-address",
      "json",
      "pipe",
      "pack",
      "backoff",
      "until-aborted",
      "rate",
      "origin",
      "proxy",
    ],
  },
  {
    name: "seams",
    files: [
      ...[
        "frame",
        "frame-header",
        "burst",
        "socket",
        "verbs",
        "deadline",
        "batch",
        "backlog",
        "hub-events",
        "except",
        "cut-after",
      ],
      ...["storage/storage", "storage/abort"],
    ],
  },
  { name: "storages", files: ["storage/*"] },
  {
    name: "one node",
    files: [
      ...[
        "hub",
        "hub-options",
        "gate",
        "addresses",
        "pulse",
        "heartbeat",
        "auth",
        "subprotocol",
        "text-ping",
        "first-message",
        "client",
        "session",
        "serve",
        "admission",
        "admissions",
        "connection",
        "clients",
        "fan-out",
        "topics",
        "drain",
        "in-flight",
        "handlers",
        "members",
        "presence-view",
        "presence-watch",
        "presences",
        "requests",
        "connection-owner",
      ],
      ...["subscriptions", "sender", "local", "whatwg-socket", "memory-pair"],
    ],
  },
  {
    name: "between nodes",
    files: [
      ...[
        "token",
        "rpc-*",
        "fetch-transport",
        "line",
        "line-name",
        "byte-stream",
        "packed-*",
        "link",
        "link-call",
        "presence-feed",
        "stall",
        "incoming-lines",
        "reclaim",
        "evictions",
        "presence-lines",
        "receive-request",
        "receive-members",
        "request-table",
        "link-options",
        "links",
        "items",
        "inbox",
        "receive",
      ],
      ...["router", "reach", "audience", "interest", "membership"],
    ],
  },
  {
    name: "the cluster",
    files: ["dist-*", "cluster", "claims", "cluster-service", "cluster-verbs", "direct-verbs", "websocket-service"],
  },
  { name: "the public surface", files: ["index", "proto"] },
];

/** The imports that point the wrong way, and the files that stand in no layer. */
function wrongImports(files: readonly SourceFile[], layers: readonly Layer[]): string[] {
  const lines: string[] = [];
  for (const file of files) {
    const own = layerOf(file.path, layers);
    if (own < 0) lines.push(`${file.path} stands in no layer: add it to the table of test/meta/layers.test.ts`);
    for (const target of importsOf(file).filter((path) => path.startsWith("src/"))) {
      const theirs = layerOf(target, layers);
      if (own >= 0 && theirs > own) {
        lines.push(`${file.path} (${layers[own]?.name}) imports ${target} (${layers[theirs]?.name})`);
      }
    }
    for (const target of importsOf(file).filter((path) => /^(?:adapters|tools|test)\//.test(path))) {
      lines.push(`${file.path} imports ${target} from outside the core`);
    }
  }
  return lines;
}

function layerOf(path: string, layers: readonly Layer[]): number {
  const name = path.replace(/^src\//, "").replace(/\.ts$/, "");
  // An exact name wins over a pattern of another layer.
  const exact = layers.findIndex(({ files }) => files.includes(name));
  return exact >= 0 ? exact : layers.findIndex(({ files }) => files.some((pattern) => matches(name, pattern)));
}

function matches(name: string, pattern: string): boolean {
  return pattern.endsWith("*") && name.startsWith(pattern.slice(0, -1));
}

test("imports of the core point one way", () => {
  assert.deepEqual(wrongImports(readFiles("src/**/*.ts"), LAYERS), []);
});

test("an import that points the wrong way is found", () => {
  const files = [
    { path: "src/frame.ts", text: 'import { error } from "./error.ts";\nimport type { Hub } from "./hub.ts";' },
    { path: "src/hub.ts", text: 'export {\n  type Link,\n} from "./link.ts"; // import "./dist-hub.ts"' },
    { path: "src/storage/memory.ts", text: 'const later = import("../../adapters/node.ts");' },
    { path: "src/stray.ts", text: "" },
  ];
  assert.deepEqual(wrongImports(files, LAYERS), [
    "src/frame.ts (seams) imports src/hub.ts (one node)",
    "src/hub.ts (one node) imports src/link.ts (between nodes)",
    "src/storage/memory.ts imports adapters/node.ts from outside the core",
    "src/stray.ts stands in no layer: add it to the table of test/meta/layers.test.ts",
  ]);
});
