import type { Admission } from "./admission.ts";
import { Backlog } from "../client/backlog.ts";
import { CloseCode } from "../base/close-code.ts";
import { cutAfter } from "../client/cut-after.ts";
import type { Limits } from "../base/limits.ts";
import { Pace } from "../client/pace.ts";
import type { Ending } from "./refusal.ts";
import type { Socket, SocketReceiver } from "../client/socket.ts";

/** A connection whose first message authenticates it. Until then it has no id and is sent nothing. */
export class FirstMessage implements SocketReceiver {
  readonly #socket: Socket;
  readonly #deps: FirstMessageDependencies;
  readonly #gone = new AbortController();
  /** The messages that came after the first one and before its answer. */
  readonly #early = new Backlog();
  readonly #pace: Pace;
  readonly #timer: ReturnType<typeof setTimeout>;
  #asked = false;
  /** The application is deciding about the message. */
  #deciding = false;
  #closing = false;
  #ended = false;
  /** Whether an admission took over, or the connection's place was given back. */
  #settled = false;
  #receiver: SocketReceiver | undefined;

  constructor(socket: Socket, deps: FirstMessageDependencies) {
    this.#socket = socket;
    this.#deps = deps;
    this.#pace = new Pace(deps.limits);
    this.#timer = setTimeout(() => this.close(TOO_LATE), deps.limits.authTimeoutMs);
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
    const { maxBacklogMessages, maxBacklogBytes } = this.#deps.limits;
    if (this.#early.length < maxBacklogMessages && this.#early.bytes < maxBacklogBytes) return;
    this.close({ reason: "pace", code: CloseCode.PolicyViolation, text: "sends faster than it is served" });
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
    this.#deps.decided();
    this.#deps.gaveUp();
  }

  error(error: Error): void {
    this.#receiver?.error(error);
  }

  control(): void {
    if (this.#receiver) this.#receiver.control();
    else if (!this.#closing) this.#inPace(this.#pace.control(performance.now()));
  }

  #inPace(inPace: boolean): boolean {
    if (!inPace) this.close({ reason: "pace", code: CloseCode.PolicyViolation, text: "sends too fast" });
    return inPace;
  }

  /** Ends the connection, unless it became a client. */
  close(ending: Ending): void {
    if (this.#closing || this.#receiver) return;
    this.#closing = true;
    this.#gone.abort();
    clearTimeout(this.#timer);
    this.#deps.refused(ending);
    this.#socket.close(ending.code, ending.text);
    cutAfter(this.#deps.limits.closeTimeoutMs, this.#socket, () => this.#ended);
  }

  async #authenticate(message: string | Uint8Array): Promise<void> {
    this.#deciding = true;
    const answer = await this.#deps.authenticate(message, this.#gone.signal);
    this.#deciding = false;
    if ("open" in answer) return this.#admitted(answer);
    this.close(answer);
    if (this.#ended) this.#giveUp();
  }

  #admitted(admission: Admission): void {
    this.#settled = true;
    this.#deps.decided();
    clearTimeout(this.#timer);
    if (this.#closing) return admission.cancel();
    this.#receiver = admission.open(this.#socket);
    while (this.#early.length > 0) this.#receiver.message(this.#early.shift());
  }
}

/** Dependencies of {@link FirstMessage}. */
export interface FirstMessageDependencies {
  readonly limits: Readonly<Limits>;
  /** Decides about the message. `signal` is aborted when the peer is gone or too late. Must not reject. */
  authenticate(message: string | Uint8Array, signal: AbortSignal): Promise<Admission | Ending>;
  /** The connection is being closed, for this reason. Called once at most. */
  refused(ending: Ending): void;
  /** An admission has the connection now, or none ever will. */
  decided(): void;
  /** The connection ended without an admission. Called once at most. */
  gaveUp(): void;
}

const TOO_LATE: Ending = { reason: "timeout", code: CloseCode.AuthTimeout, text: "not authenticated in time" };
