import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { openRpcPort, type RpcPort, type RpcPortOptions } from "../../adapters/rpc/port.ts";
import { MeshError, type MeshErrorCode } from "../../src/base/error.ts";
import { Node } from "../../src/gen/meshsocket/node/v1/node_pb.ts";
import { Cluster } from "../../src/gen/meshsocket/v1/cluster_pb.ts";
import { Websocket } from "../../src/gen/websocket/websocket_pb.ts";
import { toConnectError } from "../../src/rpc/error.ts";
import { ON_PROOF } from "../../src/rpc/proof.ts";
import { TokenVerifier } from "../../src/rpc/token.ts";
import { runtime } from "./runtime.ts";

export const SECRET = "the secret of the toy cluster, long enough";
/** The audience that the toy node answers to. */
export const TOY_HOST = "toy:1";
/** What a failing service says to itself and must never say to a caller. */
export const CANARY = "canary-7c1e";
/** Bytes of one message, in either direction, unless a test says otherwise. */
export const MAX_BYTES = 10_000;

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** What the toy services were asked, for tests that look behind an answer. */
export class ToyLog {
  /** Called with the id of each `Websocket.Emit` that arrives. */
  onEmit: (id: string) => void = () => {};
  /** Ids of `Websocket.Emit`, when the call arrived. */
  readonly emitted: string[] = [];
  /** Ids of `Websocket.Emit` whose caller went away, or whose node closed, while they waited. */
  readonly abandoned: string[] = [];
}

/**
 * The three services with answers that need no hub: `Emit` is a success for "alice", waits forever for "slow" and answers a
 * large message for "large"; `Cluster.Emit` fails with the code that the id spells; `Link` answers each batch at once.
 */
export function toyRoutes(log: ToyLog = new ToyLog(), secret?: string): (router: ConnectRouter) => void {
  const guard = (audiences: readonly string[]): { requestGate: (context: HandlerContext) => Promise<void> } => {
    const verifier = secret === undefined ? undefined : new TokenVerifier({ secrets: secret, audiences });
    const gate = async ({ requestHeader, values }: HandlerContext): Promise<void> => {
      await verifier?.verify(requestHeader.get("authorization")).catch((error: unknown) => {
        throw toConnectError(error);
      });
      values.get(ON_PROOF)();
    };
    return { requestGate: gate };
  };
  return (router) => {
    router.service(Websocket, {
      async emit({ id }, { signal }) {
        log.emitted.push(id);
        log.onEmit(id);
        if (id === "slow") {
          await ended(signal);
          log.abandoned.push(id);
          // As in a real handler, a call past its deadline is not a success.
          if (ConnectError.from(signal.reason).code === Code.DeadlineExceeded) throw signal.reason;
        }
        return { success: id === "alice" };
      },
      online: ({ id }) => ({ online: id === "alice" }),
      broadcast: ({ data }) => ({ count: BigInt(data.byteLength) }),
    }, guard([TOY_HOST]));
    router.service(Node, {
      async *link(batches) {
        for await (const { number } of batches) yield { number };
      },
    }, guard([TOY_HOST]));
    router.service(Cluster, {
      emit({ id }) {
        throw toConnectError(id === "" ? new Error(CANARY) : new MeshError(id as MeshErrorCode, `it is ${id}`));
      },
      members: ({ topic }) => ({ ids: topic === "large" ? ["x".repeat(2 * MAX_BYTES)] : [] }),
    }, guard([TOY_HOST, "cluster"]));
  };
}

/** A port with the toy services, on loopback. */
export async function openToy(
  options: Partial<RpcPortOptions> & { log?: ToyLog; secret?: string } = {},
): Promise<RpcPort & { readonly host: string }> {
  const { log, secret, ...portOptions } = options;
  const port = await openRpcPort({
    routes: toyRoutes(log, secret),
    runtime,
    hostname: "127.0.0.1",
    port: 0,
    readMaxBytes: MAX_BYTES,
    writeMaxBytes: 10 * MAX_BYTES,
    ...portOptions,
  });
  return { ...port, host: `127.0.0.1:${port.port}` };
}
