import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { SessionFactory } from "../../src/client/session.ts";
import { RawClient } from "../kit/raw.ts";
import type { PromiseThat } from "./adapter.ts";

/** A Response as another library makes it: the same members, and no instance of the global class. */
class ForeignResponse {
  readonly #own: Response;

  constructor(body: string, init: ResponseInit) {
    this.#own = new Response(body, init);
  }

  get status(): number {
    return this.#own.status;
  }

  get headers(): Headers {
    return this.#own.headers;
  }

  get body(): unknown {
    return this.#own.body;
  }
}

/** A Response that was made before `globalThis.Response` was replaced, as `@hono/node-server` does. */
async function afterReplacement<Result>(run: (response: Response) => Promise<Result>): Promise<Result> {
  const Original = Response;
  globalThis.Response = class extends Original {};
  try {
    return await run(new Original("made before", { status: 403, headers: { "x-from": "the original" } }));
  } finally {
    globalThis.Response = Original;
  }
}

/** The answer that `fetch()` gets from an authentication service that refuses. */
async function refusedByService(): Promise<Response> {
  const service = createServer((_, response) => {
    response.writeHead(401, { "content-type": "text/plain", "x-from": "the service" });
    response.end("no such user");
  });
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  try {
    return await fetch(`http://127.0.0.1:${(service.address() as AddressInfo).port}/`);
  } finally {
    service.close();
  }
}

/** Values that are no decision, each with the words in which the log names it. */
const NO_DECISIONS: readonly [value: unknown, named: RegExp][] = [
  [undefined, /must be a plain object, not undefined/],
  [null, /not null/],
  [false, /not a boolean/],
  [true, /not a boolean/],
  ["forbidden", /not a string/],
  [403, /not a number/],
  [[], /not an array/],
  [() => {}, /not a function/],
  [new Error("forbidden"), /an instance of Error/],
  [new Map([["id", "ann"]]), /an instance of Map/],
  [new URL("http://localhost"), /an instance of URL/],
  [{ statusCode: 401 }, /unknown option "statusCode"/],
  [{ onEvnt: () => {} }, /did you mean onEvent/],
  [{ onEvent: "x" }, /onEvent must be a function, not a string/],
  [{ status: 700, headers: new Headers() }, /status 700 cannot be sent/],
];

/** What every way of serving a hub promises about what a session may return. */
export function decisions(promise: PromiseThat): void {
  let returned: () => unknown = () => ({});
  const session = (() => returned()) as SessionFactory;
  const upgrade = async (port: number): Promise<{ status: number; from: string | null; body: string }> => {
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    const { status, headers } = await client.head();
    const body = status === 101 ? "" : await client.body(1);
    client.socket.destroy();
    return { status, from: headers.get("x-from"), body };
  };

  promise("a Response of any class refuses with its status, headers and text", session, async ({ hub, port }) => {
    returned = () => new ForeignResponse("by a library", { status: 402, headers: { "x-from": "a library" } });
    assert.partialDeepStrictEqual(await upgrade(port), { status: 402, from: "a library" });
    returned = () => afterReplacement((response) => Promise.resolve(response));
    assert.partialDeepStrictEqual(await upgrade(port), { status: 403, from: "the original" });
    await afterReplacement(async (response) => {
      returned = () => response;
      assert.partialDeepStrictEqual(await upgrade(port), { status: 403, from: "the original" });
    });
    for (const answer of [refusedByService, async () => (await refusedByService()).clone()]) {
      returned = answer;
      assert.partialDeepStrictEqual(await upgrade(port), { status: 401, from: "the service" });
    }
    assert.equal(hub.size, 0);
  });

  promise("a Response whose body was read refuses all the same", session, async ({ hub, port }) => {
    returned = async () => {
      const response = new Response("read", { status: 418 });
      await response.text();
      return response;
    };
    const client = await RawClient.connect(port);
    client.handshake("/ws");
    assert.equal((await client.head()).status, 418);
    client.socket.destroy();
    assert.equal(hub.size, 0);
  });

  promise("anything else refuses with 500, and the hub tells what came", session, async ({ hub, port }) => {
    const errors: unknown[] = [];
    hub.on("refused", ({ error }) => errors.push(error));
    for (const [value, named] of NO_DECISIONS) {
      errors.length = 0;
      returned = () => value;
      assert.equal((await upgrade(port)).status, 500, String(named));
      returned = () => Promise.resolve(value);
      assert.equal((await upgrade(port)).status, 500, String(named));
      assert.equal(hub.size, 0);
      assert.equal(errors.length, 2);
      for (const error of errors) assert.match(String(error), named);
    }
  });
}
