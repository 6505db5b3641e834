import type { Delivery } from "../../src/send/verbs.ts";

/** One message from a node to clients. */
export interface NodeSend {
  readonly message: string;
  readonly sender: string;
  /** Grows with each message of the sender, which awaits one after the other. */
  readonly number: number;
  /** The client; undefined for all. */
  readonly id: string | undefined;
  readonly startedAt: number;
  /** When it was sent and when the node had an answer, of the wall clock, for people. */
  readonly sentAtMs: number;
  answeredAtMs?: number;
  /** The node's answer, for people. */
  outcome?: string;
  /** Whether it was accepted for the client, or for every client. */
  accepted: boolean;
}

/** One client from its first connection until it heard `lost`. */
interface Life {
  readonly id: string;
  readonly number: number;
  /** When it had been told that it listens. */
  readyAt: number;
  resumes: number;
  ended: boolean;
  sent: number;
  readonly got: string[];
}

interface Note {
  readonly atMs: number;
  readonly what: string;
}

/** So long before a message that was missed, and after it, the notes of a client are shown. */
const SHOWN_MS = 10_000;

/** What clients of `meshsocket.v1` and nodes saw in one run, in both directions. */
export class ResumeHistory {
  readonly sendsOfNodes: NodeSend[] = [];
  readonly #lives = new Map<string, Life[]>();
  /** How often each message of a client was handled. */
  readonly #handled = new Map<string, number>();
  /** Messages that a node gave back when it gave a client up. */
  readonly #givenBack = new Set<string>();
  readonly #problems: string[] = [];
  readonly #why: Record<string, number> = {};
  /** By id, what its clients saw of their connections and when, for people. */
  readonly #notes = new Map<string, Note[]>();
  #now = 0;

  tick(): number {
    return ++this.#now;
  }

  // ---- what clients see ----

  opened(id: string): void {
    const lives = this.#lives.get(id) ?? [];
    if (lives.at(-1)?.ended === false) this.#problems.push(`${id} began again without having heard lost`);
    const number = lives.length;
    lives.push({ id, number, readyAt: Infinity, resumes: 0, ended: false, sent: 0, got: [] });
    this.#lives.set(id, lives);
    this.note(id, `life ${number} opened`);
  }

  resumed(id: string): void {
    const life = this.#lives.get(id)?.at(-1);
    if (life) life.resumes++;
    this.note(id, "resumed");
  }

  /** Keeps for people what a client saw. */
  note(id: string, what: string): void {
    const notes = this.#notes.get(id) ?? [];
    notes.push({ atMs: Date.now(), what });
    this.#notes.set(id, notes);
  }

  lost(id: string, why: string): void {
    this.#why[why] = (this.#why[why] ?? 0) + 1;
    const life = this.#lives.get(id)?.at(-1);
    if (life) life.ended = true;
    this.note(id, `lost: ${why}`);
  }

  /** The client was told that it is over; nothing else than a newer client of its id is a reason. */
  refused(id: string, code: number, reason: string): void {
    this.lost(id, "refused");
    if (code !== 4409) this.#problems.push(`${id} was refused: ${code} ${reason}`);
  }

  got(id: string, message: string): void {
    const life = this.#lives.get(id)?.at(-1);
    if (message === `welcome ${id}` && life) life.readyAt = this.tick();
    else life?.got.push(message);
  }

  /** The next message of a client; undefined before it has a life. */
  sends(id: string): string | undefined {
    const life = this.#lives.get(id)?.at(-1);
    if (!life || life.ended) return undefined;
    const number = life.sent++;
    return upMessage(life, number);
  }

  // ---- what nodes see ----

  handled(message: string): void {
    this.#handled.set(message, (this.#handled.get(message) ?? 0) + 1);
  }

  /** A node gave up a client that had not got the message, and said so. */
  givenBack(id: string, message: string): void {
    this.#givenBack.add(`${id} ${message}`);
  }

  // ---- the verdict ----

