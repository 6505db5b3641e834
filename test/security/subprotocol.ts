import assert from "node:assert/strict";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import type { SessionFactory } from "../../src/client/session.ts";
import { type Greeting, V1_PROTOCOL } from "../../src/wire/v1.ts";
import { TestClient } from "../kit/client.ts";
import { Random } from "../kit/random.ts";
import { until } from "../kit/until.ts";
import type { Attack } from "./attack.ts";
import { Target } from "./target.ts";

/** A client of `meshsocket.v1` that has had its hello. */
interface Greeted {
  readonly client: TestClient;
  readonly hello: Greeting;
}

async function greeted({ url }: Target, id: string, ...offers: string[]): Promise<Greeted> {
  const client = await TestClient.open(`${url}?id=${id}`, [V1_PROTOCOL, ...offers]);
  const line = String(await client.next());
  return { client, hello: JSON.parse(line.slice("~hello ".length)) as Greeting };
}

const allowAll: SessionFactory = (request) => ({
  id: new URL(request.url).searchParams.get("id") ?? undefined,
  onEvent: (client, message) => client.emit(message),
  onSubscribe: () => true,
  onPublish: () => true,
  onRequest: (_, message) => message,
});

/** A served hub that forgets clients soon after they dropped. */
function forgetful(options: HubOptions = {}): Promise<Target> {
  return Target.start({ resume: { windowMs: 300 }, ...options }, allowAll);
}

/** Sends each line as a client of its own; all are closed with the code, and another client notices nothing. */
async function closes(target: Target, code: number, lines: Iterable<string | Uint8Array<ArrayBuffer>>): Promise<void> {
  const { client: other } = await greeted(target, "bystander");
  for (const line of lines) {
    const { client } = await greeted(target, "attacker");
    client.send(line);
    assert.equal((await client.closed()).code, code, String(line).slice(0, 80));
  }
  other.send("unharmed");
  assert.equal(await other.next(), "unharmed");
  await other.close();
}

const NAMES = "ack sync ping pong hello bye request reply error token subscribe subscribed unsubscribe publish message"
  .split(" ");

/** Lines that look like those of the protocol, and are not. */
function* randomLines(count: number): Iterable<string> {
  const random = new Random(20_261_127);
  const some = <Value>(values: readonly Value[]): Value => values[Math.floor(random.next() * values.length)] as Value;
  const parts = [
    "",
    " ",
    "1",
    " -1",
    " 01",
    " 1e3",
    " 9".repeat(20),
    ' {"topic":1}',
    " {",
    " []",
    "\n",
    "\0",
    "\ud83d",
    "~x",
  ];
  for (let at = 0; at < count; at++) yield `~${some(NAMES)}x${some(parts)}${some(parts)}${some(parts)}`;
}

