import type { Admission } from "../../src/door/admission.ts";
import { endingOf, Refused } from "../../src/door/refusal.ts";
import { RefusedSocket } from "../../src/door/refused-socket.ts";
import type { Limits } from "../../src/base/limits.ts";
import type { Socket, SocketReceiver } from "../../src/client/socket.ts";

/**
 * An admission whose 101 may be sent before the application has finally agreed: for engines that send it from within the
 * application's own handler, after which its middleware can still fail.
 *
 * The client joins the hub once {@link HeldAdmission.agree} was called. {@link HeldAdmission.refuse} closes its connection
 * instead, also later.
 */
export class HeldAdmission implements Admission {
  readonly id: string;
  readonly protocol: string;
  readonly headers: Headers;
  readonly #admission: Admission;
  readonly #limits: Readonly<Limits>;
  #agreed = false;
  #refusal: Response | undefined;
  #opened: HeldSocket | undefined;

  constructor(admission: Admission, limits: Readonly<Limits>) {
    this.id = admission.id;
    this.protocol = admission.protocol;
    this.headers = admission.headers;
    this.#admission = admission;
    this.#limits = limits;
  }

  open(socket: Socket): SocketReceiver {
    this.#opened = new HeldSocket(socket);
    if (this.#refusal) this.#close(this.#refusal);
    else if (this.#agreed) this.#join();
    return this.#opened;
  }

  cancel(): void {
    this.#admission.cancel();
  }

  /** The application agrees to the upgrade. */
  agree(): void {
    if (this.#agreed || this.#refusal) return;
    this.#agreed = true;
    if (this.#opened) this.#join();
  }

  /** The application answers otherwise. */
  refuse(response: Response): void {
    if (this.#refusal) return;
    this.#refusal = response;
    if (this.#opened) this.#close(response);
  }

  #join(): void {
    const held = this.#opened;
    if (held?.ended) this.#admission.cancel();
    else held?.handOver(this.#admission.open(held.socket));
  }

  #close(response: Response): void {
    const held = this.#opened;
    if (!held) return;
    const ending = endingOf(new Refused("session", response));
    if (held.receiver) return held.socket.close(ending.code, ending.text);
    this.#admission.cancel();
    held.handOver(new RefusedSocket(held.socket, ending, this.#limits.closeTimeoutMs, () => {}));
  }
}

/** Keeps what a connection tells until it has a receiver. */
class HeldSocket implements SocketReceiver {
  readonly socket: Socket;
  receiver: SocketReceiver | undefined;
  /** Whether the connection is gone. */
  ended = false;
  readonly #early: ((receiver: SocketReceiver) => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
  }

  handOver(receiver: SocketReceiver): void {
    this.receiver = receiver;
    for (const event of this.#early.splice(0)) event(receiver);
  }

  message(data: string | Uint8Array, more?: boolean): void {
    this.#tell((receiver) => receiver.message(data, more));
  }

  handled(): void {
    this.receiver?.handled();
  }

  control(): void {
    this.receiver?.control();
  }

  closed(code: number, reason: string): void {
    this.ended = true;
    this.#tell((receiver) => receiver.closed(code, reason));
  }

  error(error: Error): void {
    this.#tell((receiver) => receiver.error(error));
  }

  #tell(event: (receiver: SocketReceiver) => void): void {
    if (this.receiver) event(this.receiver);
    else this.#early.push(event);
  }
}
