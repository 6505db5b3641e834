import { framesOf } from "./settle.ts";
import { ACK_BYTES, ACK_MESSAGES, ackLine, byeLine, type Control, decodeControl, errorLine } from "../../wire/v1.ts";
import {
  helloLine,
  isCounted,
  isEscaped,
  isReserved,
  type Payload,
  pongLine,
  replyLine,
  SYNC_LINE,
  unescape,
} from "../../wire/v1.ts";
import { decodeTopicCall, type TopicCall, unsubscribedLine } from "../../wire/topics.ts";
import type { Acknowledging, Acks } from "./turns.ts";
import { CloseCode } from "../../base/close-code.ts";
import { Confirmations } from "./confirmations.ts";
import type { Expiry } from "../token/expiry.ts";
import { Frame } from "../../send/frame.ts";
import type { HandedOver } from "./handover.ts";
import type { HandlerName, Handlers } from "../handlers.ts";
import type { Budget } from "./budget.ts";
import type { Burst } from "../../send/burst.ts";
import { Ledger, wholeOf } from "./ledger.ts";
import type { Limits } from "../../base/limits.ts";
import { MeshError } from "../../base/error.ts";
import type { Outbox, OutboxClient } from "../outbox.ts";
import { errorForClient, Requests } from "../requests.ts";
import type { ResumeOffer, ResumeOptions } from "./resume.ts";
import { ResumeToken } from "./resume-token.ts";
import { TopicCalls, type TopicClient, type TopicOwner } from "./topic-calls.ts";

/** The server's side of `meshsocket.v1` for one client: control lines, counts, acknowledgements, and calls both ways. */
export class Protocol<Own extends ProtocolClient = ProtocolClient> implements Acknowledging {
  readonly ledger: Ledger;
  readonly token: ResumeToken;
  readonly #client: Own;
  readonly #owner: ProtocolOwner<Own>;
  #requests: Requests | undefined;
  #confirmations: Confirmations | undefined;
  #topicCalls: TopicCalls<Own> | undefined;
  /** The client's calls that are not answered yet. */
  readonly #calls = new Set<{ readonly number: number }>();
  /** Bytes that were handled and not acknowledged. */
  #unackedBytes = 0;
  /** The client waits until so many of its messages are acknowledged; 0 if it does not. */
  #syncAt = 0;
  /** A message to confirm is in this tick's write. */
  #syncDue = false;
  /** An acknowledgement goes with the next message. */
  ackDue = false;

  constructor(client: Own, owner: ProtocolOwner<Own>, idSecret: string | undefined) {
    this.#client = client;
    this.token = new ResumeToken(idSecret);
    this.#owner = owner;
    this.ledger = new Ledger(owner.resume.maxBytes, owner.resumeBudget);
  }

  // ---- from the client ----

  /** Counts a message of the application and returns it; undefined for a control line, which is obeyed. */
  read(message: Payload): Payload | undefined {
    this.token.proven();
    if (!isReserved(message)) {
      this.ledger.received++;
      return message;
    }
    if (isEscaped(message)) {
      this.ledger.received++;
      return unescape(message);
    }
    const control = decodeControl(message);
    if (control !== undefined) this.#obey(control);
    else this.#topicLine(message);
    return undefined;
  }

  /** A message was handed to the application: acknowledges it now or soon. */
  handled(bytes: number): void {
    const { ledger } = this;
    ledger.handled++;
    this.#unackedBytes += bytes;
    const unacked = ledger.handled - ledger.ackSent;
    const synced = this.#syncAt > ledger.ackSent && ledger.handled >= this.#syncAt;
    if (unacked >= ACK_MESSAGES || this.#unackedBytes >= ACK_BYTES || synced) this.acknowledge();
    else if (unacked === 1) this.#owner.acks.soon(this);
  }

  #obey(control: Control): void {
    if (isCounted(control)) this.ledger.received++;
    switch (control.type) {
      case "ack":
        if (!this.#acknowledged(control.count)) this.#fault("so many messages were never sent");
        return;
      case "sync":
        return this.#sync();
      case "ping":
        return this.#write(Frame.control(pongLine(control.number, Date.now())));
      case "pong":
        return;
      case "request":
        return this.#called(control, "onRequest", () => this.#request(control));
      case "token":
        return this.#called(control, "onToken", () => this.#renew(control));
      case "reply":
        this.#requests?.reply(control.number, control.payload);
        return this.#countInTurn();
      case "error":
        this.#requests?.fail(control.number, control.code, control.message);
        return this.#countInTurn();
      default:
        return this.#fault(`a client does not send ~${control.type}`);
    }
  }

  #sync(): void {
    this.#syncAt = this.ledger.received;
    if (this.ledger.handled >= this.#syncAt) this.acknowledge(true);
  }

  /** A reply is taken at once, because a handler may wait for it, but counts only after the messages that came before it. */
  #countInTurn(): void {
    this.#client.handlers.inTurn({ name: "onEvent", bytes: 0, run: () => this.handled(0) });
  }

