/** How a hub waits for clients of `meshsocket.v1` whose connection dropped. */
export interface ResumeOptions {
  /** Milliseconds that an away client may take to come back; 0: clients are never away. Default 30,000. */
  readonly windowMs: number;
  /** Bytes of unacknowledged messages that are kept for a client. An away client that needs more is lost. Default 262,144. */
  readonly maxBytes: number;
}

/** The token and position with which a client comes back. */
export interface ResumeOffer {
  readonly token: string;
  /** Of a client that did not come itself: the token before, "" for none. Both stay as they are. */
  readonly former?: string;
  /** How many messages it has. */
  readonly received: number;
  /** The user that its new session names. */
  readonly user?: string | undefined;
}

/**
 * Why an away client was given up: it did not come back in time, more than `resume.maxBytes` waited for it, a newer client
 * took its id, its session was over (`expiresAt`), or it was closed while away, by the application or because its node closed and no other
 * node took it over.
 */
export type LostReason = "window" | "overflow" | "replaced" | "expired" | "closed";
