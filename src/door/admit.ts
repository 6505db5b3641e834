import { type Admission, isAdmission, refuse, runSession, type UpgradeContext } from "./admission.ts";
import { checkName } from "../base/check.ts";
import { isSession, readDecision } from "./decision.ts";
import { CloseCode } from "../base/close-code.ts";
import type { Connection } from "../client/connection.ts";
import type { Identity } from "../client/connection-owner.ts";
import { withTimeout } from "../send/deadline.ts";
import { errorCode, MeshError } from "../base/error.ts";
import { FirstMessage, type FirstMessageHost } from "./first-message.ts";
import { Gate, type GateOptions } from "./gate.ts";
import type { HubStatus } from "../base/hub-status.ts";
import { toJson } from "../base/json.ts";
import type { Limits } from "../base/limits.ts";
import type { Logger } from "../base/logger.ts";
import { randomId } from "../base/random-id.ts";
import type { Session, SessionFactory, UpgradeInfo } from "../client/session.ts";
import type { Socket } from "../client/socket.ts";
import { chosenProtocol } from "./subprotocol.ts";
import { checkTextPing } from "../client/text-ping.ts";

/** A granted claim on an id. */
export interface Grant {
  readonly claim: bigint;
  /** Whether a newer claim was made before this one's connection stood. */
  readonly replaced?: boolean;
}

/** What the admission settles before it is known who comes. */
interface Arrival {
  readonly url: string;
  readonly remoteAddress: string;
  readonly protocol: string;
  readonly headers: Headers;
}

/** What {@link Admissions} asks of its hub. */
export interface AdmissionHost<Data> {
  readonly limits: Readonly<Limits>;
  readonly logger: Logger;
  status(): HubStatus;
  size(): number;
  claimId(id: string, signal: AbortSignal | undefined): Promise<Grant>;
  /** The granted claim gets no connection. */
  giveUp(id: string, grant: Grant): void;
  join(socket: Socket, identity: Identity<Data>, grant: Grant): Connection<Data>;
}

/** The way from an upgrade request to a connection of the hub: room, session, id, claim. */
export class Admissions<Data> {
  readonly #host: AdmissionHost<Data>;
  readonly #gate: Gate;
  /** Upgrades let in whose connection does not stand yet: they take room. */
  #pending = 0;
  /** Connections that have not said yet who they are. */
  readonly #waiting = new Set<FirstMessage>();

  constructor(host: AdmissionHost<Data>, options: GateOptions) {
    this.#host = host;
    this.#gate = new Gate(options, host.limits);
  }

  /** A Response to send instead of the 101, or an Admission. Never rejects: whatever fails becomes a Response. */
  async admit(request: Request, session: SessionFactory<Data>, context: UpgradeContext): Promise<Response | Admission> {
    const entered = this.#gate.enter(request, context, () => this.#checkRoom());
    if (!("remoteAddress" in entered)) return entered;
    const { remoteAddress } = entered;
    this.#pending++;
    let admission: Response | Admission;
    try {
      admission = await this.#admit(request, session, entered);
    } catch (error) {
      admission = this.#refusalOf(error);
    }
    if (!isAdmission(admission)) this.#gaveUp(remoteAddress);
    return admission;
  }

  /** A connection that was let in takes no more messages. */
  left({ remoteAddress }: Connection<Data>): void {
    this.#gate.leave(remoteAddress);
  }

