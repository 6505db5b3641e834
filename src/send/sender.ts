import { type Calls, EMIT_OPTIONS, ONE_MESSAGE, SEND_OPTIONS } from "./calls.ts";
import { anything, checkClose, checkCount, checkFlag, checkName, type OptionTable } from "../base/check/check.ts";
import { CloseCode } from "../base/close-code.ts";
import { MeshError } from "../base/error.ts";
import { checkTopic } from "../base/check/topic.ts";
import type { Traces } from "../base/trace/tracing.ts";
import { teach } from "../base/check/habits.ts";
import { exceptSet } from "./except.ts";
import { Frame, type Message } from "./frame.ts";
import type { Position } from "./position.ts";
import type { Limits } from "../base/limits.ts";
import type {
  Count,
  Delivery,
  EmitOptions,
  HistoryPage,
  HistoryReadOptions,
  Members,
  MembersOptions,
  SendOptions,
  SendToManyOptions,
  SendToTopicOptions,
  Verbs,
} from "./verbs.ts";

/** Methods that users of other libraries call on a hub. */
const HABITS: Readonly<Record<string, string>> = {
  "broadcast.emit": "write broadcast(message)",
  to: "write publish(topic, message), or emit(id, message) for one client",
  in: "write publish(topic, message), or members(topic) for those who listen",
  except: "write broadcast(message, { except: ids })",
  send: "write emit(id, message), or broadcast(message)",
  join: "write subscribe(id, topic)",
  leave: "write unsubscribe(id, topic)",
  use: "decide in session(request), which may return a Response",
  of: "write a hub of its own for each path",
  socketsJoin: "write subscribe(id, topic)",
  socketsLeave: "write unsubscribe(id, topic)",
  disconnectSockets: "write disconnect(id, code, reason)",
  fetchSockets: "write members(topic), or for (const client of hub)",
  serverSideEmit: "write publish(topic, message)",
  handleUpgrade: "write attach(hub, server, { session })",
  addEventListener: "write on(event, listener)",
  once: "write const off = on(event, listener), and call off()",
  off: "call the function that on(event, listener) returned",
};

/** For users of libraries whose first argument is the name of an event. */
const FOR_ONE = "; the first argument is the id of a client";

/** The options of a send to many. */
export const MANY_OPTIONS: OptionTable<SendToManyOptions> = { ...SEND_OPTIONS, except: anything };
/** The options of a publish. The key is checked where it is used. */
const PUBLISH_OPTIONS: OptionTable<SendToTopicOptions> = { ...MANY_OPTIONS, key: anything };
/** The options of `history`. Their values are checked where they are read. */
const HISTORY_OPTIONS: OptionTable<HistoryReadOptions> = {
  ...SEND_OPTIONS,
  from: anything,
  to: anything,
  limit: anything,
  reverse: checkFlag,
};
/** The options of `members`. */
export const MEMBERS_OPTIONS: OptionTable<MembersOptions> = { ...SEND_OPTIONS, info: checkFlag };

/**
 * The verbs that reach clients, the same on a Hub, a DistHub and a DistClient.
 *
 * Every verb rejects with a TypeError (`invalid_argument`) for bad arguments, with the signal's reason when it is aborted,
 * and with a MeshError for anything else. A rejection that nobody handles never ends the process.
 */
export abstract class Sender {
  /** The limits in force. */
  readonly limits: Readonly<Limits>;

  readonly #calls: Calls;
  readonly #verbs: Verbs;

  /** `verbs` do what is asked for once its arguments are checked; `calls` starts each, and hears of failures. */
  constructor(limits: Readonly<Limits>, verbs: Verbs, calls: Calls) {
    this.limits = limits;
    this.#verbs = verbs;
    this.#calls = calls;
  }

