import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { DEFAULT_LIMITS, type Limits } from "../src/base/limits.ts";

const HEAD = `# Limits

Every limit of a hub, what happens at it, and its default: \`new Hub({ limits: { maxMessageBytes: 65_536 } })\`. \`Infinity\` takes one away.
This table is written by \`npm run docs\` from [src/base/limits.ts](../src/base/limits.ts).

| limit | default | what it bounds, and what happens then |
| --- | --- | --- |
`;

const REST = `
## What a server keeps

The rest is kept by the server itself, and is no setting:

| | Node, Deno | Bun | over it |
| --- | --- | --- | --- |
| headers of a request, subprotocols among them | 16 kB in all | 16 kB in all, and 200 | 431 |
| a request whose headers do not end | 15 s, looked at every 2 s | 12 s | 408, or cut |
| a TLS handshake | 15 s | 12 s | cut |
| bytes of a client that still waits for its 101 | 64 kB | none | cut |
| an HTTP connection without a request | 5 s | 255 s | closed |
| a request's body, or an answer, that stands still | 300 s for the request | 255 s for either | cut |
| fragments of a message | \`fragmentsPerSecond\`, \`fragmentBurst\` | its bytes alone | 1008 |
| pongs that a client does not read | \`maxBufferedBytes\`, with all else that is held for it | \`controlBurst\` | no more pongs; on Bun cut |
| RPC port: connections | 4,096 | 4,096 | cut |
| RPC port: time of a new connection to make a call with a good token | 10 s | 10 s | cut |
| RPC port: streams of one HTTP/2 connection | 128 | 128 | refused, or the caller waits |
| RPC port: headers of a call | 16 kB | 16 kB | that stream or connection is ended |

## Who is dead

A client that was quiet is pinged, and cut as 1006 when it does not answer: within \`pingMs\` + \`pongMs\`. Browsers answer by themselves.
So it is with \`serve\`, with \`upgradeHandler\` on all runtimes, and with Hono. On Deno \`upgradeHandler\` leaves the pings to Deno, which takes the
longer of \`pingMs\` and twice \`pongMs\`; a client whose buffer stands still is cut by the hub.

A client behind an engine that the hub cannot make ping (Deno's, and a \`Socket\` of your own without \`ping\`) is asked by text, too, if it said
that it would answer: by the subprotocol of [requests](requests.md), or by two texts that the session names:

\`\`\`ts
const session = () => ({ textPing: { ping: "ping", pong: "pong" } });
\`\`\`

\`\`\`js
ws.onmessage = ({ data }) => data === "ping" ? ws.send("pong") : onMessage(data); // in the page
\`\`\`

Any message counts as a sign of life; the pong itself does not reach \`onEvent\`, nor does it count against \`idleTimeoutMs\`. Where the engine can ping, no
text is sent, so the same page works everywhere. A client that named neither is never sent a ping that it does not know, and is cut only
by \`idleTimeoutMs\` or when it takes nothing of what is held for it for \`pingMs\` + \`pongMs\`.
`;

/** The page of limits, from the docstrings of their interface. */
export function limitsDoc(source: string): string {
  const rows = [...source.matchAll(/^ {2}\/\*\* (.*) \*\/\n {2}(\w+): number;/gm)];
  return HEAD + rows.map(([, text = "", name = ""]) => `| \`${name}\` | ${defaultOf(name)} | ${text} |\n`).join("") +
    REST;
}

function defaultOf(name: string): string {
  return DEFAULT_LIMITS[name as keyof Limits].toLocaleString("en").replace("∞", "none");
}

const root = new URL("..", import.meta.url);
if (process.argv[1] && import.meta.url.endsWith(process.argv[1].split("/").at(-1) ?? "")) {
  const page = new URL("docs/limits.md", root);
  writeFileSync(page, limitsDoc(readFileSync(new URL("src/base/limits.ts", root), "utf8")));
}