  /** An upgrade that was let in became no connection. */
  #gaveUp(remoteAddress: string): void {
    this.#pending--;
    this.#gate.leave(remoteAddress);
  }

  get #closing(): boolean {
    const status = this.#host.status();
    return status === "draining" || status === "closed";
  }

  #checkRoom(): Response | undefined {
    if (this.#closing) return refuse(503, "this node is closing", { "retry-after": "1" });
    if (this.#host.size() + this.#pending < this.#host.limits.maxConnections) return undefined;
    return refuse(503, "this node is full", { "retry-after": "5" });
  }

  async #admit(
    request: Request,
    factory: SessionFactory<Data>,
    context: UpgradeContext,
  ): Promise<Response | Admission> {
    const session = await runSession(factory, request, context, this.#host.limits.upgradeTimeoutMs);
    if (!isSession(session)) return session;
    const protocol = chosenProtocol(request, session as Session<never>);
    // Before the claim: headers that cannot be sent must not leave it behind.
    const headers = new Headers(session.headers);
    const arrival: Arrival = { url: request.url, remoteAddress: context.remoteAddress, protocol, headers };
    if (session.authenticate) return this.#undecided(session, arrival);
    return await this.#claim(session, arrival, context.signal);
  }

  async #claim(
    session: Session<Data>,
    { headers, ...arrival }: Arrival,
    signal: AbortSignal | undefined,
  ): Promise<Response | Admission> {
    const { limits } = this.#host;
    checkTextPing(session.textPing);
    const info = toJson("the session's info", session.info, limits.maxInfoBytes);
    const id = session.id ?? randomId();
    try {
      checkName("id", id, limits.maxIdBytes);
    } catch (error) {
      return refuse(400, (error as Error).message);
    }
    const grant = await this.#host.claimId(id, signal);
    const identity: Identity<Data> = { ...arrival, id, claim: grant.claim, session, info };
    if (!this.#closing && !signal?.aborted) return this.#admission(identity, headers, grant);
    this.#host.giveUp(id, grant);
    return refuse(503, "this node is closing", { "retry-after": "1" });
  }

  /** An upgrade whose first message decides: it has no id and no claim before. */
  #undecided(session: Session<Data>, arrival: Arrival): Admission {
    const { limits, logger } = this.#host;
    const gaveUp = (): void => this.#gaveUp(arrival.remoteAddress);
    const authenticate: FirstMessageHost["authenticate"] = async (message, signal) => {
      const info: UpgradeInfo = { remoteAddress: arrival.remoteAddress, signal };
      const answer: Promise<unknown> = Promise.resolve(session.authenticate?.(message, info));
      // One that never answers must not keep the place of a client that is long gone.
      const returned = await withTimeout(answer, limits.authTimeoutMs, "the authentication");
      if (signal.aborted || isNobody(returned)) return undefined;
      const decided = readDecision<Data>("authenticate", returned);
      return isSession(decided) ? await this.#claim(decided, arrival, signal) : decided;
    };
    return {
      id: "",
      protocol: arrival.protocol,
      headers: arrival.headers,
      open: (socket) => {
        const first: FirstMessage = new FirstMessage(socket, {
          limits,
          logger,
          authenticate,
          gaveUp,
          decided: () => this.#waiting.delete(first),
        });
        this.#waiting.add(first);
        if (this.#closing) this.close();
        return first;
      },
      cancel: gaveUp,
    };
  }

  /** Closes who has not said yet who it is. */
  close(): void {
    for (const first of this.#waiting) first.close(CloseCode.ServiceRestart, "this node is closing");
    this.#waiting.clear();
  }

  #admission(identity: Identity<Data>, headers: Headers, grant: Grant): Admission {
    let pending = true;
    const settle = (): boolean => {
      const first = pending;
      pending = false;
      return first;
    };
    return {
      id: identity.id,
      protocol: identity.protocol,
      headers,
      open: (socket) => {
        if (!settle()) throw new MeshError("internal", "an admission was settled twice");
        this.#pending--;
        const connection = this.#host.join(socket, identity, grant);
        if (this.#closing) connection.close(CloseCode.ServiceRestart, "this node is closing");
        return connection;
      },
      cancel: () => {
        if (!settle()) return;
        this.#gaveUp(identity.remoteAddress);
        this.#host.giveUp(identity.id, grant);
      },
    };
  }

  #refusalOf(error: unknown): Response {
    const { logger } = this.#host;
    switch (errorCode(error)) {
      case "already_exists":
        return refuse(409, "the id is connected already");
      case "unavailable":
      case "deadline_exceeded":
      case "failed_precondition":
        logger.warn("meshsocket: an upgrade was refused, the storage does not answer", error);
        return refuse(503, "this node cannot take clients now", { "retry-after": "1" });
      default:
        logger.error("meshsocket: a session failed", error);
        return refuse(500, "internal error");
    }
  }
}

/** Whether `authenticate` said that the message names nobody. */
function isNobody(returned: unknown): boolean {
  return returned === undefined || returned === null || returned === false;
}
