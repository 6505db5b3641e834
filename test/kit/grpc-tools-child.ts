/** Foreign tools for health and reflection, on grpc-js alone and always on Node; driven over stdin by grpc-tools.ts. */
import process from "node:process";
import { text } from "node:stream/consumers";
import { Client, credentials, Metadata, type MethodDefinition, type ServiceError } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer, loadSync, type PackageDefinition } from "@grpc/proto-loader";
import type { ToolPlan, ToolResult } from "./grpc-tools.ts";

type Method = MethodDefinition<object, object>;
type Answer = Record<string, unknown>;

const plan = JSON.parse(await text(process.stdin)) as ToolPlan;
const client = new Client(plan.host, credentials.createInsecure());
const metadata = new Metadata();
if (plan.token !== undefined) metadata.set("authorization", `Bearer ${plan.token}`);

function methodOf(definitions: PackageDefinition, service: string, name: string): Method {
  const found = (definitions[service] as unknown as Record<string, Method> | undefined)?.[name];
  if (!found) throw new Error(`no ${service}/${name}`);
  return found;
}

/** The answers of a bidirectional stream to these requests, or its status. */
function stream(method: Method, requests: readonly object[]): Promise<Answer[] | ToolResult> {
  return new Promise((resolve) => {
    const answers: Answer[] = [];
    const call = client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      metadata,
      { deadline: Date.now() + 10_000 },
    );
    call.on("data", (answer: Answer) => answers.push(answer));
    call.on("error", ({ code }: ServiceError) => resolve({ code }));
    call.on("end", () => resolve(answers));
    for (const request of requests) call.write(request);
    call.end();
  });
}

function unary(method: Method, request: object): Promise<ToolResult> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      { deadline: Date.now() + 10_000 },
      (error, response) => resolve(error ? { code: error.code } : { code: 0, response }),
    );
  });
}

/** Prints each status of a Watch as it comes, until the call ends. */
async function watch(method: Method, service: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const call = client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      { service },
      metadata,
    );
    call.on("data", (answer: Answer) => console.log(JSON.stringify(answer["status"])));
    call.on("error", () => resolve());
    call.on("end", () => resolve());
  });
}

/** Calls a method of which nothing is known but what reflection tells. */
async function discover({ version, method, request }: NonNullable<ToolPlan["discover"]>): Promise<ToolResult> {
  const info = methodOf(
    loadSync(`grpc/reflection/${version}/reflection.proto`, { includeDirs: [plan.protos], keepCase: true }),
    `grpc.reflection.${version}.ServerReflection`,
    "ServerReflectionInfo",
  );
  const [service = "", name = ""] = method.split("/");
  const answers = await stream(info, [{ list_services: "" }, { file_containing_symbol: service }]);
  if (!Array.isArray(answers)) return answers;
  const [listed, found] = answers as { list_services_response?: { service: { name: string }[] } }[];
  const files = (found as { file_descriptor_response?: { file_descriptor_proto: Buffer[] } }).file_descriptor_response;
  // A FileDescriptorSet is its files, each as field 1.
  const set = Buffer.concat(
    (files?.file_descriptor_proto ?? []).map((file) => Buffer.concat([field1(file.length), file])),
  );
  const definitions = loadFileDescriptorSetFromBuffer(set, { keepCase: true });
  const services = listed?.list_services_response?.service.map((each) => each.name) ?? [];
  return { ...(await unary(methodOf(definitions, service, name), request)), services };
}

function field1(length: number): Buffer {
  const bytes = [0x0a];
  let rest = length;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

const health = loadSync("grpc/health/v1/health.proto", { includeDirs: [plan.protos], enums: String, defaults: true });
if (plan.watch !== undefined) await watch(methodOf(health, "grpc.health.v1.Health", "Watch"), plan.watch);
for (const service of plan.check ?? []) {
  console.log(JSON.stringify(await unary(methodOf(health, "grpc.health.v1.Health", "Check"), { service })));
}
if (plan.discover) console.log(JSON.stringify(await discover(plan.discover)));
client.close();
