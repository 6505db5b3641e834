import { Socket } from "node:net";
import type { Node } from "../../src/gen/meshsocket/v1/cluster_pb.ts";
import { isWeakSecret } from "../../src/rpc/token.ts";
import { VERSION } from "../../src/watch/version.ts";
import type { ClusterCaller } from "../../adapters/dashboard/cluster-caller.ts";
import { type Diagnosis, note, ok, wrong } from "./diagnosis.ts";

/** Whether the nodes are ready, agree with each other, and can be reached from here. */
export async function checkNodes(connection: ClusterCaller): Promise<Diagnosis[]> {
  const askedMs = Date.now();
  let nodes: readonly Node[];
  try {
    ({ nodes } = await connection.call("nodes", (client, call) => client.nodes({ state: true }, call)));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return [wrong("nodes", text, "start the node, or correct --url and the key")];
  }
  // The clock of a node is read about half-way between the question and its answer.
  const nowMs = (askedMs + Date.now()) / 2;
  const findings = nodes.map(statusOf);
  return [...findings, ...clocks(nodes, nowMs), versions(nodes), ...(await addresses(nodes))];
}

function statusOf({ host, state, unheard }: Node): Diagnosis {
  if (!state) {
    return wrong(
      "nodes",
      `${host} does not answer: ${unheard}`,
      "see its log: a wrong address, secret or clock says so",
    );
  }
  const { status, reason, clients, leaseMs, leaseLeftMs } = state;
  if (status !== "ready") {
    return wrong("nodes", `${host} is ${status}: ${reason}`, "see its log, and docs/wrong-clusters.md");
  }
  if (leaseLeftMs < leaseMs / 4) {
    return wrong(
      "nodes",
      `${host} renews its lease late: ${leaseLeftMs} of ${leaseMs} ms are left`,
      "the storage is slow, or its event loop is blocked",
    );
  }
  return ok("nodes", `${host} is ready, with ${clients} clients`);
}

const MAX_SKEW_MS = 5_000;

function clocks(nodes: readonly Node[], nowMs: number): Diagnosis[] {
  const skews = nodes.flatMap(({ host, state }) => (state ? [{ host, ms: Number(state.timeMs) - nowMs }] : []));
  const off = skews.filter(({ ms }) => Math.abs(ms) > MAX_SKEW_MS);
  if (off.length === 0) {
    return skews.length > 0 ? [ok("clock", "the clocks of the nodes agree with that of this machine")] : [];
  }
  return off.map(({ host, ms }) =>
    wrong(
      "clock",
      `the clock of ${host} is ${Math.round(Math.abs(ms) / 1_000)} s ${
        ms > 0 ? "ahead of" : "behind"
      } that of this machine`,
      "run an NTP client on both: tokens are refused when clocks differ",
    )
  );
}

function versions(nodes: readonly Node[]): Diagnosis {
  const found = [...new Set(nodes.flatMap(({ state }) => (state ? [state.version] : [])))];
  if (found.length > 1) {
    return wrong("versions", `the nodes run ${found.join(" and ")}`, "finish the deploy: run one version on all nodes");
  }
  const [version = VERSION] = found;
  if (version === VERSION) return ok("versions", `all nodes and this command run ${version}`);
  return note("versions", `the nodes run ${version}, this command ${VERSION}`, `npx meshsocket@${version}`);
}

/** Whether the advertised addresses can be dialled from this machine, as another node would. */
async function addresses(nodes: readonly Node[]): Promise<Diagnosis[]> {
  return await Promise.all(nodes.map(async ({ host }) => {
    const failed = await dial(host);
    if (failed === undefined) return ok("address", `${host} can be dialled from here`);
    return note(
      "address",
      `${host} cannot be dialled from here (${failed})`,
      "fine if this machine is outside of the nodes' network; else set rpc.advertise, or open the port",
    );
  }));
}

/** Undefined if a TCP connection opened, else why not. */
async function dial(host: string): Promise<string | undefined> {
  const url = URL.parse(`http://${host}`);
  if (!url) return "not an address";
  const socket = new Socket();
  try {
    return await new Promise((resolve) => {
      socket.setTimeout(DIAL_MS, () => resolve("no answer"));
      socket.once("error", (error: Error & { code?: string }) => resolve(error.code ?? error.message));
      socket.connect(Number(url.port || 80), url.hostname.replace(/^\[|\]$/g, ""), () => resolve(undefined));
    });
  } finally {
    socket.destroy();
  }
}

const DIAL_MS = 3_000;

/** Whether a secret can be guessed. */
export function checkSecret(secret: string): Diagnosis {
  if (!isWeakSecret(secret)) return ok("secret", "the secret is long enough");
  return wrong("secret", "the secret is shorter than 32 bytes", "make one with openssl rand -hex 32");
}
