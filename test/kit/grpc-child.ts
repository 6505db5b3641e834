/** A back-end that knows nothing but the .proto files; always on Node, driven over stdin by grpc.ts. */
import process from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Client, credentials, Metadata, type MethodDefinition, type ServiceError } from "@grpc/grpc-js";
import { type AnyDefinition, loadSync, type PackageDefinition } from "@grpc/proto-loader";
import type { GrpcCall, GrpcPlan, GrpcResult } from "./grpc.ts";

type Method = MethodDefinition<object, object>;

const AT_A_TIME = 64;
const includeDirs = [fileURLToPath(new URL("../../proto", import.meta.url))];
const files = ["websocket/websocket.proto", "meshsocket/v1/cluster.proto", "meshsocket/node/v1/node.proto"];
const plan = JSON.parse(await text(process.stdin)) as GrpcPlan;
const definitions: PackageDefinition = loadSync(plan.proto ?? files, {
  includeDirs,
  keepCase: true,
  longs: String,
  enums: String,
  bytes: String,
  defaults: true,
});

function methodOf(path: string): Method {
  const [service = "", name = ""] = path.split("/");
  const found = (definitions[service] as Record<string, AnyDefinition> | undefined)?.[name];
  if (!found) throw new Error(`no ${path} in the .proto files`);
  return found as unknown as Method;
}

function metadataOf({ token, headers }: GrpcCall): Metadata {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  for (const [name, value] of Object.entries(headers ?? {})) metadata.set(name, value);
  return metadata;
}

function failed({ code, details }: ServiceError): GrpcResult {
  return { code, details };
}

function unary(client: Client, call: GrpcCall): Promise<GrpcResult> {
  const { path, requestSerialize, responseDeserialize } = methodOf(call.method);
  const deadline = Date.now() + (call.timeoutMs ?? 10_000);
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      call.request ?? {},
      metadataOf(call),
      { deadline },
      (error, response) => resolve(error ? failed(error) : { code: 0, response }),
    );
  });
}

/** Sends the next request only when the last was answered. */
function stream(client: Client, call: GrpcCall, requests: readonly object[]): Promise<GrpcResult> {
  const { path, requestSerialize, responseDeserialize } = methodOf(call.method);
  const responses: unknown[] = [];
  return new Promise((resolve) => {
    const duplex = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadataOf(call), {
      deadline: Date.now() + (call.timeoutMs ?? 10_000),
    });
    const next = (): void => {
      const request = requests[responses.length];
      if (request) duplex.write(request);
      else duplex.end();
    };
    duplex.on("data", (response: unknown) => {
      responses.push(response);
      next();
    });
    duplex.on("error", (error: ServiceError) => resolve(failed(error)));
    duplex.on("status", ({ code, details }: { code: number; details: string }) => {
      resolve(code === 0 ? { code, response: responses } : { code, details });
    });
    next();
  });
}

async function repeat(client: Client, call: GrpcCall): Promise<GrpcResult> {
  let last: GrpcResult = { code: 0 };
  for (let left = call.times ?? 1; left > 0; left -= AT_A_TIME) {
    const some = await Promise.all(Array.from({ length: Math.min(left, AT_A_TIME) }, () => unary(client, call)));
    last = some.find(({ code }) => code !== 0) ?? some.at(-1) ?? last;
    if (last.code !== 0) break;
  }
  return last;
}

const channel = plan.ca === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(plan.ca));
const client = new Client(plan.host, channel);
const results: GrpcResult[] = [];
for (const call of plan.calls) {
  results.push(await (call.stream ? stream(client, call, call.stream) : repeat(client, call)));
}
// Says GOAWAY.
client.close();
process.stdout.write(JSON.stringify(results));
