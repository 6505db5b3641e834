import { createRegistry, type DescFile, type Registry, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import type { UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import { ServerReflection, type ServerReflectionRequest } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";

/**
 * Adds gRPC's server reflection, v1 and v1alpha: tools such as grpcurl learn from it which services, methods and messages
 * a server has, without its `.proto` files.
 */
export function addReflection(
  router: ConnectRouter,
  files: readonly DescFile[],
  options: Partial<UniversalHandlerOptions>,
): void {
  const known = new ReflectedFiles(files);
  router.service(ServerReflection, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        yield { validHost: request.host, originalRequest: request, messageResponse: known.answer(request) };
      }
    },
  }, options);
  router.service(ServerReflectionAlpha, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        const { host, messageRequest } = request;
        const messageResponse = known.answer({ messageRequest } as Question);
        yield { validHost: host, originalRequest: request, messageResponse };
      }
    },
  }, options);
}

/** The question of a request, which is the same in both versions. */
type Question = Pick<ServerReflectionRequest, "messageRequest">;

type Reply =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array<ArrayBuffer>[] } }
  | { case: "allExtensionNumbersResponse"; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

/** The `.proto` files of a server, and what is declared in them. */
class ReflectedFiles {
  /** By name, such as `websocket/websocket.proto`. */
  readonly #files: ReadonlyMap<string, DescFile>;
  readonly #registry: Registry;
  readonly #services: readonly { name: string }[];

  constructor(files: readonly DescFile[]) {
    const all = new Set<DescFile>();
    for (const file of files) withImports(file, all);
    this.#files = new Map(Array.from(all, (file) => [file.proto.name, file]));
    this.#registry = createRegistry(...all);
    this.#services = files.flatMap(({ services }) => services.map(({ typeName }) => ({ name: typeName })));
  }

  answer({ messageRequest: asked }: Question): Reply {
    switch (asked.case) {
      case "listServices":
        return { case: "listServicesResponse", value: { service: [...this.#services] } };
      case "fileByFilename":
        return fileReply(this.#files.get(asked.value), asked.value);
      case "fileContainingSymbol":
        return fileReply(this.#fileOf(asked.value), asked.value);
      case "allExtensionNumbersOfType":
        if (!this.#registry.getMessage(asked.value)) return notFound(asked.value);
        return { case: "allExtensionNumbersResponse", value: { baseTypeName: asked.value, extensionNumber: [] } };
      case "fileContainingExtension":
        return notFound(`an extension of ${asked.value.containingType}`);
      default:
        return { case: "errorResponse", value: { errorCode: Code.InvalidArgument, errorMessage: "nothing is asked" } };
    }
  }

  /** The file of a service, message or enum, or of a method, field or value in one. */
  #fileOf(symbol: string): DescFile | undefined {
    const outer = symbol.slice(0, Math.max(0, symbol.lastIndexOf(".")));
    const member = symbol.slice(outer.length + 1);
    const whole = this.#registry.get(symbol);
    if (whole) return whole.file;
    const holder = this.#registry.get(outer);
    if (!holder) return undefined;
    const names = holder.kind === "service"
      ? holder.methods.map(({ name }) => name)
      : holder.kind === "message"
      ? holder.members.map(({ name }) => name)
      : [];
    return names.includes(member) ? holder.file : undefined;
  }
}

function fileReply(file: DescFile | undefined, asked: string): Reply {
  if (!file) return notFound(asked);
  const all = withImports(file, new Set());
  const fileDescriptorProto = Array.from(all, ({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function withImports(file: DescFile, found: Set<DescFile>): Set<DescFile> {
  if (found.has(file)) return found;
  found.add(file);
  for (const imported of file.dependencies) withImports(imported, found);
  return found;
}

function notFound(what: string): Reply {
  const errorMessage = `there is no ${what.slice(0, 200)} here`;
  return { case: "errorResponse", value: { errorCode: Code.NotFound, errorMessage } };
}
