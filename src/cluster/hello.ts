import { Agreement, type AgreementDependencies } from "./agreement.ts";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { backoffMs } from "../base/backoff.ts";
import { MeshError } from "../base/error.ts";
import type { Limits } from "../base/limits.ts";
import { type HelloRequest, HelloRequestSchema, type HelloResponse } from "../gen/meshsocket/node/v1/node_pb.ts";
import type { Links } from "../link/links.ts";
import { fromRpcError, isConnectionRefused } from "../rpc/error.ts";
import type { Holder } from "../storage/storage.ts";

/** A fault between this node and another one. */
export interface Unmet {
  /** One line that names the address and what to change. */
  readonly error: MeshError;
  /** One of the two refuses the other's token: time does not mend it. */
  readonly refused: boolean;
  /** `yes`: the other node lives. `gone`: nothing listens at its address. `silent`: it may live. */
  readonly answered: "yes" | "gone" | "silent";
}

/** The finding of {@link Hello.ask} at an address. */
type Found = { readonly response: HelloResponse } | { readonly error: MeshError };

/**
 * Whether the nodes of a cluster reach each other.
 *
 * A node that joins dials its own address first and must meet itself there. Then it greets the others, and each of them dials
 * back before it answers. So a wrong address, another secret and a clock that is off are known before the node serves.
 */
export class Hello {
  readonly #links: Links;
  readonly #limits: Readonly<Limits>;
  /** The options that nodes tell each other. */
  readonly agreement: Agreement;

  constructor({ links, limits, ...options }: HelloDependencies) {
    this.#links = links;
    this.#limits = limits;
    this.agreement = new Agreement(options);
  }

  /**
   * Dials this node's own address.
   *
   * Rejects with `failed_precondition`, in one line, if this life does not answer there. Tries again for `timeoutMs` while
   * nothing answers.
   */
  async meetSelf(self: Holder): Promise<void> {
    const untilMs = performance.now() + this.#limits.timeoutMs;
    for (let failures = 0;; failures++) {
      const wrong = await this.#selfProblem(self);
      if (wrong === undefined) return;
      if (wrong.cause === undefined || !MAY_PASS.has(codeOf(wrong.cause)) || performance.now() > untilMs) throw wrong;
      await new Promise((resolve) => setTimeout(resolve, backoffMs(failures)));
    }
  }

  /** Why this node's own address does not lead to this life; undefined if it does. */
  async #selfProblem(self: Holder): Promise<MeshError | undefined> {
    const found = await this.#ask(self, {});
    this.#links.drop(self.life);
    if ("error" in found) return isOwn(found.error) ? found.error : wrongAddress(self.host, found.error);
    return found.response.to?.life === self.life ? undefined : leadsElsewhere(self.host);
  }

  /** Whether another life answers at this node's own address, at one of so many attempts. */
  async isDisplaced(self: Holder, attempts = 1): Promise<boolean> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const wrong = await this.#selfProblem(self);
      if (wrong !== undefined) return !MAY_PASS.has(codeOf(wrong.cause));
    }
    return false;
  }

  /** Says to another node that this one leaves. Bounded in time; may reject. */
  async leave(to: Holder, from: Holder): Promise<void> {
    const found = await this.#ask(to, { from, leaving: true });
    if ("error" in found) throw found.error;
  }

  /** Introduces this node to another one, which dials back; resolves with what is wrong between the two. Never rejects. */
  async greet(to: Holder, from: Holder): Promise<Unmet | undefined> {
    const found = await this.#ask(to, { from, dialBack: true });
    if ("error" in found) {
      const refused = found.error.code === "unauthenticated";
      const silent = isConnectionRefused(found.error) ? "gone" : "silent";
      return { error: refused ? withAdvice(found.error) : found.error, refused, answered: refused ? "yes" : silent };
    }
    const { response } = found;
    if (response.to?.life !== to.life) {
      return { error: leadsToAnother(to.host), refused: false, answered: "gone" };
    }
    this.agreement.compare(to.host, response);
    if (response.unmet === "") return undefined;
    const error = new MeshError("failed_precondition", `${to.host} does not reach this node: ${response.unmet}`);
    return { error: response.refused ? withAdvice(error) : error, refused: response.refused, answered: "yes" };
  }

  /** Dials a node that said hello at its address, as a send to it will: what it gets to know in the answer. */
  async dialBack(node: Holder): Promise<{ unmet: string; refused: boolean }> {
    const found = await this.#ask(node, {});
    if ("error" in found) {
      const refused = found.error.code === "unauthenticated";
      return { unmet: refused ? found.error.message : `${found.error.message}${hintFor(node.host)}`, refused };
    }
    if (found.response.to?.life === node.life) return { unmet: "", refused: false };
    return { unmet: `${leadsToAnother(node.host).message}${hintFor(node.host)}`, refused: false };
  }

  async #ask(to: Holder, request: MessageInitShape<typeof HelloRequestSchema>): Promise<Found> {
    // The other node dials back within its own time limit before it answers.
    const timeoutMs = this.#limits.storageTimeoutMs * (request.dialBack ? 2 : 1);
    try {
      const client = this.#links.client(to);
      const { leaseMs, topics } = this.agreement;
      const hello: HelloRequest = create(HelloRequestSchema, { ...request, leaseMs, topics });
      return { response: await client.hello(hello, { timeoutMs }) };
    } catch (error) {
      const failed = fromRpcError(error, { host: to.host });
      return { error: failed.code === "unknown" ? endedEarly(to.host, failed) : failed };
    }
  }
}

