import { CLUSTER_AUDIENCE, createToken } from "../src/rpc/token.ts";
import { Arguments } from "./arguments.ts";
import { type Command, UsageError } from "./command.ts";
import { Output } from "./output.ts";

const HELP = `Usage: npx meshsocket token [--audience HOST] [--ttl MS]

Makes a token for calls by gRPC or HTTP: authorization: Bearer <token>. It asks no node.

  option       variable            default
  --key        MESHSOCKET_KEY      none      the secret of an API key, or MESHSOCKET_SECRET, that of the cluster
  --audience                       cluster   the Cluster service of any node, or host:port for all services of one
  --ttl                            300000    milliseconds for which it is good
  --json

  export MESHSOCKET_KEY=…
  curl -H "authorization: Bearer $(npx meshsocket token)" -H 'content-type: application/json' \\
    -H 'connect-protocol-version: 1' -d '{}' http://10.0.0.5:8081/meshsocket.v1.Cluster/Nodes`;

/** `npx meshsocket token`. */
export const tokenCommand: Command = {
  help: HELP,
  async run(args, environment) {
    const kinds = { key: "value", audience: "value", ttl: "value", json: "flag" } as const;
    const given = new Arguments(args, environment, kinds);
    const secret = given.value("key", "MESHSOCKET_KEY") ?? given.value("key", "MESHSOCKET_SECRET");
    if (secret === undefined) throw new UsageError("set MESHSOCKET_KEY to the secret that the token is made from");
    const audience = given.value("audience") ?? CLUSTER_AUDIENCE;
    const ttlMs = given.count("ttl", 300_000);
    if (ttlMs === 0) throw new UsageError("--ttl must be over 0");
    const token = await createToken({ secret, audience, ttlMs });
    new Output(given.flag("json")).answer({ token, audience, ttlMs }, () => token);
  },
};
