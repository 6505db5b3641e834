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
  {
    id: "A76",
    title: "forged tokens, one after the other, to make a session last",
    answer: "each is refused (`unauthenticated`), the old end holds, and the client is closed with 4401",
    async run() {
      const endsAt = Date.now() + 1_500;
      await using target = await Target.start({}, () => ({
        id: "me",
        expiresAt: endsAt,
        onToken: (_, token) => token === "good" ? Date.now() + 60_000 : undefined,
      }));
      const { client } = await greeted(target, "me");
      const forged = ["", "guess", "good ", "\0", "x".repeat(50_000), new TextEncoder().encode("~token 0\ngood")];
      for (let at = 0; at < 200; at++) {
        const token = forged[at % forged.length] ?? "";
        client.send(typeof token === "string" ? `~token ${at}\n${token}` : token);
      }
      const answers: string[] = [];
      while (answers.length < 200) {
        const line = String(await client.next());
        if (!line.startsWith("~ack")) answers.push(line);
      }
      const right = /^~error \d+ \{"code":"(?:unauthenticated|invalid_argument|resource_exhausted)"/;
      assert.deepEqual(answers.filter((line) => !right.test(line)), []);
      assert.equal((await client.closed()).code, 4401);
      assert.ok(Date.now() >= endsAt, "not before its time");
      await until("no client to be left", () => target.hub.size === 0);
    },
  },
  {
    id: "A77",
    title: "the id of a client without a name, which others may know, to come back as that client",
    answer: "a new client with another id: the id is a hash, and its secret is in the token alone",
    async run() {
      const session: SessionFactory = () => ({ onEvent: (client, message) => client.emit(message) });
      await using target = await Target.start({ resume: { windowMs: 60_000 } }, session);
      const victim = await greeted(target, "");
      const { id, token } = victim.hello;
      await victim.client.close(4001);
      await until("the victim to be away", () => target.hub.client(id)?.away === true);
      await target.hub.emit(id, "a secret that is held");
      const cut = token.indexOf(".");
      const forged = [id, `${id}.${token}`, `${id}${token.slice(cut)}`, token.slice(1), `~${token.slice(1)}`];
      for (const forge of forged) {
        const offer = `meshsocket.resume.0.${forge}`;
        const thief = await greeted(target, "", offer);
        assert.equal(thief.hello.resumed, false, offer);
        assert.notEqual(thief.hello.id, id, offer);
        thief.client.send("nothing else?");
        assert.equal(await thief.client.next(), "nothing else?");
        await thief.client.close(1000);
      }
      const back = await greeted(target, "", `meshsocket.resume.0.${token}`);
      assert.deepEqual([back.hello.resumed, back.hello.id], [true, id]);
      assert.equal(await back.client.next(), "a secret that is held");
      await back.client.close(1000);
    },
  },
  {
    id: "A78",
    title: "places in a history that are made up, or of a topic that is not for the client",
    answer: "an error, or what the topic keeps and `recovered: false`; nothing of a topic that `onSubscribe` refuses",
    async run() {
      const topics = [{ match: "*", history: { messages: 5 } }];
      await using target = await Target.start({ topics, resume: { windowMs: 300 } }, () => ({
        id: "me",
        onSubscribe: (_, topic) => topic === "mine",
      }));
      for (let at = 0; at < 20; at++) {
        for (const topic of ["mine", "yours"]) await target.hub.publish(topic, `${topic} ${at}`);
      }
      const { client } = await greeted(target, "me");
      const places: readonly unknown[] = [
        { epoch: "made up", offset: 1 },
        { epoch: "", offset: 0 },
        { epoch: "x".repeat(50_000), offset: 3 },
        { epoch: 5, offset: 1 },
        { epoch: "e", offset: -1 },
        { epoch: "e", offset: 1e300 },
        { last: 1e15 },
        { last: -1 },
        { last: "5" },
        { ms: 1e300 },
        { ms: null },
        {},
        [],
        "mine",
        true,
      ];
      let number = 0;
      for (const topic of ["yours", "mine"]) {
        for (const from of places) {
          client.send(`~subscribe ${++number} ${JSON.stringify({ topic, from })}`);
          const replayed = await subscribed(client, number);
          assert.ok(
            replayed.length <= (topic === "mine" ? 5 : 0),
            `${topic} ${JSON.stringify(from)}: ${replayed.length}`,
          );
          assert.deepEqual(replayed.filter((line) => line.includes("yours")), []);
          client.send(`~unsubscribe ${++number} ${JSON.stringify({ topic })}`);
          await subscribed(client, number);
        }
      }
      client.send("~sync");
      await client.close(1000);
    },
  },
];

/** The messages that come until the call with that number is answered. */
async function subscribed(client: TestClient, number: number): Promise<string[]> {
  const messages: string[] = [];
  for (;;) {
    const line = String(await client.next());
    if (new RegExp(`^~(?:subscribed|reply|error) ${number}\\b`).test(line)) return messages;
    if (line.startsWith("~message")) messages.push(line);
  }
}