  /**
   * Sends to one id. True: its socket took the message, or it waits for the client to resume. False: nobody has the id, or
   * its buffer is full.
   *
   * With `confirm`, true says that the client itself acknowledged the message: it was handed to the application there. False
   * says besides that the client left for good without acknowledging it. The client must speak `meshsocket.v1`, as
   * `meshsocket/client` does, and may drop its connection and resume meanwhile. Rejects then with `failed_precondition` for
   * any other client (nothing is sent), `resource_exhausted` when `limits.maxRequestsPerClient` wait for the client,
   * `deadline_exceeded` when it did not acknowledge in time, and `unknown` when it moved to another node before.
   *
   * ```ts
   * const received = await hub.emit("alice", "your order shipped", { confirm: true, timeoutMs: 5_000 });
   * ```
   */
  emit(id: string, message: Message, options?: EmitOptions): Promise<boolean> {
    return this.#calls.run("emit", options, (checked) => {
      checkCount("emit(id, message, options)", arguments.length, 3, ONE_MESSAGE);
      checkName("id", id, this.limits.maxIdBytes);
      return this.#verbs.emit(id, this.#frame(message, FOR_ONE), checked);
    }, EMIT_OPTIONS);
  }

  /** Whether the id is connected. */
  online(id: string, options?: SendOptions): Promise<boolean> {
    return this.#calls.run("online", options, (checked) => {
      checkCount("online(id, options)", arguments.length, 2);
      checkName("id", id, this.limits.maxIdBytes);
      return this.#verbs.online(id, checked);
    });
  }

  /** Sends to all clients. */
  broadcast(message: Message, options?: SendToManyOptions): Promise<Delivery> {
    return this.#calls.run("broadcast", options, (checked) => {
      checkCount("broadcast(message, options)", arguments.length, 2, ONE_MESSAGE);
      return this.#verbs.broadcast(this.#frame(message), exceptSet(options?.except), checked);
    }, MANY_OPTIONS);
  }

  /**
   * Sends to the clients that listen on the topic.
   *
   * If the topic keeps history, the message is appended to that first and the result names its place, `epoch` and `offset`; listeners on all nodes
   * get the messages in this order. Rejects then with `unavailable` if nothing was appended, so that nobody gets it, and with `unknown` if that is not
   * known. With a `key` it can be called again: a message that was published already is not published twice.
   */
  publish(topic: string, message: Message, options?: SendToTopicOptions): Promise<Delivery> {
    return this.#calls.run("publish", options, (checked) => {
      checkCount("publish(topic, message, options)", arguments.length, 3, ONE_MESSAGE);
      checkTopic(topic, this.limits.maxTopicBytes);
      return this.#verbs.publish(topic, this.#frame(message), exceptSet(options?.except), checked);
    }, PUBLISH_OPTIONS);
  }

  /**
   * Reads a page of the history of a topic. Rejects with `failed_precondition` if the topic keeps none, and with `unavailable` if it cannot be read.
   *
   * ```ts
   * const { messages } = await hub.history("room:1", { from: { last: 20 } }); // [{ offset, atMs, data, key }]
   * ```
   */
  history(topic: string, options?: HistoryReadOptions): Promise<HistoryPage> {
    return this.#calls.run("history", options, (checked) => {
      checkCount("history(topic, options)", arguments.length, 2);
      checkTopic(topic, this.limits.maxTopicBytes);
      return this.#verbs.history(topic, checked);
    }, HISTORY_OPTIONS);
  }

  /**
   * The end of a topic with history. Take it before you load the state that the messages change, and begin to listen from it: no message is
   * missed between. Rejects as {@link Sender.history} does.
   */
  position(topic: string, options?: SendOptions): Promise<Position> {
    return this.#calls.run("position", options, (checked) => {
      checkCount("position(topic, options)", arguments.length, 2);
      checkTopic(topic, this.limits.maxTopicBytes);
      return this.#verbs.position(topic, checked);
    });
  }

  /**
   * Asks one client, which must speak the request subprotocol, and resolves with its reply: a string or bytes, as it came.
   *
   * Rejects with `not_found` when nobody has the id, `failed_precondition` when the client does not speak the subprotocol,
   * `resource_exhausted` when its buffer is full or too many requests wait for it, `deadline_exceeded` when it did not reply
   * in time, and `unknown` when it left before.
   *
   * ```ts
   * const answer = await hub.request("alice", "ready?", { timeoutMs: 5_000 });
   * ```
   */
  request(id: string, message: Message, options?: SendOptions): Promise<string | Uint8Array> {
    return this.#calls.run("request", options, (checked) => {
      checkCount("request(id, message, options)", arguments.length, 3, ONE_MESSAGE);
      checkName("id", id, this.limits.maxIdBytes);
      return this.#verbs.request(id, this.#frame(message, FOR_ONE), checked);
    });
  }

  /** How many listen on the topic. */
  count(topic: string, options?: SendOptions): Promise<Count> {
    return this.#calls.run("count", options, (checked) => {
      checkCount("count(topic, options)", arguments.length, 2);
      checkTopic(topic, this.limits.maxTopicBytes);
      return this.#verbs.count(topic, checked);
    });
  }

  /** The clients that listen on the topic. */
  members(topic: string, options?: MembersOptions): Promise<Members> {
    return this.#calls.run("members", options, (checked) => {
      checkCount("members(topic, options)", arguments.length, 2);
      checkTopic(topic, this.limits.maxTopicBytes);
      return this.#verbs.members(topic, checked);
    }, MEMBERS_OPTIONS);
  }

  /** Makes a client listen on a topic. False: nobody has the id. */
  subscribe(id: string, topic: string, options?: SendOptions): Promise<boolean> {
    return this.#calls.run("subscribe", options, (checked) => {
      checkCount("subscribe(id, topic, options)", arguments.length, 3);
      checkName("id", id, this.limits.maxIdBytes);
      checkTopic(topic, this.limits.maxTopicBytes);
      return this.#verbs.subscribe(id, topic, checked);
    });
  }

  /** Makes a client stop listening on a topic. False: nobody has the id. */
  unsubscribe(id: string, topic: string, options?: SendOptions): Promise<boolean> {
    return this.#calls.run("unsubscribe", options, (checked) => {
      checkCount("unsubscribe(id, topic, options)", arguments.length, 3);
      checkName("id", id, this.limits.maxIdBytes);
      checkTopic(topic, this.limits.maxTopicBytes);
      return this.#verbs.unsubscribe(id, topic, checked);
    });
  }

  /** Closes the id's connection, in order after what was sent to it. `code` defaults to 1000. False: nobody has the id. */
  disconnect(id: string, code: number = CloseCode.Normal, reason = "", options?: SendOptions): Promise<boolean> {
    return this.#calls.run("disconnect", options, (checked) => {
      checkCount("disconnect(id, code, reason, options)", arguments.length, 4);
      checkName("id", id, this.limits.maxIdBytes);
      checkClose(code, reason);
      return this.#verbs.disconnect(id, code, reason, checked);
    });
  }

  /**
   * The tracing of the calls: `meshsocket/otel` sets it.
   *
   * @internal
   */
  get traces(): Traces {
    return this.#calls.traces;
  }

  static {
    teach(Sender.prototype, HABITS);
  }

  #frame(message: Message, hint = ""): Frame {
    return checkSize(Frame.of(message, hint), this.limits);
  }
}

/** The frame; throws `resource_exhausted` for a message over the limit. */
export function checkSize(frame: Frame, { maxMessageBytes }: Readonly<Limits>): Frame {
  if (frame.messageBytes <= maxMessageBytes) return frame;
  throw new MeshError("resource_exhausted", `the message is longer than ${maxMessageBytes} bytes`);
}
