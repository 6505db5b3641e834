import { checkClose, checkCount } from "../base/check/check.ts";
import type { Client } from "./client.ts";
import { CloseCode } from "../base/close-code.ts";
import type { ConnectedClient, Connection } from "./connection.ts";
import type { ClientOwner, Identity } from "./client-owner.ts";
import { CLIENT_HABITS, teach } from "../base/check/habits.ts";
import { type Json, toJson } from "../base/json.ts";
import { Expiry } from "./token/expiry.ts";
import type { FanOutMember } from "./fan-out.ts";
import type { Frame } from "../send/frame.ts";
import { type HandedOver, listensOn, MAX_HANDOVER_BYTES, MAX_LEAVING_MS } from "./resume/handover.ts";
import { CUT, type End, type HandledClient, Handlers } from "./handlers.ts";
import { Outbox, type OutboxClient } from "./outbox.ts";
import type { Protocol, ProtocolClient } from "./resume/protocol.ts";
import type { LostReason, ResumeOffer } from "./resume/resume.ts";
import type { Tapped } from "./watch/tapped.ts";
import { unref } from "../base/tick.ts";
import { ClientVerbs } from "./verbs/client-verbs.ts";

/**
 * A {@link Client} from the inside, over one connection or, with `meshsocket.v1`, over several.
 *
 * Frames leave through its {@link Outbox}; messages reach the application through its {@link Handlers}.
 */
