/**
 * The close codes that meshsocket sends, each with its meaning (RFC 6455 section 7.4).
 *
 * Its own are 4001 to 4099, after which a client should come back, and 4400 to 4499, after which it should not;
 * {@link shouldReconnect} knows it of every code.
 */
export const CloseCode = {
  /** The conversation is over. */
  Normal: 1000,
  /** The server or the page goes away. */
  GoingAway: 1001,
  /** The peer broke the protocol. */
  ProtocolError: 1002,
  /** Seen locally when the peer's close frame had no code; never sent. */
  NoStatus: 1005,
  /** Seen locally when the connection was lost without a close frame; never sent. */
  Abnormal: 1006,
  /** Text that is not valid UTF-8. */
  InvalidPayload: 1007,
  /** A rule of the application or a limit was broken. */
  PolicyViolation: 1008,
  /** The message is larger than the limit. */
  MessageTooBig: 1009,
  /** A handler of the application failed: connect again later. */
  InternalError: 1011,
  /** The node restarts: connect again, to another. */
  ServiceRestart: 1012,
  /** The node cannot serve now: connect again later. */
  TryAgainLater: 1013,
  /** The client did not authenticate in time (registered with IANA). */
  AuthTimeout: 3008,
  /** Sent by a client of `meshsocket.v1` that will come back, and resume. */
  Interrupted: 4001,
  /** The client reads slower than it is sent to. */
  SlowConsumer: 4008,
  /** The connection reached the longest time that one may last. */
  LifetimeOver: 4010,
  /** The client broke the rules of `meshsocket.v1`. */
  ProtocolFault: 4400,
  /** The client's first message did not authenticate it, or its session was over. */
  Unauthorized: 4401,
  /** The client sent no message for too long. */
  IdleTimeout: 4408,
  /** A newer connection took this id. */
  Replaced: 4409,
} as const;

/**
 * Whether a client that was closed with this code should connect again by itself, after a random pause.
 *
 * It should if the connection was lost (1006), the node failed, went away or cannot serve (1001, 1011 to 1014), or the code
 * is one of 4001 to 4099, which meshsocket uses for faults that a new connection mends. After 4400 to 4499, which are about what the
 * client is or did, and after any other code it should not.
 */
export function shouldReconnect(code: number): boolean {
  return code === 1001 || code === 1006 || (code >= 1011 && code <= 1014) || (code >= 4001 && code <= 4099);
}

/** Whether an application may send this close code: 1000, 1001, 1007 to 1014, or 3000 to 4999 (RFC 6455 section 7.4). */
export function isSendableCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  return code === 1000 || code === 1001 || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/** The most bytes of UTF-8 that a close reason may have (RFC 6455 section 5.5.1: 125 less the code). */
export const MAX_CLOSE_REASON_BYTES = 123;
