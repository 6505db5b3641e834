import { about } from "../base/log/about.ts";
import { MeshError } from "../base/error.ts";
import type { Logger } from "../base/log/logger.ts";
import { isEqual } from "../base/random-id.ts";
import {
  type Access,
  type AccessRules,
  type ApiKey,
  checkApiKeys,
  RpcAccess,
  type Scope,
  WHOLE_ACCESS,
} from "../rpc/access.ts";
import { isWeakSecret, type Secret, secretList, TokenMint } from "../rpc/token.ts";

/** The secrets of a node: mints tokens for the other nodes and checks those of callers, but shows no secret. */
export class Secrets {
  /** Mints the tokens for the other nodes; undefined without a secret. */
  readonly tokens: TokenMint | undefined;
  #rules: AccessRules;
  /** Checks tokens for the host that this node had at the last call. */
  #access: { readonly host: string; readonly check: RpcAccess } | undefined;

  /** Throws a TypeError (`invalid_argument`) for an empty secret, or for API keys that do not fit. */
  constructor(secret: Secret | undefined, apiKeys: readonly ApiKey[], logger: Logger) {
    const secrets = secret === undefined ? [] : secretList(secret);
    checkApiKeys(apiKeys, secrets);
    this.#rules = { secrets, apiKeys };
    this.tokens = secrets.length > 0 ? new TokenMint({ secret: secrets }) : undefined;
    if (secrets.length > 0 && isWeakSecret(secrets)) {
      logger.warn(
        "meshsocket: the secret is shorter than 32 bytes: use a longer one, of random bytes",
        about("weak_secret"),
      );
    }
  }

  /** Whether there is a secret, so that callers need a token. */
  get required(): boolean {
    return this.#rules.secrets.length > 0;
  }

  /** Whether there are API keys besides the secret of the cluster. */
  get hasApiKeys(): boolean {
    return this.#rules.apiKeys.length > 0;
  }

  /** Whether a text is a secret of the cluster itself. Takes the same time for every wrong one. */
  isOwn(text: string): boolean {
    return this.#rules.secrets.filter((secret) => isEqual(text, secret)).length > 0;
  }

  /** Mints with the first of these secrets and accepts all of them from now on. Throws as the constructor does. */
  rotate(secret: Secret): void {
    if (!this.required) throw new MeshError("failed_precondition", "the hub was made without a secret");
    const secrets = secretList(secret);
    checkApiKeys(this.#rules.apiKeys, secrets);
    this.#rules = { ...this.#rules, secrets };
    this.#access = undefined;
    this.tokens?.rotate(secrets);
  }

  /** Resolves with what the token in `authorization` opens of a call to the node at `host`; rejects as {@link RpcAccess.check}. */
  async authorize(host: string, scope: Scope, call: string, authorization: string | null): Promise<Access> {
    if (!this.required) return WHOLE_ACCESS;
    if (this.#access?.host !== host) this.#access = { host, check: new RpcAccess(host, this.#rules) };
    return await this.#access.check.check(scope, call, authorization);
  }
}
