import { about } from "../base/log/about.ts";
import { type Admission, refuse, type UpgradeContext } from "./admission.ts";
import { checkName, kindOf } from "../base/check/check.ts";
import { CloseCode } from "../base/close-code.ts";
import type { Connection } from "../client/connection.ts";
import type { Identity } from "../client/client-owner.ts";
import { isRefusal, isSession, readDecision } from "./decision.ts";
import { invalidArgument, MeshError } from "../base/error.ts";
import type { FirstMessage } from "./first-message.ts";
import { Gate, type GateOptions } from "./gate.ts";
import { toJson } from "../base/json.ts";
import type { Limits } from "../base/limits.ts";
import type { Logger } from "../base/log/logger.ts";
import { randomId } from "../base/random-id.ts";
import { closingRefusal, type Ending, endingOf, refusalOf, Refused, type RefusedEvent, type Visit } from "./refusal.ts";
import { RefusedSocket } from "./refused-socket.ts";
import type { Refusal, SessionFactory, SessionFields, UpgradeInfo } from "../client/session.ts";
import { SessionRun } from "./session-run.ts";
import type { Socket } from "../client/socket.ts";
import type { ResumeOffer } from "../client/resume/resume.ts";
import { loadV1 } from "./load-v1.ts";
import type { Protocol } from "../client/resume/protocol.ts";
import { V1_PROTOCOL } from "../wire/v1.ts";
import { unnamedId } from "../client/resume/unnamed-id.ts";
import { UserPlaces, type UserPlacesDependencies } from "./user-places.ts";
import { chooseProtocol, resumeOffer, type Subprotocol } from "./subprotocol.ts";
import { checkTextPing } from "../client/text-ping.ts";
import { withTimeout } from "../send/deadline.ts";

/** The way from an upgrade request to a connection of the hub: room, session, id, claim. */
export class Admissions<Data> {
  readonly #deps: AdmissionDependencies<Data>;
  readonly #gate: Gate;
  readonly #places: UserPlaces;
  /** Upgrades let in whose connection is not open yet: they take room. */
  #pending = 0;
  /** Sessions that are being decided. */
  readonly #running = new Set<SessionRun<Data>>();
  /** Connections that have not said yet whose they are. */
  readonly #waiting = new Set<FirstMessage>();

  constructor(deps: AdmissionDependencies<Data>, options: GateOptions) {
    this.#deps = deps;
    this.#places = new UserPlaces(deps);
    this.#gate = new Gate(options, deps.limits, deps.logger);
  }

  /** Decides about an upgrade: a Response to send instead of the 101, or an Admission. Never rejects: any failure becomes a Response. */
  async admit(request: Request, session: SessionFactory<Data>, context: UpgradeContext): Promise<Response | Admission> {
    let visit: Visit = { address: context.remoteAddress, origin: undefined, host: "", url: "" };
    let entered = false;
    let answer: Refused | Admission;
    try {
      visit = this.#gate.visit(request, context);
      const refused = this.#gate.enter(request, visit, () => this.#checkRoom(request));
      entered = refused === undefined;
      if (entered) this.#pending++;
      answer = refused ?? (await this.#decide(this.#gate.asSent(request), session, { visit, signal: context.signal }));
    } catch (error) {
      answer = this.#failed(error);
    }
    if (!(answer instanceof Refused)) return answer;
    if (entered) this.#gaveUp(visit);
    this.#report(answer, { status: answer.response.status }, visit);
    return answer.response;
  }

  /** A connection that was let in is gone, or closes. */
  left({ remoteAddress }: Connection): void {
    this.#gate.leave(remoteAddress);
  }

  /** Ends every decision that is under way, and closes the connections that have not said yet whose they are. */
  close(): void {
    for (const run of this.#running) run.close();
    for (const first of this.#waiting) first.close(CLOSING);
    this.#waiting.clear();
  }

  /** An upgrade that was let in became no connection. */
  #gaveUp({ address }: Visit): void {
    this.#pending--;
    this.#gate.leave(address);
  }

  get #closing(): boolean {
    return this.#deps.closing();
  }

  /** A client that comes back needs no room of its own: whether it does is known once `session` named it. */
  #checkRoom(request: Request): Refused | undefined {
    if (this.#closing) return closingRefusal();
    if (this.#hasRoom(1)) return undefined;
    return resumeOffer(request) && this.#pending < this.#deps.limits.maxConnections ? undefined : this.#full();
  }

  /** Whether so many connections more would fit. */
  #hasRoom(more: number): boolean {
    return this.#deps.size() + this.#pending + more <= this.#deps.limits.maxConnections;
  }

  #full(): Refused {
    return new Refused("full", refuse(503, "this node is full", { "retry-after": "5" }));
  }