export class HubClient<Data = unknown> extends ClientVerbs<HubClient<Data>>
  implements Client<Data>, HandledClient<Data>, ConnectedClient, OutboxClient, ProtocolClient, FanOutMember {
  readonly id: string;
  readonly user: string | undefined;
  /** The number of the claim by which this client has its id: of two clients the larger is the newer. */
  claim: bigint;
  data: Data;
  url: string;
  remoteAddress: string;
  readonly protocol: string;
  /** The JSON that other clients may see of this one; "" for none. */
  info: string;
  /** Filled by the topic index; undefined while there are none. */
  topicSet: Set<string> | undefined;
  /** The topics of these to which it subscribed itself, and whether the server made it listen as well; undefined while there are none. */
  tagged: Map<string, boolean> | undefined;
  /** When it connected first, in milliseconds since 1970. */
  readonly sinceMs: number = Date.now();
  /** Undefined while nobody taps it. */
  tap: Tapped | undefined = undefined;
  readonly outbox: Outbox<HubClient<Data>>;
  readonly handlers: Handlers<Data>;
  /** Of a client that speaks `meshsocket.v1`. */
  readonly v1: Protocol<HubClient<Data>> | undefined;
  readonly #owner: ClientOwner<Data, HubClient<Data>>;
  /** Most sessions have no end. */
  #expiry: Expiry | undefined;
  /** Undefined while the client is away, and before and after its time. */
  #connection: Connection | undefined;
  /** The connection of a client whose state is still on its way from another node. */
  #expected: Connection | undefined;
  #arrival: Promise<void> | undefined;
  #open = true;
  /** How this side ended it, if it did so first. */
  closeSent: End | undefined;
  /** How the last connection ended. */
  #lastEnd: End = CUT;
  #ended = false;
  #moved = false;
  /** With what it came back on another node, which has not taken it yet. */
  #leaving: ResumeOffer | undefined;
  #window: unknown;

  constructor(owner: ClientOwner<Data, HubClient<Data>>, identity: Identity<Data>) {
    super(owner);
    this.id = identity.id;
    this.user = identity.session.user;
    this.claim = identity.claim;
    this.data = identity.session.data as Data;
    this.url = identity.url;
    this.remoteAddress = identity.remoteAddress;
    this.protocol = identity.protocol;
    this.info = identity.info;
    this.#owner = owner;
    this.v1 = identity.v1 && new identity.v1<HubClient<Data>>(this, owner, identity.idSecret);
    this.outbox = new Outbox<HubClient<Data>>(this, owner);
    this.handlers = new Handlers<Data>(this, identity.session, owner);
    if (identity.session.expiresAt !== undefined) this.expiry.at = identity.session.expiresAt;
  }

  get expiry(): Expiry {
    return (this.#expiry ??= new Expiry(this));
  }

  get open(): boolean {
    return this.#open;
  }

  get away(): boolean {
    return this.#open && this.#connection === undefined;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  get bufferedAmount(): number {
    return this.outbox.bufferedAmount;
  }

  /** Whether a newer client took the id, or the same one on another node. */
  get replaced(): boolean {
    return this.#moved || this.closeSent?.code === CloseCode.Replaced;
  }

  /** Whether it goes on on another node. */
  get moved(): boolean {
    return this.#moved;
  }

  /** Whether it came back on another node, which has not taken it yet. */
  get leaving(): boolean {
    return this.#leaving !== undefined;
  }

  get topics(): ReadonlySet<string> {
    return this.topicSet ?? new Set();
  }

  protected get own(): HubClient<Data> {
    return this;
  }

  setInfo(info: Json | undefined): void {
    checkCount("client.setInfo(info)", arguments.length, 1);
    this.#setInfo(toJson("info", info, this.#owner.limits.maxInfoBytes));
  }

  #setInfo(info: string): void {
    if (info === this.info) return;
    this.info = info;
    this.#owner.infoChanged(this);
  }

  static {
    teach(HubClient.prototype, CLIENT_HABITS);
  }

  /** Writes past the frames of this tick; a client that does not read is cut. */
  writeNow(frames: readonly Frame[]): void {
    this.outbox.writeNow(frames);
  }

  // ---- connections ----

  /** Whether the client keeps its id from a newer one with this offer: it is connected, and is not the one that comes back. */
  keeps(offer: ResumeOffer | undefined): boolean {
    return !this.away && !(offer && this.v1?.refusalOf(offer) === undefined);
  }

  /** Has its first connection. `lost` is why it could not resume, if it asked to. */
  connected(connection: Connection, lost: string | undefined): void {
    this.#connection = connection;
    this.outbox.attach(connection.socket);
    this.v1?.hello(false, lost);
  }

  /** Begins as a new client, since none came from another node. Messages that waited for it meanwhile go out now. */
  begun(connection: Connection, lost: string): boolean {
    if (!this.#settleIn(connection) || this.v1?.ledger.complete === false) return false;
    this.connected(connection, lost);
    this.v1?.sendAfter(0);
    return true;
  }

  /** Has a connection that is not used before the client's state came from another node. */
  expected(connection: Connection | undefined, arrival: Promise<void>): void {
    this.#expected = connection;
    this.#arrival = arrival.finally(() => {
      this.#arrival = undefined;
      this.#expected = undefined;
    });
  }

  /** Settles when the client's state came from another node, or could not; undefined if it is here. */
  get arrival(): Promise<void> | undefined {
    return this.#arrival;
  }

  /**
   * Goes on here after it was on another node; if the new connection ended meanwhile, or there is none, the client is away.
   * False if its messages are too many.
   */
  arrived(connection: Connection | undefined, offer: ResumeOffer, handed: HandedOver): boolean {
    const ended = !this.#settleIn(connection) || connection === undefined;
    if (this.v1?.ledger.hasRoomFor(handed.messages) === false) return false;
    this.#connection = connection;
    if (!ended) this.outbox.attach(connection.socket);
    this.v1?.arrive(offer, handed);
    this.handlers.arrived();
    if (connection) this.#owner.resumed(this);
    if (ended && this.#connection === connection) this.#goAway();
    return true;
  }

  /** Counts the messages that came for it while it waited; false if its connection ended meanwhile. */
  #settleIn(connection: Connection | undefined): boolean {
    this.outbox.flushAll();
    return this.#expected === connection;
  }

  /** Waits, without a connection, for another node to take it, on which it came back; returns why it cannot resume, if so. */
  leaves(offer: ResumeOffer): string | undefined {
    const { v1 } = this;
    const refusal = v1 ? v1.refusalOf(offer) : "unknown";
    if (!v1 || refusal !== undefined) return refusal ?? "unknown";
    this.outbox.flushAll();
    const connection = this.#connection;
    this.#connection = undefined;
    this.outbox.detach();
    connection?.terminate();
    this.#leaving = offer;
    if (!this.#open || !v1.ledger.complete) return "overflow";
    clearTimeout(this.#window as number);
    this.#waitInWindow("replaced", MAX_LEAVING_MS);
    return undefined;
  }

  /**
   * Gives the client to the node that it leaves for, which goes on from these places of topics with history; returns why not, if
   * it cannot. It ends here without a handler.
   */
  handOver(places: HandedOver["places"]): HandedOver | string {
    const { v1 } = this;
    if (!v1 || !this.#leaving || !this.#open) return "unknown";
    for (const frame of this.#owner.takeWaiting(this)) this.outbox.enqueue(frame);
    this.outbox.flushAll();
    if (!this.#open || !v1.ledger.complete || v1.ledger.bytes > MAX_HANDOVER_BYTES) return "overflow";
    const handed = v1.handOver(this.#leaving, { ...listensOn(this), places });
    this.#moved = true;
    this.forgotten();
    return handed;
  }

  /** Ends here without a handler. */
  forgotten(): void {
    this.#ended = true;
    this.handlers.silence();
    this.#leave();
    this.v1?.ledger.clear();
  }

  /** Goes on over another connection, which may come while the old one still looks alive. */
  resume(connection: Connection, identity: Identity<Data>): void {
    const halfOpen = this.#connection;
    if (halfOpen) this.#goAway();
    halfOpen?.terminate();
    clearTimeout(this.#window as number);
    this.#connection = connection;
    this.claim = identity.claim;
    this.data = identity.session.data as Data;
    this.url = identity.url;
    this.remoteAddress = identity.remoteAddress;
    this.#setInfo(identity.info);
    if (this.#expiry ?? identity.session.expiresAt) this.expiry.at = identity.session.expiresAt;
    this.outbox.attach(connection.socket);
    if (this.handlers.paused) connection.socket.pause?.();
    if (identity.resume) this.v1?.resume(identity.resume);
    this.handlers.resumed(identity.session);
    this.#owner.resumed(this);
  }

  /** The engine lost the connection, or the peer closed it. */
  disconnected(connection: Connection, end: End): void {
    if (this.#expected === connection) this.#expected = undefined;
    if (this.#connection === connection) this.#disconnected(end);
  }

  #disconnected(end: End): void {
    this.#lastEnd = end;
    if (this.#mayComeBack(end.code)) return this.#goAway();
    this.#connection = undefined;
    this.outbox.drop();
    this.#leave();
    // The side that closed first named code and reason; the peer's echo differs from client to client.
    this.#finish(this.closeSent ?? end, []);
  }

  #mayComeBack(code: number): boolean {
    const resumes = this.#open && this.v1 !== undefined && this.#owner.resume.windowMs > 0;
    return resumes && (code === CloseCode.Abnormal || code === CloseCode.Interrupted);
  }

  #goAway(): void {
    this.#connection = undefined;
    this.outbox.detach();
    this.handlers.away();
    this.#owner.away(this);
    this.#waitInWindow();
    if (!this.v1?.ledger.complete) this.lose("overflow");
  }

  #waitInWindow(reason: LostReason = "window", ms: number = this.#owner.resume.windowMs): void {
    this.#window = setTimeout(() => this.lose(reason), ms);
    unref(this.#window);
  }

  /** Ends the connection, after which a client of `meshsocket.v1` may come back; any other is closed. One that is away stays. */
  interrupt(code: number, reason: string): void {
    const connection = this.#connection;
    if (this.away && !this.#arrival) return;
    if (!connection || !this.#mayComeBack(CloseCode.Interrupted)) return this.close(code, reason);
    this.outbox.flushAll();
    if (this.#connection !== connection) return;
    this.#lastEnd = { code, reason };
    connection.close(code, reason);
    this.#goAway();
  }

  /** The connection answered no ping. */
  dead(): void {
    const connection = this.#connection;
    if (!connection || !this.#mayComeBack(CloseCode.Abnormal)) return this.terminate();
    this.#goAway();
    connection.terminate();
  }

  // ---- the end ----

  close(code: number = CloseCode.Normal, reason = ""): void {
    checkClose(code, reason);
    if (this.#leaving) this.#owner.closeElsewhere(this, code, reason);
    else this.closeHere(code, reason);
  }

  /** Closes it, even if it is leaving for another node. */
  closeHere(code: number, reason: string): void {
    if (!this.#open) return;
    this.outbox.flushAll();
    // The flush may have found the connection gone.
    if (!this.#open) return;
    this.closeSent = { code, reason };
    if (!this.#connection) return this.lose(this.replaced ? "replaced" : "closed");
    this.#leave();
    this.#connection.close(code, reason);
  }

  /** The session is over, and the client did not send a new token. */
  expired(): void {
    const end = { code: CloseCode.Unauthorized, reason: "the token expired" };
    if (!this.#open || this.#connection) return this.close(end.code, end.reason);
    this.closeSent = end;
    this.lose("expired");
  }

  terminate(): void {
    if (this.#ended) return;
    this.closeSent ??= { code: CloseCode.Abnormal, reason: "" };
    this.#cut();
  }

  /** The client does not read. */
  tooSlow(): void {
    if (!this.#open) return;
    this.closeSent = { code: CloseCode.SlowConsumer, reason: "reads too slowly" };
    // A close frame would wait behind the full buffer: the peer is not reading.
    this.#cut();
  }

  #cut(): void {
    if (!this.#connection) return this.lose("closed");
    this.outbox.drop();
    this.#leave();
    this.#connection.terminate();
  }

  /** Gives up a client that is away, with the messages that it never acknowledged. */
  lose(reason: LostReason): void {
    const { v1 } = this;
    if (!this.away || !v1) return;
    this.outbox.flushAll();
    const undelivered = v1.ledger.undelivered(this.#owner.takeWaiting(this));
    this.#leave();
    this.#owner.lost(this, reason, undelivered);
    this.#finish(this.closeSent ?? this.#lastEnd, undelivered);
  }

  /** Takes no more messages. */
  #leave(): void {
    if (!this.#open) return;
    this.#open = false;
    clearTimeout(this.#window as number);
    this.#expiry?.stop();
    this.v1?.end();
    // Once this side has closed, messages that wait are not handled.
    if (this.closeSent) this.handlers.silence();
    this.#owner.left(this);
  }

  #finish(end: End, undelivered: readonly (string | Uint8Array)[]): void {
    if (this.#ended) return;
    this.#ended = true;
    this.v1?.ledger.clear();
    this.handlers.ended(end, undelivered);
  }
}