  /** What was judged, and what must not be, one line each. `atRest`: all that clients sent was confirmed. */
  verdict(atRest: boolean): ResumeVerdict {
    const lives = [...this.#lives.values()].flat();
    const broken = [...this.#problems, ...this.#up(lives, atRest)];
    for (const life of lives) broken.push(...this.#down(life));
    for (const [message, times] of this.#handled) if (times > 1) broken.push(`${message} was handled ${times} times`);
    return {
      broken,
      lives: lives.length,
      why: this.#why,
      lost: lives.filter(({ ended }) => ended).length,
      whoLost: lives.flatMap(({ id, ended }) => ended ? [id] : []),
      resumes: lives.reduce((sum, { resumes }) => sum + resumes, 0),
      down: this.sendsOfNodes.length,
      accepted: this.sendsOfNodes.filter(({ accepted }) => accepted).length,
      received: lives.reduce((sum, { got }) => sum + got.length, 0),
      up: lives.reduce((sum, { sent }) => sum + sent, 0),
      handled: this.#handled.size,
    };
  }

  /** Within a life, a message that was handled comes after all before it; at rest, all were. */
  *#up(lives: readonly Life[], atRest: boolean): Iterable<string> {
    for (const life of lives) {
      let last = atRest && !life.ended ? life.sent : 0;
      for (let number = 0; number < life.sent; number++) {
        if (this.#handled.has(upMessage(life, number))) last = Math.max(last, number);
      }
      for (let number = 0; number < last; number++) {
        const message = upMessage(life, number);
        if (!this.#handled.has(message)) yield `${message} was never handled`;
      }
    }
  }

  /** Within a life, each sender's messages come once and in order, without one that was accepted before another that came. */
  *#down({ id, number, readyAt, got }: Life): Iterable<string> {
    const name = `${id}, life ${number}`;
    const all = this.#byMessage();
    const seen = new Set<string>();
    const newest = new Map<string, number>();
    for (const message of got) {
      const send = all.get(message);
      if (!send) {
        yield `${name} got ${JSON.stringify(message)}, which nobody sent so`;
        continue;
      }
      if (seen.has(message)) yield `${name} got ${message} twice`;
      seen.add(message);
      const before = newest.get(send.sender) ?? 0;
      if (send.number < before) {
        yield `${name} got ${message} after number ${before} of its sender, ${this.#circumstances(id, send)}`;
      }
      newest.set(send.sender, Math.max(before, send.number));
    }
    for (const send of this.sendsOfNodes) {
      if (!send.accepted || send.startedAt < readyAt || (send.id ?? id) !== id || seen.has(send.message)) continue;
      if (this.#givenBack.has(`${id} ${send.message}`)) continue;
      if (send.number < (newest.get(send.sender) ?? 0)) {
        yield `${name} missed ${send.message}, ${this.#circumstances(id, send)}`;
      }
    }
  }

  #circumstances(id: string, { sentAtMs, answeredAtMs, outcome }: NodeSend): string {
    const seen = this.#notes.get(id)?.filter(({ atMs }) => Math.abs(atMs - sentAtMs) < SHOWN_MS) ?? [];
    const took = answeredAtMs === undefined ? "never" : `${answeredAtMs - sentAtMs} ms later`;
    const what = seen.map((note) => `${note.what} at ${note.atMs - sentAtMs} ms`).join(", ");
    return `sent at ${new Date(sentAtMs).toISOString()}, answered ${took} with ${outcome}; ${
      what || "nothing happened"
    }`;
  }

  #index: Map<string, NodeSend> | undefined;

  #byMessage(): Map<string, NodeSend> {
    if (this.#index?.size !== this.sendsOfNodes.length) {
      this.#index = new Map(this.sendsOfNodes.map((send) => [send.message, send]));
    }
    return this.#index;
  }
}

/** Some begin as control lines do. */
function upMessage({ id, number: life }: Life, number: number): string {
  return `${number % 5 === 0 ? "~" : ""}${number % 2 === 0 ? "slow" : "up"} ${id} ${life} ${number}`;
}

/** The outcome of a {@link ResumeHistory}. */
export interface ResumeVerdict {
  readonly broken: readonly string[];
  /** Clients, each counted anew when it was lost. */
  readonly lives: number;
  /** Why clients were lost, as they were told. */
  readonly why: Readonly<Record<string, number>>;
  readonly lost: number;
  /** The ids of those, once for each time. */
  readonly whoLost: readonly string[];
  readonly resumes: number;
  /** Messages of nodes, those accepted for all they were sent to, and how many clients got. */
  readonly down: number;
  readonly accepted: number;
  readonly received: number;
  /** Messages of clients, and those that were handled. */
  readonly up: number;
  readonly handled: number;
}

/**
 * Whether a message was accepted. A message to `all` is for every client only if as many were counted: the result does
 * not name those that are missing.
 */
export function isAccepted(result: boolean | Delivery, all: number): boolean {
  if (typeof result === "boolean") return result;
  const { delivered, held, dropped, unreachable } = result;
  return delivered + held === all && dropped === 0 && unreachable.length === 0;
}

/** Whether no client is on two nodes, by the ids of the clients of all. */
export function areApart(ids: readonly string[]): boolean {
  return new Set(ids).size === ids.length;
}
