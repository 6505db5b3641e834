/**
 * A back-end in plain gRPC: it knows the .proto file and the secret, and nothing of meshsocket. Any language can do this.
 *
 *   export MESHSOCKET_SECRET=…                       # that of examples/distributed.ts
 *   RPC_HOST=127.0.0.1:8081 node examples/grpc-backend.ts ann 'your order shipped'
 *
 * Any node of the cluster will do, wherever the client is. (On Node: the HTTP/2 client of Deno is not sound.)
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, credentials, Metadata, type MethodDefinition, type requestCallback } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { SignJWT } from "jose";

const [id = "ann", text = "your order shipped"] = process.argv.slice(2);
const { RPC_HOST = "127.0.0.1:8081", MESHSOCKET_SECRET = "" } = process.env;

/** A JWT for the Cluster service: HS256 with the secret, the audience "cluster", and an end. */
const token = await new SignJWT()
  .setProtectedHeader({ alg: "HS256" })
  .setAudience("cluster")
  .setIssuedAt()
  .setExpirationTime("5 minutes")
  .sign(new TextEncoder().encode(MESHSOCKET_SECRET));

const includeDirs = [fileURLToPath(new URL("../proto", import.meta.url))];
const service = loadSync("meshsocket/v1/cluster.proto", {
  includeDirs,
  defaults: true,
})["meshsocket.v1.Cluster"] as Record<
  string,
  MethodDefinition<object, object>
>;

const client = new Client(RPC_HOST, credentials.createInsecure());
const metadata = new Metadata();
metadata.set("authorization", `Bearer ${token}`);

async function call(name: string, request: object): Promise<object> {
  const method = service[name];
  if (!method) throw new Error(`the service has no method ${name}`);
  const deadline = Date.now() + 5_000;
  return await promisify((done: requestCallback<object>) =>
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      { deadline },
      done,
    )
  )() as object;
}

console.log("online", await call("Online", { id }));
console.log("emit", await call("Emit", { id, data: Buffer.from(text) }));
console.log("broadcast", await call("Broadcast", { data: Buffer.from("everybody heard"), except: [id] }));
console.log("nodes", await call("Nodes", {}));
client.close();
