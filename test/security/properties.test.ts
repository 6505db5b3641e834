import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { isHost } from "../../adapters/shared/upgrade-options.ts";
import { GoawayFilter, HTTP2_PREFACE } from "../../adapters/rpc/goaway-filter.ts";
import { bearerToken } from "../../src/door/auth.ts";
import { errorCode } from "../../src/base/error.ts";
import { Frame } from "../../src/send/frame.ts";
import { AnswerSchema, BatchSchema, Outcome, Status } from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { checkHost } from "../../src/base/host.ts";
import { Inbox } from "../../src/link/inbox.ts";
import { parseLineName } from "../../src/link/inbox.ts";
import { decodeControl } from "../../src/wire/v1.ts";
import { Requests } from "../../src/client/requests.ts";
import { offeredProtocols } from "../../src/door/subprotocol.ts";

const hostile = fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.webAuthority(), fc.ipV4(), fc.ipV6());

test("a host that is accepted is a name and a port to a URL, and nothing else", () => {
  fc.assert(
    fc.property(hostile, fc.nat(70_000), (name, port) => {
      const host = `${name}:${port}`;
      try {
        checkHost(host);
      } catch (error) {
        assert.equal(errorCode(error), "invalid_argument");
        return;
      }
      const url = new URL(`http://${host}/path`);
      assert.equal(url.pathname + url.search + url.hash + url.username + url.password, "/path");
      assert.equal(url.port === "" ? 80 : Number(url.port), port);
    }),
    { numRuns: 1_000 },
  );
});

test("a Host header that is accepted does not reach into path, query or user of a URL", () => {
  fc.assert(
    fc.property(hostile, (host) => {
      if (!isHost(host) || !URL.canParse(`http://${host}/path?query`)) return;
      const url = new URL(`http://${host}/path?query`);
      assert.equal(url.pathname + url.search + url.username + url.password, "/path?query");
    }),
    { numRuns: 1_000 },
  );
});

test("reading subprotocols and tokens throws nothing, and a token has no byte that could end a header", () => {
  const value = fc.string({ unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code)) });
  fc.assert(fc.property(value, fc.constantFrom("authorization", "sec-websocket-protocol"), (text, name) => {
    for (const prefix of ["", "Bearer ", "meshsocket.bearer."]) {
      const request = new Request("http://x/", { headers: { [name]: prefix + text } });
      assert.ok(offeredProtocols(request).every((protocol) => protocol !== ""));
      assert.match(bearerToken(request) ?? "a", /^[\w.~+/-]+=*$/);
    }
  }));
});

test("a control line is a reply only to the request whose number it names, whatever follows", async () => {
  const text = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `~reply ${rest}`),
    fc.nat().map((number) => `~reply ${number}\nx`),
  );
  await fc.assert(fc.asyncProperty(fc.array(text), fc.string(), async (noise, payload) => {
    const requests = new Requests(8);
    const asked = requests.ask(Frame.of("question"), 10_000, () => true);
    for (const message of noise.filter((each) => !each.startsWith("~reply 1\n"))) {
      const control = decodeControl(message);
      const bytes = decodeControl(new TextEncoder().encode(message));
      if (control?.type !== "reply") continue;
      assert.equal(bytes?.type, "reply");
      requests.reply(control.number, control.payload);
    }
    requests.reply(1, payload);
    assert.equal(await asked, payload);
  }));
});

function frame(type: number, length: number): Buffer {
  const bytes = Buffer.alloc(9 + length, type);
  bytes.writeUIntBE(length, 0, 3);
  bytes[3] = type;
  return bytes;
}

test("the filter takes out GOAWAY frames and nothing else, whatever the frames and however they are cut", () => {
  const frames = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.nat(40)));
  fc.assert(fc.property(frames, fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (list, sizes) => {
    const all = list.map(([type, length]) => frame(type, length));
    const sent = Buffer.concat([HTTP2_PREFACE, ...all]);
    const filter = new GoawayFilter();
    const passed: Buffer[] = [];
    for (let [at, turn] = [0, 0]; at < sent.length; turn++) {
      const size = sizes[turn % sizes.length] ?? 1;
      passed.push(Buffer.from(filter.filter(sent.subarray(at, at + size))));
      at += size;
    }
    const kept = [HTTP2_PREFACE, ...all.filter((bytes) => bytes[3] !== 7)];
    assert.ok(Buffer.concat(passed).equals(Buffer.concat(kept)));
  }));
});

test("a line's name is read back, and any text is some line's name", () => {
  fc.assert(fc.property(fc.string(), fc.nat(), (link, count) => {
    assert.deepEqual(parseLineName(`${link}:${count}`), { link, count });
    const { count: some } = parseLineName(link);
    assert.ok(Number.isSafeInteger(some) && some >= 0);
  }));
});

test("whatever batches come, in whatever order and however often, a number of a line is taken at most once and in order", async () => {
  const batch = fc.tuple(fc.constantFrom("a", "b"), fc.nat(2), fc.integer({ min: 1, max: 6 }));
  await fc.assert(fc.asyncProperty(fc.array(batch, { maxLength: 60 }), async (batches) => {
    const taken: string[] = [];
    let line = "";
    const inbox = new Inbox({
      node: { servingLife: "life", isOver: () => false },
      maxLines: 8,
      receiver: {
        async receive() {
          taken.push(line);
          return [create(AnswerSchema, { status: Status.OK })];
        },
      },
    });
    const last = new Map<string, number>();
    for (const [link, count, number] of batches) {
      line = `${link}:${count}`;
      const before = taken.length;
      const answer = await inbox.deliver(create(BatchSchema, { line, toLife: "life", number: BigInt(number) }));
      if (taken.length === before) continue;
      assert.equal(answer.outcome, Outcome.TAKEN);
      assert.equal(number, (last.get(line) ?? 0) + 1);
      last.set(line, number);
    }
  }));
});
