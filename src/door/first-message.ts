import { type Admission, isAdmission } from "./admission.ts";
import { Backlog } from "../client/backlog.ts";
import { CloseCode } from "../base/close-code.ts";
import { cutAfter } from "../client/cut-after.ts";
import { errorCode } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import type { Logger } from "../base/logger.ts";
import { Pace } from "../client/pace.ts";
import type { Socket, SocketReceiver } from "../client/socket.ts";

/** What {@link FirstMessage} asks of those who let its connection in. */
export interface FirstMessageHost {
  readonly limits: Readonly<Limits>;
  readonly logger: Logger;
  /** Decides about the message; undefined or a Response refuses. `signal` is aborted when the peer is gone or too late. */
  authenticate(message: string | Uint8Array, signal: AbortSignal): Promise<Admission | Response | undefined>;
  /** An admission has the connection now, or none ever will. */
  decided(): void;
  /** The connection ended without an admission. Called once at most. */
  gaveUp(): void;
}

/** Statuses that say nothing about the client: the same message may be good a little later. */
const MAY_COME_BACK: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** A connection whose first message says who it is: until then it is nobody's, has no id, and is sent nothing. */
export class FirstMessage implements SocketReceiver {
  readonly #socket: Socket;
  readonly #host: FirstMessageHost;
  readonly #gone = new AbortController();
  /** What came after the first message and before its answer. */
  readonly #early = new Backlog();
  readonly #pace: Pace;
  readonly #timer: ReturnType<typeof setTimeout>;
  #asked = false;
  /** The message is being decided about. */
  #deciding = false;
  #closing = false;
  #ended = false;
  /** Whether what was counted for the connection has been handed on. */
  #settled = false;
  #receiver: SocketReceiver | undefined;

  constructor(socket: Socket, host: FirstMessageHost) {
    this.#socket = socket;
    this.#host = host;
    this.#pace = new Pace(host.limits);
    this.#timer = setTimeout(
      () => this.close(CloseCode.AuthTimeout, "not authenticated in time"),
      host.limits.authTimeoutMs,
    );
  }

  message(data: string | Uint8Array, more = false): void {
    if (this.#receiver) return this.#receiver.message(data, more);
    if (this.#closing || !this.#inPace(this.#pace.message(performance.now()))) return;
    if (!this.#asked) {
      this.#asked = true;
      void this.#authenticate(data);
      return;
    }
    this.#early.push(data);
    const { maxBacklogMessages, maxBacklogBytes } = this.#host.limits;
    if (this.#early.length < maxBacklogMessages && this.#early.bytes < maxBacklogBytes) return;
    this.close(CloseCode.PolicyViolation, "sends faster than it is served");
  }

  handled(): void {
    this.#receiver?.handled();
  }

  closed(code: number, reason: string): void {
    if (this.#receiver) return this.#receiver.closed(code, reason);
    clearTimeout(this.#timer);
    this.#closing = true;
    this.#ended = true;
    this.#gone.abort();
    if (!this.#deciding) this.#giveUp();
  }

  #giveUp(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#host.decided();
    this.#host.gaveUp();
  }

  error(error: Error): void {
    this.#receiver?.error(error);
  }

  control(): void {
    if (this.#receiver) this.#receiver.control();
    else if (!this.#closing) this.#inPace(this.#pace.control(performance.now()));
  }

  /** Who is nobody yet may not send faster than a client. */
  #inPace(inPace: boolean): boolean {
    if (!inPace) this.close(CloseCode.PolicyViolation, "sends too fast");
    return inPace;
  }

  /** Ends the connection, if it is still nobody's. */
  close(code: number, reason: string): void {
    if (this.#closing || this.#receiver) return;
    this.#closing = true;
    this.#gone.abort();
    clearTimeout(this.#timer);
    this.#socket.close(code, reason);
    cutAfter(this.#host.limits.closeTimeoutMs, this.#socket, () => this.#ended);
  }

  async #authenticate(message: string | Uint8Array): Promise<void> {
    this.#deciding = true;
    let admission: Admission | Response | undefined;
    try {
      admission = await this.#host.authenticate(message, this.#gone.signal);
    } catch (error) {
      this.#failed(error);
    }
    this.#deciding = false;
    if (admission && isAdmission(admission)) this.#admitted(admission);
    else this.#refused(admission);
  }

  #admitted(admission: Admission): void {
    this.#settled = true;
    this.#host.decided();
    clearTimeout(this.#timer);
    if (this.#closing) return admission.cancel();
    this.#receiver = admission.open(this.#socket);
    while (this.#early.length > 0) this.#receiver.message(this.#early.shift());
  }

  #refused(refusal: Response | undefined): void {
    if (refusal && MAY_COME_BACK.has(refusal.status)) this.close(CloseCode.TryAgainLater, "try again later");
    else this.close(CloseCode.Unauthorized, "not authenticated");
    if (this.#ended) this.#giveUp();
  }

  #failed(error: unknown): void {
    switch (errorCode(error)) {
      case "already_exists":
        return this.close(CloseCode.Replaced, "the id is connected already");
      case "unavailable":
      case "deadline_exceeded":
      case "failed_precondition":
        this.#host.logger.warn(
          "meshsocket: a client was refused, its authentication or the storage does not answer",
          error,
        );
        return this.close(CloseCode.TryAgainLater, "this node cannot take clients now");
      default:
        this.#host.logger.error("meshsocket: an authentication failed", error);
        return this.close(CloseCode.InternalError, "internal error");
    }
  }
}