  async #decide(
    request: Request,
    factory: SessionFactory<Data>,
    { visit, signal }: { visit: Visit; signal: AbortSignal | undefined },
  ): Promise<Refused | Admission> {
    const run = new SessionRun<Data>({ remoteAddress: visit.address, ...(signal && { signal }) });
    this.#running.add(run);
    const decision = await run.run(factory, request, this.#deps.limits.upgradeTimeoutMs).finally(() => {
      this.#running.delete(run);
    });
    if (decision instanceof Refused) return decision;
    if (isRefusal(decision)) return this.#refusedLater(decision, { visit, ...chooseProtocol(request, undefined) });
    if (!isSession(decision)) return new Refused("session", decision);
    const arrival: Arrival = {
      visit,
      fullUrl: request.url,
      ...chooseProtocol(request, decision.protocol),
      resume: resumeOffer(request),
      // Before the claim: headers that cannot be sent must not leave it behind.
      headers: new Headers(decision.headers),
    };
    if (!decision.authenticate) return await this.#claim(decision, arrival, signal);
    // Loaded by the first of them: most hubs have none.
    return this.#undecided(decision, arrival, (await import("./first-message.ts")).FirstMessage);
  }

  /** {@link Admissions.#claimId}, with the id in the refusal. */
  async #claim(
    session: SessionFields<Data>,
    arrival: Arrival,
    signal: AbortSignal | undefined,
  ): Promise<Refused | Admission> {
    const answer = await this.#claimId(session, arrival, signal).catch((error: unknown) => this.#failed(error));
    if (answer instanceof Refused && typeof session.id === "string") answer.id = session.id;
    return answer;
  }

  async #claimId(
    session: SessionFields<Data>,
    arrival: Arrival,
    signal: AbortSignal | undefined,
  ): Promise<Refused | Admission> {
    const { limits } = this.#deps;
    checkTextPing(session.textPing);
    const v1 = arrival.spoken === V1_PROTOCOL ? await loadV1() : undefined;
    const info = toJson("the session's info", session.info, limits.maxInfoBytes);
    const unnamed = session.id === undefined && arrival.spoken === V1_PROTOCOL;
    const own = unnamed ? await unnamedId(arrival.resume) : undefined;
    const { id = own?.id ?? randomId(), user } = session;
    const refused = refusedName("id", id, limits) ??
      (user === undefined ? undefined : refusedName("user", user, limits));
    if (refused) return refused;
    const resume = arrival.resume && { ...arrival.resume, user };
    if (resume && !this.#hasRoom(0) && !this.#deps.comesBack(id, resume)) return this.#full();
    const leavePlace = user === undefined ? nothing : this.#places.take(user, id);
    if (!leavePlace) return new Refused("user", refuse(429, "too many clients of this user", { "retry-after": "5" }));
    try {
      const grant = await this.#deps.claimId(id, resume, signal);
      if (!this.#closing && !signal?.aborted) {
        return this.#admission({
          id,
          session,
          info,
          arrival: { ...arrival, resume, v1, idSecret: own?.secret },
          grant,
          leavePlace,
        });
      }
      this.#deps.giveUp(id, grant);
    } catch (error) {
      leavePlace();
      throw error;
    }
    leavePlace();
    return closingRefusal();
  }

  /** An upgrade whose first message decides: it has no id and no claim before. */
  #undecided(session: SessionFields<Data>, arrival: Arrival, Waiting: typeof FirstMessage): Admission {
    const { limits } = this.#deps;
    const { visit, answered, headers } = arrival;
    const gaveUp = (): void => this.#gaveUp(visit);
    return {
      id: "",
      protocol: answered,
      headers,
      open: (socket) => {
        const first: FirstMessage = new Waiting(socket, {
          limits,
          authenticate: (message, signal) => this.#authenticate({ session, arrival, message, signal }),
          gaveUp,
          refused: (ending) => this.#report(ending, { code: ending.code }, visit),
          decided: () => this.#waiting.delete(first),
        });
        this.#waiting.add(first);
        if (this.#closing) this.close();
        return first;
      },
      cancel: gaveUp,
    };
  }

  /** Asks the application about a first message. */
  async #authenticate({ session, arrival, message, signal }: Question<Data>): Promise<Admission | Ending> {
    try {
      const info: UpgradeInfo = { remoteAddress: arrival.visit.address, signal };
      const answer: Promise<unknown> = Promise.resolve(session.authenticate?.(message, info));
      // One that never answers must not keep the place of a client that is long gone.
      const returned = await withTimeout(answer, this.#deps.limits.authTimeoutMs, "the authentication");
      if (signal.aborted || isNobody(returned)) return NOT_AUTHENTICATED;
      const decision = readDecision<Data>("authenticate", returned);
      if (isRefusal(decision)) return endingFrom(decision);
      const answered = isSession(decision)
        ? await this.#claim(decision, arrival, signal)
        : new Refused("session", decision);
      return answered instanceof Refused ? endingOf(answered) : answered;
    } catch (error) {
      return endingOf(this.#failed(error));
    }
  }

  /** Opens a connection only to close it with a code. It has no id, takes room, and is counted until it has ended. */
  #refusedLater(refusal: Refusal, { visit, answered }: Subprotocol & { visit: Visit }): Admission {
    const ending = endingFrom(refusal);
    const gone = (): void => this.#gaveUp(visit);
    return {
      id: "",
      protocol: answered,
      headers: new Headers(),
      open: (socket) => {
        this.#report(ending, { code: ending.code }, visit);
        return new RefusedSocket(socket, ending, this.#deps.limits.closeTimeoutMs, gone);
      },
      cancel: gone,
    };
  }

  #admission({ id, session, info, arrival, grant, leavePlace }: Granted<Data>): Admission {
    const { visit, fullUrl, answered, spoken, headers, resume, v1, idSecret } = arrival;
    let pending = true;
    const settle = (): boolean => {
      const first = pending;
      pending = false;
      if (first) leavePlace();
      return first;
    };
    return {
      id,
      protocol: answered,
      headers,
      open: (socket) => {
        if (!settle()) throw new MeshError("internal", "an admission was settled twice");
        this.#pending--;
        const { claim } = grant;
        const who = {
          id,
          claim,
          session,
          info,
          url: fullUrl,
          remoteAddress: visit.address,
          protocol: spoken,
          v1,
          idSecret,
        };
        return this.#deps.join(socket, { ...who, resume: v1 && resume }, grant);
      },
      cancel: () => {
        if (!settle()) return;
        this.#gaveUp(visit);
        this.#deps.giveUp(id, grant);
      },
    };
  }

  /** Logs why a decision failed; returns the refusal that follows. */
  #failed(error: unknown): Refused {
    const { logger } = this.#deps;
    const refused = refusalOf(error);
    if (refused.reason === "error") {
      logger.error("meshsocket: could not decide about a client", error, about("admission_failed"));
    }
    if (refused.reason === "storage" || refused.reason === "starting") {
      logger.warn("meshsocket: could not take a client", error, about("client_refused", { reason: refused.reason }));
    }
    return refused;
  }

  #report({ reason, id, error }: Refused | Ending, how: { status?: number; code?: number }, visit: Visit): void {
    const named = id === undefined ? {} : { id };
    this.#deps.refused({ reason, ...named, ...how, ...visit, ...(error !== undefined && { error }) });
  }
}

