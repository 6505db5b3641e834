import type { DistClientThroughNodeOptions } from "../client-options.ts";
import { CLUSTER_AUDIENCE, TokenMint } from "../../rpc/token.ts";

/** The source of the token for each call. */
export type GetToken = () => string | Promise<string>;

/** The source that the options name; undefined for nodes without a secret. Throws a TypeError (`invalid_argument`) for an empty secret. */
export function tokenOf(
  { secret, token }: Pick<DistClientThroughNodeOptions, "secret" | "token">,
): GetToken | undefined {
  if (secret !== undefined) {
    const mint = new TokenMint({ secret });
    return () => mint.token(CLUSTER_AUDIENCE);
  }
  return typeof token === "string" ? () => token : token;
}