/** Dependencies of {@link Hello}. */
export interface HelloDependencies extends AgreementDependencies {
  links: Links;
  limits: Readonly<Limits>;
}

/** Failures that another attempt may not meet. */
const MAY_PASS: ReadonlySet<string> = new Set(["unavailable", "unknown", "deadline_exceeded"]);
/** Failures by which another node shows that it answers. */
const OF_ANOTHER: ReadonlySet<string> = new Set([
  "unauthenticated",
  "invalid_argument",
  "failed_precondition",
  "permission_denied",
]);

/** Whether this node itself did not make the call: it is closing, or its address is not a host. */
function isOwn(error: MeshError): boolean {
  return error.code === "failed_precondition" && error.cause === undefined;
}

function codeOf(error: unknown): string {
  return error instanceof MeshError ? error.code : "";
}

function wrongAddress(host: string, cause: MeshError): MeshError {
  if (OF_ANOTHER.has(cause.code)) return leadsElsewhere(host, cause);
  const text = `advertise ${host} does not lead to this node: ${cause.message}: ` +
    "set rpc.advertise to an address at which the other nodes reach its RPC port";
  return new MeshError("failed_precondition", text, { cause });
}

function endedEarly(host: string, cause: MeshError): MeshError {
  const text = `${host} ended the connection before it answered: is it another server, or is TLS set on one side only?`;
  return new MeshError("unknown", text, { cause });
}

function leadsElsewhere(host: string, cause?: MeshError): MeshError {
  return new MeshError("failed_precondition", `advertise ${host} leads to another node: give each node its own`, {
    cause,
  });
}

/** Advice for a host that leads each machine to itself; empty for any other. */
function hintFor(host: string): string {
  if (!LOOPBACK.test(host)) return "";
  return ": a loopback address leads each machine to itself: set rpc.advertise to the address of its machine";
}

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+$/;

function leadsToAnother(host: string): MeshError {
  return new MeshError("unavailable", `${host} leads to another node`);
}

function withAdvice(error: MeshError): MeshError {
  const advice =
    "give all nodes under one prefix the same secret and the right time, and each application its own prefix";
  return new MeshError("failed_precondition", `${error.message}: ${advice}`, { cause: error });
}

/** The text about an address that two nodes have. */
export function sharedAddress(host: string): string {
  return `advertise ${host} leads to another node: give each node its own`;
}

/** The text about a lease that ended too early. */
export function leaseTaken(host: string): string {
  return `the lease of ${host} ended although it was renewed in time: ` +
    "either another node advertises this address too, or the storage lost its last writes";
}