/** The facts about an upgrade that are settled before its client is known. */
interface Arrival extends Subprotocol {
  readonly visit: Visit;
  readonly fullUrl: string;
  /** The token and position of a client that asks to resume. */
  readonly resume: ResumeOffer | undefined;
  /** See {@link loadV1}. */
  readonly v1?: typeof Protocol | undefined;
  /** See {@link unnamedId}. */
  readonly idSecret?: string | undefined;
  readonly headers: Headers;
}

/** A first message, and what its connection was told before. */
interface Question<Data> {
  readonly session: SessionFields<Data>;
  readonly arrival: Arrival;
  readonly message: string | Uint8Array;
  readonly signal: AbortSignal;
}

/** A client whose id was claimed. */
interface Granted<Data> {
  readonly id: string;
  readonly session: SessionFields<Data>;
  readonly info: string;
  readonly arrival: Arrival;
  readonly grant: Grant;
  /** Gives back the place that was kept for a client of its user. */
  readonly leavePlace: () => void;
}

/** A granted claim on an id. */
export interface Grant {
  readonly claim: bigint;
  /** Whether a newer claim was made before this one's connection was open. */
  readonly replaced?: boolean;
}

/** Dependencies of {@link Admissions}. */
export interface AdmissionDependencies<Data> extends UserPlacesDependencies {
  readonly logger: Logger;
  /** Whether the hub takes no new clients any more. */
  closing(): boolean;
  size(): number;
  /** Whether a client of this node has the id, and may come back with the offer. */
  comesBack(id: string, resume: ResumeOffer): boolean;
  claimId(id: string, resume: ResumeOffer | undefined, signal: AbortSignal | undefined): Promise<Grant>;
  /** The granted claim gets no connection. */
  giveUp(id: string, grant: Grant): void;
  /** Makes the socket the connection of a client: closed at once if the hub is closing. */
  join(socket: Socket, identity: Identity<Data>, grant: Grant): Connection;
  /** A connection made no client. */
  refused(event: RefusedEvent): void;
}

function nothing(): void {}

/** The refusal of a session whose id or user cannot be one; throws a TypeError (`invalid_argument`) for one that is not text. */
function refusedName(what: "id" | "user", name: unknown, { maxIdBytes }: Readonly<Limits>): Refused | undefined {
  if (typeof name !== "string") throw invalidArgument(`the session's ${what} must be a string, not ${kindOf(name)}`);
  try {
    checkName(what, name, maxIdBytes);
    return undefined;
  } catch (error) {
    return new Refused(what, refuse(400, (error as Error).message));
  }
}

const CLOSING: Ending = { reason: "closing", code: CloseCode.ServiceRestart, text: "this node is closing" };
const NOT_AUTHENTICATED: Ending = { reason: "session", code: CloseCode.Unauthorized, text: "not authenticated" };

function endingFrom({ refuse: code, reason: text = "" }: Refusal): Ending {
  return { reason: "session", code, text };
}

/** Whether `authenticate` said that the message names nobody. */
function isNobody(returned: unknown): boolean {
  return returned === undefined || returned === null || returned === false;
}
