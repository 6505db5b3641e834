import { createServer } from "node:http";
import { Hono } from "hono";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { silentLogger } from "../../src/base/log/logger.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { upgradeRequest } from "./memory-client.ts";

/** A misuse of a method: its name, the arguments, and what the message must contain: what is wrong, and the fix. */
export type Misuse = readonly [method: string, args: readonly unknown[], name: RegExp, fix: RegExp];

/** A misuse of a constructor. */
export type Unmakeable = readonly [args: readonly unknown[], name: RegExp, fix: RegExp];

/** Stands for the hub, or a client of it, among the arguments. */
export const HUB: unique symbol = Symbol("the hub");
export const CLIENT: unique symbol = Symbol("a client");

const storage = new MemoryStorage();
const session = () => ({});
const SERVER = createServer();

/** Of a Hub, in the habit of Socket.IO and ws. */
export const ON_HUB: readonly Misuse[] = [
  ["emit", ["event", { x: 1 }], /message/, /JSON\.stringify.*first argument is the id of a client/],
  ["emit", ["id", "event", { x: 1 }], /"x"/, /timeoutMs/],
  ["emit", ["id", "event", "data"], /options/, /JSON\.stringify/],
  ["emit", ["id", "event", [1]], /options/, /JSON\.stringify/],
  ["emit", ["id", "event", 5], /options/, /JSON\.stringify/],
  ["emit", ["id", "event", null], /options/, /JSON\.stringify/],
  ["emit", ["id", "event", () => {}], /options/, /plain object/],
  ["emit", ["id", "event", new Uint8Array(2)], /options/, /plain object/],
  ["emit", ["id", "x", AbortSignal.timeout(9)], /options/, /plain object/],
  ["emit", ["id", "x", new Map()], /options/, /instance of Map/],
  ["emit", ["id", "x", {}, () => {}], /4 arguments/, /emit\(id, message/],
  ["emit", [5, "x"], /the id/, /string/],
  ["emit", ["x"], /message/, /string or bytes/],
  ["emit", [{ event: "x" }], /the id/, /string/],
  ["emit", ["id", { hello: 1 }], /message/, /JSON\.stringify/],
  ["emit", ["id", 5], /message/, /a number/],
  ["emit", ["id", "x", { timeout: 5 }], /"timeout"/, /timeoutMs/],
  ["emit", ["id", "x", { timeoutms: 5 }], /"timeoutms"/, /timeoutMs/],
  ["emit", ["id", "x", { binary: true }], /"binary"/, /signal/],
  ["emit", ["id", "x", { signal: 5 }], /signal/, /AbortSignal/],
  ["emit", ["a", "x", { timeoutMs: "5" }], /timeoutMs/, /number/],
  ["emit", ["id", "x", { except: ["a"] }], /"except"/, /timeoutMs/],
  ["online", [["a"]], /the id/, /string/],
  ["online", ["a", "b"], /options/, /plain object/],
  ["online", ["a", {}, "c"], /3 arguments/, /online\(id/],
  ["broadcast", ["event", { x: 1 }], /"x"/, /except/],
  ["broadcast", [{ x: 1 }], /message/, /JSON\.stringify/],
  ["broadcast", ["x", "bob"], /options/, /plain object/],
  ["broadcast", ["x", { except: "bob" }], /except/, /list of ids/],
  ["broadcast", ["x", { except: CLIENT }], /except/, /list/],
  ["broadcast", ["x", { except: [CLIENT] }], /except/, /list/],
  ["broadcast", ["x", {}, 1], /3 arguments/, /broadcast\(message/],
  ["broadcast.emit", ["x"], /emit\(\)/, /broadcast\(message\)/],
  ["to", ["room"], /to\(\)/, /publish\(topic, message\)/],
  ["in", ["room"], /in\(\)/, /publish\(topic, message\)/],
  ["except", ["room"], /except\(\)/, /except: ids/],
  ["send", ["x"], /send\(\)/, /emit\(id, message\)/],
  ["join", ["room"], /join\(\)/, /subscribe\(id, topic\)/],
  ["use", [() => {}], /use\(\)/, /session\(request\)/],
  ["of", ["/chat"], /of\(\)/, /hub of its own/],
  ["fetchSockets", [], /fetchSockets\(\)/, /members\(topic\)/],
  ["handleUpgrade", [{}], /handleUpgrade\(\)/, /attach\(hub/],
  ["once", ["ready", () => {}], /once\(\)/, /on\(event/],
  ["off", ["ready", () => {}], /off\(\)/, /on\(event, listener\) returned/],
  ["on", ["connection", () => {}], /"connection"/, /onConnect/],
  ["on", ["message", () => {}], /"message"/, /onEvent/],
  ["on", ["closed", () => {}], /"closed"/, /did you mean close/],
  ["on", ["conect", () => {}], /"conect"/, /did you mean connect/],
  ["on", ["ready"], /listener/, /function/],
  ["publish", ["room"], /message/, /string or bytes/],
  ["publish", ["room", "event", { x: 1 }], /"x"/, /except/],
  ["publish", [["a", "b"], "x"], /the topic/, /string/],
  ["publish", ["t", "x", { exept: [] }], /"exept"/, /mean except/],
  ["publish", ["t", "x", {}, 1], /4 arguments/, /publish\(topic/],
  ["request", ["id", "x", () => {}], /options/, /plain object/],
  ["request", ["id", {}], /message/, /JSON\.stringify.*id of a client/],
  ["subscribe", ["id", ["a", "b"]], /the topic/, /string/],
  ["subscribe", ["room"], /the topic/, /string/],
  ["subscribe", ["room", () => {}], /the topic/, /string/],
  ["unsubscribe", ["room"], /the topic/, /string/],
  ["members", ["t", { infos: true }], /"infos"/, /did you mean info/],
  ["members", ["t", { info: 1 }], /info/, /true or false/],
  ["count", [], /the topic/, /string/],
  ["disconnect", ["id", "bye"], /bye/, /1000/],
  ["disconnect", ["id", 1006], /1006/, /3000 to 4999/],
  ["disconnect", ["id", 4000, {}], /reason/, /string/],
  ["disconnect", ["i", 4000, "", {}, 1], /5 arguments/, /disconnect\(/],
  ["close", [5_000], /options/, /plain object/],
  ["close", [() => {}], /options/, /plain object/],
  ["close", [{ drain: 5 }], /"drain"/, /drainMs/],
  ["close", [{ drainMs: "1s" }], /drainMs/, /number of milliseconds/],
  ["watchPresence", [], /the topic/, /string/],
  ["watchPresence", ["t", () => {}], /options/, /plain object/],
  ["watchPresence", ["t", { onevent: 1 }], /"onevent"/, /onEvent/],
  ["watchPresence", ["t", { onEvent: 1 }], /onEvent/, /function/],
  ["onClose", [5], /cleanup/, /function/],
];

/** Of a client. */
export const ON_CLIENT: readonly Misuse[] = [
  ["emit", ["event", { x: 1 }], /"x".*timeoutMs/, /JSON\.stringify/],
  ["emit", ["event", "data"], /options/, /JSON\.stringify/],
  ["emit", ["event", () => {}], /options/, /JSON\.stringify/],
  ["emit", ["event", {}, () => {}], /3 arguments/, /emit\(message/],
  ["emit", [{ x: 1 }], /message/, /JSON\.stringify/],
  ["emit", [], /message/, /string or bytes/],
  ["send", [{ x: 1 }], /send\(\)/, /client\.emit\(message\)/],
  ["send", ["x"], /send\(\)/, /client\.emit\(message\)/],
  ["on", ["message", () => {}], /on\(\)/, /onEvent/],
  ["once", ["message", () => {}], /once\(\)/, /onEvent/],
  ["addEventListener", ["message"], /addEvent/, /onEvent/],
  ["join", ["room"], /join\(\)/, /client\.subscribe\(topic\)/],
  ["leave", ["room"], /leave\(\)/, /client\.unsubscribe\(topic\)/],
  ["to", ["room"], /to\(\)/, /client\.publish\(topic/],
  ["in", ["room"], /in\(\)/, /client\.publish\(topic/],
  ["broadcast.emit", ["x"], /emit\(\)/, /client\.broadcast\(message\)/],
  ["broadcast", ["event", { x: 1 }], /"x"/, /except/],
  ["broadcast", ["x", AbortSignal.timeout(9)], /options/, /plain/],
  ["publish", ["t", { x: 1 }], /message/, /JSON\.stringify/],
  ["publish", ["t", "x", {}, 1], /4 arguments/, /publish\(topic/],
  ["disconnect", [true], /disconnect\(\)/, /client\.close\(code/],
  ["emitWithAck", ["x"], /emitWithAck/, /client\.request/],
  ["timeout", [5], /timeout\(\)/, /timeoutMs/],
  ["subscribe", ["t", () => {}], /options/, /plain object/],
  ["subscribe", ["a", "b"], /options/, /plain object/],
  ["subscribe", ["a", {}, "b"], /3 arguments/, /subscribe\(topics/],
  ["subscribe", [], /topic/, /string/],
  ["subscribe", [5], /topic/, /string/],
  ["close", ["bye"], /bye/, /1000/],
  ["close", [{ code: 1000 }], /close code/, /1000/],
  ["request", ["x", () => {}], /options/, /plain object/],
];

/** Of a DistClient. */
export const ON_DIST_CLIENT: readonly Misuse[] = [
  ["emit", ["event", { x: 1 }], /message/, /JSON\.stringify/],
  ["to", ["room"], /to\(\)/, /publish\(topic, message\)/],
  ["nodes", [5], /options/, /plain object/],
  ["broadcast", ["x", { excpt: [] }], /"excpt"/, /mean except/],
];

export const OF_HUB: readonly Unmakeable[] = [
  [[createServer()], /options/, /plain object/],
  [[8080], /options/, /plain object/],
  [[null], /options/, /plain object/],
  [[{ originz: "any" }], /"originz"/, /did you mean origins/],
  [[{ cors: { origin: "*" } }], /"cors"/, /origins/],
  [[{ origins: "*" }], /origins/, /write origins: "any"/],
  [[{ origins: ["*"] }], /origins/, /"any"/],
  [[{ origins: ["https://*.a.example"] }], /origins/, /each host/],
  [[{ origins: ["a.example"] }], /origins/, /"https:\/\/a\.example"/],
  [[{ origins: ["https://a.example/x"] }], /origins/, /"https:\/\/a\.example"/],
  [[{ origins: true }], /origins/, /same-origin/],
  [[{ origins: [] }], /origins/, /same-origin/],
  [[{ port: 8080 }], /"port"/, /serve\(hub, \{ port/],
  [[{ server: {} }], /"server"/, /attach\(hub, server/],
  [[{ path: "/ws" }], /"path"/, /serve\(hub, \{ path/],
  [[{ adapter: {} }], /"adapter"/, /new DistHub/],
  [[{ storage }], /"storage"/, /new DistHub/],
  [[{ pingInterval: 5 }], /"pingInterval"/, /pingMs/],
  [[{ maxHttpBufferSize: 5 }], /"maxHttpBufferSize"/, /maxMessageBytes/],
  [[{ maxPayload: 5 }], /"maxPayload"/, /maxMessageBytes/],
  [[{ verifyClient() {} }], /"verifyClient"/, /session\(request\)/],
  [[{ message() {} }], /"message"/, /onEvent/],
  [[{ maxMessageBytes: 5 }], /"maxMessageBytes"/, /limits/],
  [[{ limits: [] }], /limits/, /plain object/],
  [[{ limits: { pingMS: 5 } }], /"limits\.pingMS"/, /mean pingMs/],
  [[{ limits: { maxMessageSize: 5 } }], /"limits\.maxMessageSize"/, /mean.* maxMessageBytes/],
  [[{ onEvent() {} }], /"onEvent"/, /session: \(\) => \(\{ onEvent \}\)/],
  [[{ limits: { pingMs: "5s" } }], /limits\.pingMs/, /number/],
  [[{ limits: { timeoutMs: 0 } }], /limits\.timeoutMs/, /over 0/],
  [[{ logger: "info" }], /logger/, /object/],
  [[{ logger: console.log }], /logger/, /object/],
  [[{ duplicateIds: "reject" }], /duplicateIds/, /"oldest"/],
  [[{ slowConsumer: "wait" }], /slowConsumer/, /"drop"/],
  [[{ handlerError: "ignore" }], /handlerError/, /"report"/],
  [[{ trustProxy: true }], /trustProxy/, /integer from 0/],
  [[{ trustProxy: "loopback" }], /trustProxy/, /integer from 0/],
  [[{ trustProxy: { hop: 1 } }], /trustProxy/, /hops/],
];

export const OF_DIST_HUB: readonly Unmakeable[] = [
  [[], /options/, /new RedisStorage\("redis:\/\/…"\)/],
  [[{}], /storage/, /new RedisStorage\("redis:\/\/…"\)/],
  [[{ storage: "redis://x" }], /storage.*a string/, /new RedisStorage\("redis:\/\/…"\)/],
  [[storage], /options/, /plain object/],
  [[{ storage, secret: undefined }], /secret/, /environment/],
  [[{ storage: undefined }], /storage/, /environment/],
  [[{ storage, storages: 5 }], /"storages"/, /mean storage/],
  [[{ storage, leaseMs: "15s" }], /leaseMs/, /milliseconds/],
  [[{ storage, peers: [] }], /peers/, /function/],
  [[{ storage, secret: "s", apiKeys: [{ secret: "k" }] }], /apiKeys\[0\]\.calls/, /\["Emit"\]/],
];

export const OF_DIST_CLIENT: readonly Unmakeable[] = [
  [[], /options/, /plain object/],
  [["http://a:1"], /options/, /plain object/],
  [[{ host: "a:1" }], /url/, /storage/],
  [[{ url: undefined }], /url/, /environment/],
  [[{ url: "http://a:1", token: undefined }], /token/, /environ/],
  [[{ url: "http://a:1", secret: "s", token: "t" }], /secret/, /token, not both/],
  [[{ storage, token: "t" }], /"token"/, /secret/],
  [[{ storage, tls: {} }], /tls/, /true or false/],
];

const REQUEST = upgradeRequest();

/** Of tokens. */
export const OF_TOKENS: readonly Misuse[] = [
  ["createToken", ["secret"], /options/, /plain object/],
  ["createToken", [{ secret: "s", audience: "cluster", expiresIn: "5m" }], /"expiresIn"/, /ttlMs/],
  ["createToken", [{ secret: undefined, audience: "cluster" }], /secret/, /environment/],
  ["verifyBearer", [REQUEST, "secret"], /options/, /plain object/],
  ["verifyBearer", [REQUEST, { secret: "s" }], /"secret"/, /key/],
  ["verifyBearer", [REQUEST, { key: undefined }], /key/, /environment/],
  ["verifyBearer", [REQUEST, { key: "k", audience: undefined }], /audience/, /environment/],
  ["verifyBearer", [REQUEST, { key: "k", issuers: "i" }], /"issuers"/, /mean issuer/],
  ["verifyBearer", [REQUEST, { key: "k", algorithms: "HS256" }], /algorithms/, /\["HS256"\]/],
];

/** Of the functions of an adapter. */
export const OF_ADAPTERS: readonly Misuse[] = [
  ["serve", [], /the hub/, /serve\(hub, \{ port: 8080, session \}\)/],
  ["serve", [8080], /the hub/, /serve\(hub/],
  ["serve", [{ port: 0, session }], /the hub/, /serve\(hub/],
  ["serve", [HUB], /options/, /serve\(hub, \{/],
  ["serve", [HUB, 8080], /options/, /plain object/],
  ["serve", [HUB, session], /options/, /plain object/],
  ["serve", [HUB, { port: 0 }], /session/, /\(request\) => /],
  ["serve", [HUB, { port: 0, session: {} }], /session/, /\(request\) => /],
  ["serve", [HUB, { port: "8080", session }], /port/, /Number\("8080"\)/],
  ["serve", [HUB, { port: NaN, session }], /port/, /integer/],
  ["serve", [HUB, { port: 99_999, session }], /port/, /65535/],
  ["serve", [HUB, { port: 0, host: "0.0.0.0", session }], /"host"/, /hostname/],
  ["serve", [HUB, { port: 0, hostname: "", session }], /hostname/, /0\.0\.0\.0/],
  ["serve", [HUB, { port: 0, path: "ws", session }], /path/, /"\/ws"/],
  ["serve", [HUB, { port: 0, path: "/ws?x", session }], /path/, /never matches/],
  ["serve", [HUB, { port: 0, path: /ws/, session }], /path/, /string such as "\/ws"/],
  ["serve", [HUB, { port: 0, session, onMessage() {} }], /"onMessage"/, /onEvent/],
  ["serve", [HUB, { port: 0, session, onEvent() {} }], /"onEvent"/, /session: \(\) => \(\{ onEvent \}\)/],
  ["serve", [HUB, { port: 0, session, onConnect() {} }], /"onConnect"/, /session: \(\) => \(\{ onConnect \}\)/],
  ["serve", [HUB, { port: 0, session, message() {} }], /"message"/, /onEvent/],
  ["serve", [HUB, { port: 0, session, cors: true }], /"cors"/, /origins/],
  ["serve", [HUB, { server: {}, session }], /"server"/, /attach\(hub, server/],
  ["serve", [HUB, { port: 0, session, upgrade() {} }], /"upgrade"/, /session\(request\)/],
  ["serve", [HUB, { port: 0, session, fetch: new Hono() }], /fetch/, /function/],
  ["serve", [HUB, { port: 0, session, tls: true }], /tls/, /plain object/],
  ["serve", [HUB, { port: 0, session, tls: { cert: undefined, key: "k" } }], /tls\.cert/, /environment/],
  ["serve", [HUB, { port: 0, session, tls: { certificate: "c" } }], /"tls\.certificate"/, /cert, key/],
  ["serve", [HUB, { port: 0, session, rpc: {} }], /rpc/, /DistHub/],
  ["serve", [HUB, { port: 0, session, publicRpc: "yes" }], /publicRpc/, /true or false/],
  ["serve", [new DistHub({ storage, logger: silentLogger }), { port: 0, session, rpc: 8081 }], /rpc/, /plain object/],
  [
    "serve",
    [new DistHub({ storage, logger: silentLogger }), { port: 0, session, rpc: { host: "a" } }],
    /"rpc\.host"/,
    /hostname/,
  ],
  [
    "serve",
    [new DistHub({ storage, logger: silentLogger }), { port: 0, session, rpc: { advertise: undefined } }],
    /rpc\.advertise/,
    /environment/,
  ],
  [
    "serve",
    [new DistHub({ storage, logger: silentLogger }), { port: 0, session, rpc: { advertise: "a" } }],
    /"a"/,
    /name:port/,
  ],
  [
    "serve",
    [new DistHub({ storage, logger: silentLogger }), { port: 0, session, rpc: { port: "1" } }],
    /rpc\.port/,
    /Number\("1"\)/,
  ],
  ["listen", [HUB], /DistHub/, /new DistHub/],
  ["listen", [8081], /DistHub/, /new DistHub/],
  ["listen", [new DistHub({ storage, logger: silentLogger }), 8081], /rpc/, /plain object/],
  ["upgrade", [session], /the hub/, /upgrade\(hub/],
  ["upgrade", [HUB], /session/, /upgrade\(hub/],
  ["upgrade", [HUB, {}], /session/, /upgrade\(hub/],
  ["websocket", [], /the hub/, /websocket\(hub\)/],
];

export const ON_BUN: readonly Misuse[] = [
  ["upgradeHandler", [{}], /the hub/, /upgradeHandler\(hub/],
  ["upgradeHandler", [HUB], /options/, /upgradeHandler\(hub/],
  ["upgradeHandler", [HUB, { session, port: 1 }], /"port"/, /serve\(hub, \{ port/],
];

export const ON_NODE: readonly Misuse[] = [
  ["attach", [SERVER, HUB, { session }], /the hub/, /attach\(hub, server/],
  ["attach", [HUB, new Hono(), { session }], /the server/, /attach\(hub, server/],
  ["attach", [HUB, SERVER], /options/, /attach\(hub, server/],
  ["attach", [HUB, SERVER, session], /options/, /plain object/],
  ["attach", [HUB, SERVER, { session, port: 1 }], /"port"/, /serve\(hub, \{ port/],
  ["attachApp", [SERVER, new Hono()], /app/, /attachApp\(app, server\)/],
];