  #called({ number, payload: { length } }: Call, name: HandlerName, reply: () => Promise<Frame>): void {
    const run = (): void => {
      void this.#answer(number, reply);
      this.handled(length);
    };
    this.#client.handlers.inTurn({ name, bytes: length, run });
  }

  async #request({ number, payload }: Call): Promise<Frame> {
    return Frame.control(replyLine(number), await this.#client.handlers.request(payload));
  }

  /** The client's new token: the reply has the time in which it is to send the next one. */
  async #renew({ number, payload }: Call): Promise<Frame> {
    if (typeof payload !== "string") throw new MeshError("invalid_argument", "a token must be text");
    const { expiry, handlers } = this.#client;
    const expiresAt = await handlers.token(payload);
    expiry.at = expiresAt;
    return Frame.control(replyLine(number), Frame.of(JSON.stringify({ expiresAt, time: Date.now() })));
  }

  #topicLine(message: Payload): void {
    const call = decodeTopicCall(message);
    if (call === undefined) return this.#fault("that is not a control line");
    this.ledger.received++;
    const name = call.type === "publish" ? "onPublish" : "onSubscribe";
    this.#called({ number: call.number, payload: message }, name, () => this.#topicCall(call));
  }

  async #topicCall(call: TopicCall): Promise<Frame> {
    this.#topicCalls ??= new TopicCalls<Own>(this.#client, this.#owner);
    return Frame.control(await this.#topicCalls.answer(call));
  }

  /** Runs a call of the client and sends what came of it. Calls begin in order and run at the same time. */
  async #answer(number: number, reply: () => Promise<Frame>): Promise<void> {
    if (this.#calls.size >= this.#owner.limits.maxRequestsPerClient) {
      const full = new MeshError("resource_exhausted", `at most ${this.#calls.size} requests may wait for a reply`);
      this.#refuse(number, full);
      return;
    }
    const call = { number };
    this.#calls.add(call);
    try {
      this.#client.outbox.enqueue(await reply());
    } catch (error) {
      this.#refuse(number, error);
    } finally {
      this.#calls.delete(call);
    }
  }

  #refuse(number: number, error: unknown): void {
    const { code, message } = errorForClient(error);
    this.#client.outbox.enqueue(Frame.control(errorLine(number, code, message)));
  }

  #fault(reason: string): void {
    this.#client.close(CloseCode.ProtocolFault, reason);
  }

  // ---- to the client ----

  /** Sends a request and waits for its reply; the errors are those of {@link Requests.ask}. */
  ask(payload: Frame, timeoutMs: number): Promise<Payload> {
    this.#requests ??= new Requests(this.#owner.limits.maxRequestsPerClient);
    return this.#requests.ask(payload, timeoutMs, (frame) => this.#client.outbox.enqueue(frame));
  }

  /** Sends a message and waits until the client has it; the outcomes are those of {@link Confirmations.expect}. */
  confirm(frame: Frame, timeoutMs: number): Promise<boolean> {
    const { ledger } = this;
    this.#confirmations ??= new Confirmations(this.#owner.limits.maxRequestsPerClient);
    return this.#confirmations.expect(timeoutMs, () => {
      const { outbox } = this.#client;
      if (!outbox.enqueue(frame)) return undefined;
      this.#syncDue = true;
      return ledger.sent + outbox.queued;
    });
  }

  /** After messages to confirm were written: asks the client to acknowledge at once. */
  sync(): void {
    if (this.#syncDue) this.#askToAcknowledge();
  }

  /** If somebody waits for it. A client that is away is asked when it comes back. */
  #askToAcknowledge(): void {
    this.#syncDue = false;
    if (!this.#confirmations?.size || this.#client.away) return;
    this.#client.outbox.catchUp();
    this.#client.outbox.flush();
    this.#write(Frame.control(SYNC_LINE));
  }

  acknowledge(again = false): void {
    this.ackDue = false;
    if (!this.#client.away && (again || this.#isBehind)) this.#write(this.#ack());
  }

  /** Keeps the frames of this tick, and returns what is to be written: those, and an acknowledgement if one is due. */
  keep(burst: Burst): readonly Frame[] {
    this.ledger.keep(burst);
    const { forV1 } = burst;
    const goesAlong = this.ackDue && this.#isBehind && burst.byteLength <= MAX_ADDED_TO_BYTES;
    return goesAlong ? [...forV1, this.#ack()] : forV1;
  }

  /** Messages were handled that are not acknowledged. */
  get #isBehind(): boolean {
    return this.ledger.handled > this.ledger.ackSent;
  }

  #ack(): Frame {
    const { ledger } = this;
    ledger.ackSent = ledger.handled;
    this.#unackedBytes = 0;
    this.ackDue = false;
    return Frame.control(ackLine(ledger.handled));
  }

  /** The first frame of a connection. */
  hello(resumed: boolean, lost: string | undefined): void {
    const { windowMs, maxBytes } = this.#owner.resume;
    const { ledger, token } = this;
    ledger.ackSent = ledger.handled;
    this.ackDue = false;
    const line = helloLine({
      id: this.#client.id,
      resumed,
      lost,
      received: ledger.received,
      handled: ledger.handled,
      token: windowMs > 0 ? token.current : "",
      windowMs,
      maxBytes,
      time: Date.now(),
      expiresAt: this.#client.expiry.at,
    });
    this.#write(Frame.control(line));
  }

  /** Why the client cannot resume with this offer; undefined if it can. */
  refusalOf({ token, received, user }: ResumeOffer): string | undefined {
    const { acked, complete, sent } = this.ledger;
    if (!this.token.accepts(token)) return "token";
    if (user !== this.#client.user) return "user";
    if (received < acked || received > sent) return "counts";
    this.#acknowledged(received);
    return complete || this.ledger.complete ? undefined : "overflow";
  }

  /** The client comes back: frames that it has not got go out again, before anything new. */
  resume({ token, received }: ResumeOffer): void {
    this.token.next(token);
    this.#acknowledged(received);
    this.hello(true, undefined);
    this.sendAfter(received);
  }

  /** Writes the kept messages after the first `count`. */
  sendAfter(count: number): void {
    const frames = this.ledger.after(count);
    if (frames.length > 0) this.#client.writeNow(frames);
    this.#askToAcknowledge();
  }

  /** The state of a client that goes on on another node: messages that it has not got go with it. */
  handOver(
    { received, token, former }: ResumeOffer,
    topics: Pick<HandedOver, "topics" | "tagged" | "places">,
  ): HandedOver {
    this.#acknowledged(received);
    const frames = this.ledger.framesAfter(received).map(wholeOf);
    // The answers to calls that are running here would not find the client any more.
    for (const { number } of this.#calls) frames.push(Frame.control(errorLine(number, "unknown", "the client moved")));
    const messages = frames.map((frame) => ({
      data: frame.bytes,
      binary: frame.binary,
      control: frame.isControl,
    }));
    return {
      ...topics,
      received,
      handled: this.ledger.handled,
      messages,
      lastRequest: this.#requests?.lastNumber ?? 0,
      ...former !== undefined && { token, former },
    };
  }

  /** Goes on with the state from another node. Messages that were sent here meanwhile come after those that it brings. */
  arrive(offer: ResumeOffer, handed: HandedOver): void {
    const { received, handled, messages, lastRequest } = handed;
    const { token = offer.token, former = offer.former } = handed;
    // Until the client proves that it got the hello, it may come back with the same token.
    if (former === undefined) this.token.next(token);
    else this.token.keep(token, former);
    const frames = framesOf(messages);
    // Their topics are not known any more, one of which may want that they never are.
    for (const frame of frames) frame.compress = null;
    const { sent } = this.ledger;
    this.ledger.arrive(received, handled, frames);
    this.#confirmations?.shift(this.ledger.sent - sent);
    if (lastRequest > 0) this.#requests = new Requests(this.#owner.limits.maxRequestsPerClient, lastRequest);
    this.hello(true, undefined);
    this.sendAfter(received);
  }

  /** The server ended a subscription of the client. */
  unsubscribed(topic: string): void {
    this.#client.outbox.enqueue(Frame.control(unsubscribedLine(topic)));
  }

  /** Tells the client when to come back after the close that follows. */
  bye(retryAfterMs: number): void {
    this.#write(Frame.control(byeLine(retryAfterMs)));
  }

  /** The client takes no more messages: nobody will reply or acknowledge. */
  end(): void {
    this.#requests?.end();
    this.#confirmations?.end(this.#client.moved);
  }

  /** The client has so many messages. False if that many were never sent. */
  #acknowledged(count: number): boolean {
    if (!this.ledger.ack(count)) return false;
    this.#confirmations?.acknowledged(count);
    return true;
  }

  /** On a connection that this side has closed nothing is written any more. */
  #write(frame: Frame): void {
    if (this.#client.open) this.#client.writeNow([frame]);
  }
}

/** With an acknowledgement added, the bytes of a burst are not those of other clients any more: few are copied for one. */
const MAX_ADDED_TO_BYTES = 1_024;

/** A call of the client. */
interface Call {
  readonly number: number;
  readonly payload: Payload;
}

/** The client of a {@link Protocol}. */
export interface ProtocolClient extends TopicClient {
  readonly id: string;
  readonly user: string | undefined;
  readonly away: boolean;
  readonly open: boolean;
  /** Whether it goes on on another node. */
  readonly moved: boolean;
  readonly expiry: Pick<Expiry, "at">;
  readonly handlers: Pick<Handlers<unknown>, "allow" | "inTurn" | "request" | "token">;
  readonly outbox: Pick<Outbox<OutboxClient>, "enqueue" | "queued" | "catchUp" | "flush">;
  /** Writes past the frames of this tick. */
  writeNow(frames: readonly Frame[]): void;
  close(code: number, reason: string): void;
}

/** Dependencies of {@link Protocol}. */
export interface ProtocolOwner<Own> extends TopicOwner<Own> {
  readonly limits: Readonly<Limits>;
  /** How long, and with how many bytes, clients that are away are waited for. */
  readonly resume: ResumeOptions;
  readonly resumeBudget: Budget;
  readonly acks: Acks;
}