/** Attacks on clients and servers of `meshsocket.v1`. */
export const SUBPROTOCOL: readonly Attack[] = [
  {
    id: "A70",
    title: "control lines of meshsocket.v1 that are random, cut short, or those of a server",
    answer: "4400",
    async run() {
      await using target = await forgetful();
      await closes(target, 4400, [
        ...randomLines(60),
        "~",
        "~hello {}",
        '~message {"topic":"t"}\nm',
        "~request 1",
        "~subscribe 1 {",
        `~subscribe 1 {"topic":${"[".repeat(50_000)}}`,
        new TextEncoder().encode("~sync"),
      ]);
      await until("no client to be left", () => target.hub.size === 0);
    },
  },
  {
    id: "A71",
    title: "acknowledgements of messages that were never sent",
    answer: "4400",
    async run() {
      await using target = await forgetful();
      await closes(target, 4400, ["~ack 1", "~ack 999999999999999", "~ack 18446744073709551616", "~ack -1"]);
      await until("no client to be left", () => target.hub.size === 0);
    },
  },
  {
    id: "A72",
    title: "a forged, cut or used token to resume, or that of another client",
    answer: "a new client that hears `lost`, and gets nothing of what was held",
    async run() {
      await using target = await forgetful({ resume: { windowMs: 60_000 } });
      const stranger = await greeted(target, "stranger");
      for (const forge of [() => "guess", (token: string) => token.slice(1), () => stranger.hello.token, () => ""]) {
        const victim = await greeted(target, "victim");
        await target.hub.emit("victim", "before");
        await victim.client.close(4001);
        await until("the victim to be away", () => target.hub.client("victim")?.away === true);
        await target.hub.emit("victim", "a secret that is held");
        const thief = await greeted(target, "victim", `meshsocket.resume.0.${forge(victim.hello.token)}`);
        assert.equal(thief.hello.resumed, false);
        thief.client.send("nothing else?");
        assert.equal(await thief.client.next(), "nothing else?");
        await thief.client.close(1000);
      }
      await stranger.client.close(1000);
    },
  },
  {
    id: "A73",
    title: "resumes that name messages that were never sent or were acknowledged, out of order or all at once",
    answer: "a new client that hears `lost`; of several with one token the last one has it",
    async run() {
      await using target = await forgetful();
      for (const received of [2, 999_999_999_999_999, 0]) {
        const { client, hello } = await greeted(target, "me");
        await target.hub.emit("me", "one");
        assert.equal(await client.next(), "one");
        client.send("~ack 1");
        client.send("~sync");
        assert.equal(await client.next(), "~ack 0");
        await client.close(4001);
        const again = await greeted(target, "me", `meshsocket.resume.${received}.${hello.token}`);
        assert.deepEqual([again.hello.resumed, again.hello.lost], [false, "counts"]);
        await again.client.close(1000);
      }
      const { client, hello } = await greeted(target, "me");
      const offer = `meshsocket.resume.0.${hello.token}`;
      const racing = await Promise.all(Array.from({ length: 10 }, () => greeted(target, "me", offer)));
      await client.closed();
      await until("one of them to be left", () => racing.filter((one) => one.client.ws.readyState === 1).length === 1);
      assert.equal(target.hub.size, 1);
      for (const one of racing) one.client.ws.close(1000);
    },
  },
  {
    id: "A74",
    title: "subscriptions by the million, and names to fill the memory with",
    answer:
      "resource_exhausted over maxTopicsPerClient, then 1008 over messageBurst; names over maxTopicBytes are refused",
    async run() {
      await using target = await forgetful({ limits: { messageBurst: 5_000, messagesPerSecond: 1 } });
      const { client } = await greeted(target, "me");
      client.send(`~subscribe 0 {"topic":"${"x".repeat(600)}"}`);
      assert.match(String(await client.next()), /invalid_argument.*longer than 512 bytes/);
      for (let at = 0; at < 2_000; at++) client.send(`~subscribe ${at} {"topic":"${at}"}`);
      const answers: string[] = [];
      while (answers.length < 2_000) {
        const line = String(await client.next());
        if (!line.startsWith("~ack")) answers.push(line);
      }
      assert.equal(answers.filter((line) => line.startsWith("~subscribed")).length, 1_024);
      assert.equal(answers.filter((line) => line.includes("resource_exhausted")).length, 976);
      assert.equal(target.hub.client("me")?.topics.size, 1_024);
      for (let at = 0; at < 5_000; at++) client.send(`~subscribe ${at} {"topic":"more ${at}"}`);
      assert.equal((await client.closed()).code, 1008);
      await until("no client to be left", () => target.hub.size === 0);
    },
  },
  {
    id: "A75",
    title: "calls and publishes without end, whose answers nobody acknowledges",
    answer:
      "answered, or resource_exhausted over maxRequestsPerClient; over maxBytes of unacknowledged answers it cannot resume",
    async run() {
      await using target = await forgetful({ resume: { windowMs: 60_000, maxBytes: 4_096 } });
      const { client, hello } = await greeted(target, "me");
      for (let at = 0; at < 3_000; at++) client.send(`~publish ${at} {"topic":"t"}\n${"x".repeat(100)}`);
      let answered = 0;
      while (answered < 3_000) if (/^~(published|error) \d+ /.test(String(await client.next()))) answered++;
      await client.close(4001);
      await until("the client to be given up", () => target.hub.size === 0);
      const again = await greeted(target, "me", `meshsocket.resume.3000.${hello.token}`);
      assert.equal(again.hello.resumed, false);
      await again.client.close(1000);
    },
  },
];
