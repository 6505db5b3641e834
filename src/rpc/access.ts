import { anything, checkOptions } from "../base/check/check.ts";
import { errorCode, invalidArgument, MeshError } from "../base/error.ts";
import { Cluster } from "../gen/meshsocket/v1/cluster_pb.ts";
import { CLUSTER_AUDIENCE, secretList, TokenVerifier } from "./token.ts";

/** The scope of a token: the services of one node, or the Cluster service that any node answers. */
export type Scope = "node" | "cluster";

/** A secret of a back-end, apart from the cluster's: its tokens open some calls of the Cluster service and nothing else. */
export interface ApiKey {
  readonly secret: string;
  /** Names of the Cluster service's calls, such as `"Emit"`. */
  readonly calls: readonly string[];
}

/** Whose tokens a node takes. */
export interface AccessRules {
  /** The secrets of the cluster. Without one every call is let through. */
  readonly secrets: readonly string[];
  readonly apiKeys: readonly ApiKey[];
}

const CALLS: ReadonlySet<string> = new Set(Cluster.methods.map(({ name }) => name));

/** Throws a TypeError (`invalid_argument`) for API keys that cannot be meant. */
export function checkApiKeys(apiKeys: readonly ApiKey[], secrets: readonly string[]): void {
  if (!Array.isArray(apiKeys)) throw invalidArgument("apiKeys must be a list of { secret, calls }");
  if (apiKeys.length > 0 && secrets.length === 0) throw invalidArgument("apiKeys go with a secret of the cluster");
  for (const [index, key] of (apiKeys as readonly ApiKey[]).entries()) {
    const name = `apiKeys[${index}]`;
    checkOptions<ApiKey>(name, key, { secret: anything, calls: anything }, `${name}.`);
    const { secret, calls } = key;
    if (!Array.isArray(calls)) {
      throw invalidArgument(`${name}.calls must be a list of calls that its tokens open, such as ["Emit"]`);
    }
    if (secretList(secret).some((each) => secrets.includes(each))) {
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

/** Checks the tokens of the calls to one node. */
export class RpcAccess {
  readonly #node: TokenVerifier;
  readonly #cluster: TokenVerifier;
  readonly #keys: readonly { readonly verifier: TokenVerifier; readonly calls: ReadonlySet<string> }[];

  /** `host` is the node's own audience; at least one secret is needed. */
  constructor(host: string, { secrets, apiKeys }: AccessRules) {
    const audiences = [host, CLUSTER_AUDIENCE];
    this.#node = new TokenVerifier({ secrets, audiences: [host] });
    this.#cluster = new TokenVerifier({ secrets, audiences });
    this.#keys = apiKeys.map(({ secret, calls }) => ({
      verifier: new TokenVerifier({ secrets: secret, audiences }),
      calls: new Set(calls),
    }));
  }

  /**
   * Resolves when the token of the `authorization` header opens the call.
   *
   * Rejects with `unauthenticated` for a token that is nobody's here, and with `permission_denied` for a good one that does not
   * open this call.
   */
  async check(scope: Scope, call: string, authorization: string | null): Promise<void> {
    try {
      await (scope === "node" ? this.#node : this.#cluster).verify(authorization);
    } catch (error) {
      if (errorCode(error) !== "unauthenticated" || !(await this.#isKey(scope, call, authorization))) throw error;
    }
  }

  async #isKey(scope: Scope, call: string, authorization: string | null): Promise<boolean> {
    for (const { verifier, calls } of this.#keys) {
      const good = await verifier.verify(authorization).then(() => true, () => false);
      if (!good) continue;
      if (scope === "cluster" && calls.has(call)) return true;
      throw new MeshError("permission_denied", "this API key does not open that call");
    }
    return false;
  }
}
