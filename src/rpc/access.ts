import { anything, checkOptions } from "../base/check/check.ts";
import { errorCode, invalidArgument, MeshError } from "../base/error.ts";
import { CLUSTER_AUDIENCE, secretList, TokenVerifier } from "./token.ts";

/** The scope of a token: the services of one node, or the Cluster service that any node answers. */
export type Scope = "node" | "cluster";

/** A secret of a back-end, apart from the cluster's: its tokens open some calls of the Cluster service and nothing else. */
export interface ApiKey {
  readonly secret: string;
  /** Names of the Cluster service's calls, such as `"Emit"`. */
  readonly calls?: readonly string[];
  /** Groups of calls, besides the single ones. */
  readonly rights?: readonly Right[];
}

/**
 * A group of calls of the Cluster service that belong together.
 *
 * - `read`: look at nodes, clients, topics and their state, and ask why; no messages.
 * - `send`: messages to clients, and requests that they answer.
 * - `manage`: make clients listen or stop, and disconnect them.
 * - `history`: read the messages that topics with history keep.
 * - `tap`: see which messages pass, with their sizes; their contents only together with `payloads`.
 * - `drain`: have a node send its clients away and leave.
 */
export type Right = "read" | "send" | "manage" | "history" | "tap" | "payloads" | "drain";

/** The calls of each right. Each call of the Cluster service is in one of them. */
export const RIGHTS: Readonly<Record<Right, readonly string[]>> = {
  read: [
    "Online",
    "Members",
    "Count",
    "Nodes",
    "Why",
    "Clients",
    "Topics",
    "Position",
    "WatchPresence",
    "UserOnline",
    "UserClients",
  ],
  send: ["Emit", "Broadcast", "Publish", "Request", "UserEmit", "UserRequest"],
  manage: ["Subscribe", "Unsubscribe", "Disconnect", "UserSubscribe", "UserUnsubscribe", "UserDisconnect"],
  history: ["History"],
  tap: ["Tap"],
  // It opens no call of its own: a tap looks for it.
  payloads: [],
  drain: ["Drain"],
};

/** The rights of a token besides the call that it opens. */
export interface Access {
  /** Whether its caller may see the contents of messages. */
  readonly payloads: boolean;
}

/** The access by the secret of the cluster, and of every caller in a cluster without one. */
export const WHOLE_ACCESS: Access = { payloads: true };

/** Whose tokens a node takes. */
export interface AccessRules {
  /** The secrets of the cluster. Without one every call is let through. */
  readonly secrets: readonly string[];
  readonly apiKeys: readonly ApiKey[];
}

/** The calls of the Cluster service. They are not taken from its description, which would load Protobuf for each hub. */
const CALLS: ReadonlySet<string> = new Set(Object.values(RIGHTS).flat());

/** Throws a TypeError (`invalid_argument`) for API keys that cannot be meant. */
export function checkApiKeys(apiKeys: readonly ApiKey[], secrets: readonly string[]): void {
  if (!Array.isArray(apiKeys)) throw invalidArgument("apiKeys must be a list of { secret, calls }");
  if (apiKeys.length > 0 && secrets.length === 0) throw invalidArgument("apiKeys go with a secret of the cluster");
  for (const [index, key] of (apiKeys as readonly ApiKey[]).entries()) {
    const name = `apiKeys[${index}]`;
    checkOptions<ApiKey>(name, key, { secret: anything, calls: anything, rights: anything }, `${name}.`);
    const { secret, calls = [], rights } = key;
    if (!Array.isArray(calls) || (key.calls === undefined && rights === undefined)) {
      throw invalidArgument(`${name}.calls must be a list of calls that its tokens open, such as ["Emit"]`);
    }
    checkRights(`apiKeys[${index}].rights`, rights);
    if (secretList(secret, `${name}.secret`).some((each) => secrets.includes(each))) {
      throw invalidArgument("an API key must not be the secret of the cluster, which opens everything");
    }
    const unknown: unknown = calls.find((call: unknown) => typeof call !== "string" || !CALLS.has(call));
    if (unknown !== undefined) {
      throw invalidArgument(
        `${name}.calls: the Cluster service has no call ${JSON.stringify(unknown)}; it has ${[...CALLS].join(", ")}`,
      );
    }
  }
}

function checkRights(name: string, rights: unknown): void {
  if (rights === undefined) return;
  const known = Object.keys(RIGHTS);
  if (Array.isArray(rights) && rights.every((right) => known.includes(right as string))) return;
  throw invalidArgument(`${name} must be a list of ${known.map((right) => JSON.stringify(right)).join(", ")}`);
}

/** The calls that a key opens. */
function callsOf({ calls = [], rights = [] }: ApiKey): ReadonlySet<string> {
  return new Set([...calls, ...rights.flatMap((right) => RIGHTS[right])]);
}

/** Checks the tokens of the calls to one node. */
export class RpcAccess {
  readonly #node: TokenVerifier;
  readonly #cluster: TokenVerifier;
  readonly #keys: readonly Key[];

  /** `host` is the node's own audience; at least one secret is needed. */
  constructor(host: string, { secrets, apiKeys }: AccessRules) {
    const audiences = [host, CLUSTER_AUDIENCE];
    this.#node = new TokenVerifier({ secrets, audiences: [host] });
    this.#cluster = new TokenVerifier({ secrets, audiences });
    this.#keys = apiKeys.map((key) => ({
      verifier: new TokenVerifier({ secrets: key.secret, audiences }),
      calls: callsOf(key),
      access: { payloads: key.rights?.includes("payloads") === true },
    }));
  }

  /**
   * Resolves when the token of the `authorization` header opens the call, with what it opens besides.
   *
   * Rejects with `unauthenticated` for a token that is nobody's here, and with `permission_denied` for a good one that does not
   * open this call.
   */
  async check(scope: Scope, call: string, authorization: string | null): Promise<Access> {
    try {
      await (scope === "node" ? this.#node : this.#cluster).verify(authorization);
      return WHOLE_ACCESS;
    } catch (error) {
      const access = errorCode(error) === "unauthenticated" ? await this.#ofKey(scope, call, authorization) : undefined;
      if (!access) throw error;
      return access;
    }
  }

  async #ofKey(scope: Scope, call: string, authorization: string | null): Promise<Access | undefined> {
    for (const { verifier, calls, access } of this.#keys) {
      const good = await verifier.verify(authorization).then(() => true, () => false);
      if (!good) continue;
      if (scope === "cluster" && calls.has(call)) return access;
      throw new MeshError("permission_denied", "this API key does not open that call");
    }
    return undefined;
  }
}

/** A key, ready to check tokens. */
interface Key {
  readonly verifier: TokenVerifier;
  readonly calls: ReadonlySet<string>;
  readonly access: Access;
}
