import {
  ACK_BYTES,
  ACK_MESSAGES,
  ackLine,
  type Greeting,
  isEscaped,
  isReserved,
  type Parts,
  partsOf,
  type Payload,
  pingLine,
  pongLine,
  RESUME_PROTOCOL_PREFIX,
  SYNC_LINE,
  tokenLine,
  unescape,
  V1_PROTOCOL,
} from "../src/wire/v1.ts";
import { invalidArgument, MeshError, type MeshErrorCode } from "../src/base/error.ts";
import type { Calls, RequestHandler } from "./calls.ts";
import { type Address, MAX_TIMER_MS, type Settings } from "./options.ts";
import type { Outbox } from "./outgoing.ts";
import type { Topics } from "./topics.ts";

const BEARER_PROTOCOL_PREFIX = "meshsocket.bearer.";
/** A client that sends something acknowledges first if it received so many messages. */
const EARLY_ACK_MESSAGES = 32;
/** Received messages are acknowledged after so many milliseconds at the latest. */
const ACK_MS = 1_000;
/** With less time than this no token is renewed. */
const MIN_RENEWAL_MS = 100;
/** Milliseconds that a server has to answer when the page has reason to doubt the connection. */
const PROBE_MS = 2_000;
/** Sent by a client that will come back. */
const INTERRUPTED = 4001;

