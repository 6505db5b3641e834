import type { Counters } from "../base/counters/counters.ts";
import { CloseCode } from "../base/close-code.ts";
import type { Identity } from "./client-owner.ts";
import { cutAfter } from "./cut-after.ts";
import type { End, Handlers } from "./handlers.ts";
import type { Limits } from "../base/limits.ts";
import { Liveness } from "./liveness.ts";
import type { Outbox, OutboxClient } from "./outbox.ts";
import { Pace } from "./pace.ts";
import type { Protocol } from "./resume/protocol.ts";
import type { Socket, SocketReceiver } from "./socket.ts";
import { TextPinged } from "./text-ping.ts";

/** One connection of a client: hears its socket, keeps its pace, and notices its end. */
export class Connection implements SocketReceiver {
  readonly socket: Socket;
  readonly remoteAddress: string;
  readonly liveness: Liveness;
  readonly #client: ConnectedClient;
  readonly #owner: ConnectionOwner;
  readonly #pace: Pace;
  readonly #textPinged: TextPinged | undefined;
  /** Hears nothing any more once this side has closed it, or the engine lost it. */
  #open = true;
  #ended = false;
  #gone: PromiseWithResolvers<void> | undefined;

  constructor(client: ConnectedClient, owner: ConnectionOwner, socket: Socket, identity: Identity<unknown>) {
    this.socket = socket;
    this.remoteAddress = identity.remoteAddress;
    this.liveness = new Liveness(owner.limits, performance.now());
    this.#client = client;
    this.#owner = owner;
    this.#pace = new Pace(owner.limits);
    this.#textPinged = TextPinged.of(socket, identity.protocol, identity.session.textPing);
  }

  // ---- from the client ----

  message(data: string | Uint8Array, more = false): void {
    if (this.#textPinged !== undefined && data === this.#textPinged.pong) return this.control();
    if (!this.#open) return;
    const now = performance.now();
    if (!this.#inPace(this.#pace.message(now))) return;
    this.#count(data.length, now);
    const { handlers, outbox, v1 } = this.#client;
    outbox.hears();
    if (v1 !== undefined) this.#read(data, v1, now);
    else {
      this.liveness.message(now);
      handlers.message(data);
    }
    if (!more) this.handled();
  }

  #count(bytes: number, now: number): void {
    const { counters } = this.#owner;
    counters.nowMs = now;
    counters.received++;
    counters.receivedBytes += bytes;
  }

  /** A control line that is not counted, such as an acknowledgement, is a sign of life but not a message. */
  #read(data: string | Uint8Array, v1: Pick<Protocol, "ledger" | "read">, now: number): void {
    const { received } = v1.ledger;
    const message = v1.read(data);
    if (v1.ledger.received === received) this.liveness.control(now);
    else this.liveness.message(now);
    if (message !== undefined) this.#client.handlers.message(message);
  }

  handled(): void {
    if (this.#open) this.#client.outbox.heard();
  }

  control(): void {
    if (!this.#open) return;
    const now = performance.now();
    this.liveness.control(now);
    this.#inPace(this.#pace.control(now));
  }

  #inPace(inPace: boolean): boolean {
    if (!inPace) this.#client.close(CloseCode.PolicyViolation, "sends too fast");
    return inPace;
  }

  error(error: Error): void {
    this.#client.handlers.error(error);
  }

  /** The engine lost the connection, or the closing handshake is over. */
  closed(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#leave();
    this.#client.disconnected(this, { code, reason });
    this.#gone?.resolve();
  }

  // ---- its life ----

  /** Looks after the connection; returns the milliseconds until it is to be done again. */
  beat(now: number): number {
    if (this.#client.handlers.paused) this.liveness.deaf(now);
    const next = this.liveness.beat(now, this.#textPinged ?? this.socket);
    if (typeof next === "number") return next;
    if (next.code === CloseCode.Abnormal) this.#client.dead();
    else if (next.code === CloseCode.LifetimeOver) this.#client.interrupt(next.code, next.reason);
    else this.#client.close(next.code, next.reason);
    return Infinity;
  }

  /** Starts the closing handshake, and cuts the connection if the peer does not answer in time. */
  close(code: number, reason: string): void {
    if (!this.#leave()) return;
    this.socket.close(code, reason);
    cutAfter(this.#owner.limits.closeTimeoutMs, this.socket, () => this.#ended);
  }

  /** Cuts the connection. */
  terminate(): void {
    this.#leave();
    if (!this.#ended) this.socket.terminate();
  }

  /** Hears nothing any more; false if that is so already. */
  #leave(): boolean {
    const first = this.#open;
    this.#open = false;
    if (first) this.#owner.detached(this);
    return first;
  }

  /** Settles when the engine has ended the connection. */
  gone(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return (this.#gone ??= Promise.withResolvers()).promise;
  }
}

/** The client of a {@link Connection}. */
export interface ConnectedClient {
  readonly handlers: Pick<Handlers<unknown>, "error" | "message" | "paused">;
  readonly outbox: Pick<Outbox<OutboxClient>, "heard" | "hears">;
  /** Of a client that speaks `meshsocket.v1`. */
  readonly v1: Pick<Protocol, "ledger" | "read"> | undefined;
  close(code: number, reason: string): void;
  /** Ends the connection, after which the client may come back. */
  interrupt(code: number, reason: string): void;
  /** The connection answered no ping. */
  dead(): void;
  /** The engine lost the connection, or the peer closed it. */
  disconnected(connection: Connection, end: End): void;
}

/** Dependencies of {@link Connection}. */
export interface ConnectionOwner {
  readonly limits: Readonly<Limits>;
  readonly counters: Counters;
  /** The connection started to close or was lost. Called once. */
  detached(connection: Connection): void;
}
