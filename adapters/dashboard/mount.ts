import { DistServer } from "../../src/distributed/dist-server.ts";
import { clusterNode, type DistHub } from "../../src/distributed/dist-hub.ts";
import { tokenOf } from "../../src/distributed/client/get-token.ts";
import { rpcBytes } from "../../src/base/limits.ts";
import { createFetchTransport } from "../../src/rpc/fetch-transport.ts";
import { HttpError } from "../shared/http-error.ts";
import { ClusterCaller } from "./cluster-caller.ts";
import { Dashboard } from "./dashboard.ts";

/**
 * The dashboard of a hub's cluster, for requests to a path and below it.
 *
 * A page is opened by the secret of an API key, or by a token. Each of its calls goes through the Cluster service of this node, which
 * checks it and lets it do what the key may, as if it had come over the network.
 */
export function mountDashboard<Data>(
  hub: DistHub<Data>,
  path: string,
): (request: Request) => Promise<Response> {
  const server = new DistServer(hub);
  const dashboard = new Dashboard({
    byCluster: true,
    locked: LOCKED,
    callerOf: (authorization) => callerOf(hub, server, keyOf(authorization)),
  });
  return async (request) => {
    const { pathname } = new URL(request.url);
    // Relative, for a proxy that cuts off a part of the path.
    if (pathname === path) return new Response(null, { status: 308, headers: { location: `${lastOf(path)}/` } });
    return await dashboard.answer(request, pathname.slice(path.length));
  };
}

const LOCKED = "Paste the secret of one of the cluster's apiKeys, or a token of it (npx meshsocket token).";

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function keyOf(authorization: string | null): string {
  const [, key] = /^Bearer (.+)$/.exec(authorization ?? "") ?? [];
  if (key === undefined) throw new HttpError(401, LOCKED);
  return key;
}

function callerOf<Data>(hub: DistHub<Data>, server: DistServer<Data>, key: string): ClusterCaller {
  if (clusterNode(hub).secrets.isOwn(key)) {
    throw new HttpError(401, `That is the secret of the cluster, which belongs in no page. ${LOCKED}`);
  }
  const isToken = /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(key);
  const transport = createFetchTransport({
    baseUrl: "http://here",
    fetch: (url, init) => ask(server, url, init),
    ...rpcBytes(hub.limits),
  });
  return new ClusterCaller({
    host: hub.holder?.host ?? "this node",
    transport,
    token: tokenOf(isToken ? { token: key } : { secret: key }),
    timeoutMs: hub.limits.timeoutMs,
  });
}

async function ask<Data>(server: DistServer<Data>, url: string, init: RequestInit): Promise<Response> {
  return await server.fetch(new Request(url, init)) ?? new Response(null, { status: 404 });
}