/** The connections of one client, one after the other, and what `meshsocket.v1` keeps between them. */
export class Line {
  url = "";
  id = "";
  windowMs = 0;
  /** The pause that the server asked for, in milliseconds. */
  retryAfterMs: number | undefined;
  readonly #address: Address;
  readonly #protocols: readonly string[];
  readonly #settings: Settings;
  readonly #owner: LineOwner;
  #ws: WebSocket | undefined;
  /** Counts attempts, so that a late one is noticed. */
  #attempt = 0;
  /** The server said hello, or is a plain one: messages may be sent. */
  #ready = false;
  /** The connection speaks `meshsocket.v1`. */
  #v1 = false;
  /** There was a connection with a client of its own. */
  #known = false;
  #token = "";
  #received = 0;
  #acked = 0;
  #unackedBytes = 0;
  #heardAt = 0;
  #ackTimer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setTimeout> | undefined;
  #tokenTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(address: Address, protocols: readonly string[], settings: Settings, owner: LineOwner) {
    this.#address = address;
    this.#protocols = protocols;
    this.#settings = settings;
    this.#owner = owner;
  }

  get protocol(): string {
    return this.#ws?.protocol ?? "";
  }

  get extensions(): string {
    return this.#ws?.extensions ?? "";
  }

  get bufferedAmount(): number {
    return this.#ws?.bufferedAmount ?? 0;
  }

  /** Whether the server is known not to speak `meshsocket.v1`. */
  get plain(): boolean {
    return this.#ready && !this.#v1;
  }

  get mayResume(): boolean {
    return this.#token !== "";
  }

  // ---- opening ----

  /** Makes an attempt. Never rejects: `dropped` follows if it fails. */
  async open(): Promise<void> {
    const attempt = ++this.#attempt;
    try {
      const { token } = this.#settings;
      const url = this.address(typeof this.#address === "function" ? await this.#address() : this.#address);
      const bearer = token && BEARER_PROTOCOL_PREFIX + (await token());
      if (attempt === this.#attempt) this.#connect(url, bearer);
    } catch {
      if (attempt === this.#attempt) this.#dropped(1006, "");
    }
  }

  /** The URL to connect to. Throws a TypeError (`invalid_argument`) for a bad one. */
  address(address: string | URL | undefined): string {
    try {
      // A page would resolve `undefined` against its own address.
      const url = new URL(address ?? "", address && globalThis.location?.href);
      url.protocol = url.protocol.replace("http", "ws");
      return (this.url = url.href);
    } catch (cause) {
      throw Object.assign(invalidArgument(`the URL must be such as "wss://example.com/ws", not ${address}`), { cause });
    }
  }

  #connect(url: string, bearer: string | undefined): void {
    const offers = [...this.#protocols];
    if (!this.#settings.plain) offers.push(V1_PROTOCOL);
    if (bearer) offers.push(bearer);
    if (this.mayResume) offers.push(`${RESUME_PROTOCOL_PREFIX}${this.#received}.${this.#token}`);
    const ws = new (this.#settings.WebSocket ?? WebSocket)(url, offers);
    ws.binaryType = "arraybuffer";
    this.#ws = ws;
    this.#hear(ws);
  }

  #hear(ws: WebSocket): void {
    const late = setTimeout(() => this.#give(ws, "the server did not answer in time"), this.#settings.connectTimeoutMs);
    let opened = false;
    ws.addEventListener("open", () => {
      opened = true;
      if (ws !== this.#ws) return;
      this.#v1 = ws.protocol === V1_PROTOCOL;
      if (!this.#v1) this.#openPlain();
      if (this.#ready) clearTimeout(late);
    });
    ws.addEventListener("message", ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (ws !== this.#ws) return;
      this.#heardAt = Date.now();
      this.#read(typeof data === "string" ? data : new Uint8Array(data));
      if (this.#ready) clearTimeout(late);
    });
    ws.addEventListener("error", () => {});
    ws.addEventListener("close", ({ code, reason }) => {
      clearTimeout(late);
      // Of a connection that was never open, runtimes give different codes. Deno gives 0 for one that was lost.
      if (ws === this.#ws) this.#dropped(opened && code ? code : 1006, opened ? reason : "");
    });
  }

  #openPlain(): void {
    const again = this.#known;
    this.#known = true;
    this.#token = "";
    if (again && !this.#owner.lost("plain")) return this.#leave();
    this.#ready = true;
    this.#owner.calls.end(notV1());
    this.#owner.opened();
    this.flush();
  }

  // ---- messages ----

  #read(data: Payload): void {
    if (!this.#v1) return this.#owner.message(data);
    if (!isReserved(data)) return this.#message(data);
    if (isEscaped(data)) return this.#message(unescape(data));
    this.#obey(partsOf(data));
  }

  /** A line that is counted goes on to the end. */
  #obey(line: Parts): void {
    const { calls, handler, outbox, topics } = this.#owner;
    const { form, number, json, payload } = line;
    switch (form) {
      case "hello{":
        return this.#hello(json as unknown as Greeting);
      case "ack#":
        if (!outbox.ack(number)) this.#give(this.#ws, "so many messages were never sent");
        return;
      case "sync":
        return this.#acknowledge();
      case "ping#":
        return this.#ws?.send(pongLine(number, Date.now()));
      case "pong##":
        return;
      case "bye{":
        this.retryAfterMs = Number(json["retryAfterMs"]) || 0;
        return;
      case "request#+":
        void calls.answer(number, payload, handler());
        break;
      case "reply#+":
        calls.settle(number, payload);
        break;
      case "error#{":
        calls.fail(number, json as { code: MeshErrorCode; message: string });
        break;
      default:
        if (!topics()?.read(line)) return this.#give(this.#ws, "that is not a control line");
    }
    this.#received++;
    this.#handled(payload);
  }

  #message(data: Payload): void {
    this.#received++;
    this.#owner.message(data);
    this.#handled(data);
  }

  /** A message was handed to the application: acknowledges it now or soon. */
  #handled({ length }: Payload): void {
    this.#unackedBytes += length;
    if (this.#received - this.#acked >= ACK_MESSAGES || this.#unackedBytes >= ACK_BYTES) this.#acknowledge();
    else this.#ackTimer ??= setTimeout(() => this.#acknowledge(), ACK_MS);
  }

  #acknowledge(): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    if (!this.#ready) return;
    this.#acked = this.#received;
    this.#unackedBytes = 0;
    this.#ws?.send(ackLine(this.#received));
  }

  #hello({ id, resumed, lost, received, handled, token, windowMs, time, expiresAt = 0 }: Greeting): void {
    const { outbox } = this.#owner;
    const again = this.#known;
    this.#known = true;
    this.#token = token;
    this.windowMs = windowMs;
    this.id = id;
    if (resumed && !outbox.resume(received, handled)) return this.#give(this.#ws, "so many messages were never sent");
    if (!resumed) this.#received = 0;
    if (!resumed && again && !this.#owner.lost(lost ?? "unknown")) return this.#leave();
    this.#ready = true;
    this.#acknowledge();
    this.flush();
    if (this.#owner.waits()) this.sync();
    this.#watch();
    this.#renewWithin(expiresAt - time);
    if (resumed) this.#owner.resumed();
    else this.#owner.opened();
  }

  /** Sends a new token after half of the time that the session lasts; after a failure again, in the half that is left. */
  #renewWithin(leftMs: number): void {
    clearTimeout(this.#tokenTimer);
    const { token } = this.#settings;
    if (!token || !this.#ready || leftMs < MIN_RENEWAL_MS) return;
    const renew = async (): Promise<void> => {
      try {
        const { reply } = this.#owner.calls.request(tokenLine, await token());
        const { expiresAt, time } = JSON.parse(String(await reply)) as Greeting;
        this.#renewWithin((expiresAt ?? 0) - time);
      } catch {
        this.#renewWithin(leftMs / 2);
      }
    };
    this.#tokenTimer = setTimeout(() => void renew(), Math.min(leftMs / 2, MAX_TIMER_MS));
  }

  /** Writes the messages that wait, and what is to be acknowledged before them: the server then reads both at once. */
  flush(): void {
    const ws = this.#ws;
    if (this.#received - this.#acked >= EARLY_ACK_MESSAGES) this.#acknowledge();
    if (ws && this.#ready) this.#owner.outbox.write((data) => ws.send(data as Uint8Array<ArrayBuffer>), !this.plain);
  }

  /** Asks the server to acknowledge what it has. */
  sync(): void {
    if (this.#ready) this.#ws?.send(SYNC_LINE);
  }

  // ---- the end ----

  /** Asks a server that is silent for a sign of life. */
  #watch(): void {
    const { pingMs, pongMs } = this.#settings;
    const quiet = Date.now() - this.#heardAt;
    clearTimeout(this.#pingTimer);
    if (quiet >= pingMs) this.#ping(pongMs);
    else this.#pingTimer = setTimeout(() => this.#watch(), Math.min(pingMs - quiet, MAX_TIMER_MS));
  }

  /** Gives the connection up if nothing comes in time. */
  #ping(ms: number): void {
    const ws = this.#ws;
    this.#heardAt = 0;
    ws?.send(pingLine(1));
    clearTimeout(this.#pingTimer);
    this.#pingTimer = setTimeout(() => this.#heardAt ? this.#watch() : this.#give(ws, "the server is silent"), ms);
  }

  /** Finds out soon whether the connection is alive. */
  probe(): void {
    if (this.#ready && this.#v1) this.#ping(Math.min(PROBE_MS, this.#settings.pongMs));
  }

  /** Drops a connection that is of no use. */
  #give(ws: WebSocket | undefined, reason: string): void {
    if (!ws || ws !== this.#ws) return;
    this.#dropped(1006, "");
    ws.close(INTERRUPTED, reason);
  }

  /** Ends a client that is not to go on as a new one. */
  #leave(): void {
    const ws = this.#ws;
    this.#dropped(1006, "");
    ws?.close(1000);
  }

  #dropped(code: number, reason: string): void {
    this.#ws = undefined;
    this.#ready = false;
    clearTimeout(this.#pingTimer);
    clearTimeout(this.#tokenTimer);
    this.#owner.dropped(code, reason);
  }

  /** Closes for good; returns false without a connection, because then no end follows. */
  close(code?: number, reason?: string): boolean {
    this.#attempt++;
    this.#ws?.close(code, reason);
    return this.#ws !== undefined;
  }
}

/** The error of a call to a server that does not speak the protocol. */
export function notV1(): MeshError {
  return new MeshError("failed_precondition", "the server does not speak meshsocket.v1");
}

/** Dependencies of {@link Line}. */
export interface LineOwner {
  /** Loaded with the first subscription. */
  readonly topics: () => Topics | undefined;
  readonly outbox: Outbox;
  readonly calls: Calls;
  readonly handler: () => RequestHandler | null;
  /** Whether a call waits for the server. */
  waits(): boolean;
  message(data: Payload): void;
  /** There is a client, and its first connection. */
  opened(): void;
  resumed(): void;
  /** The client from before is gone. Returns whether to go on with a new one. */
  lost(why: string): boolean;
  /** The connection ended, or could not be opened. */
  dropped(code: number, reason: string): void;
}
