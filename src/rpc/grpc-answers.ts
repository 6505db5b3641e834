import { Code } from "@connectrpc/connect";
import type { UniversalHandler, UniversalHandlerFn } from "@connectrpc/connect/protocol";

/** The content types of gRPC and gRPC-Web. */
const GRPC = /^application\/grpc/i;

/** Answers a gRPC call to a method that does not exist here; undefined for a caller that does not speak gRPC. */
export function unknownMethod(contentType: string | null, path: string): UniversalHandlerFn | undefined {
  if (contentType === null || !GRPC.test(contentType)) return undefined;
  const header = new Headers({ "content-type": contentType });
  const trailer = new Headers();
  // A gRPC-Web answer without a message has its status in the headers.
  const status = contentType.toLowerCase().startsWith("application/grpc-web") ? header : trailer;
  status.set("grpc-status", String(Code.Unimplemented));
  status.set("grpc-message", encodeURI(`there is no method ${path.slice(0, 200)}`));
  return () => Promise.resolve({ status: 200, header, trailer });
}

/** The handler, which names the encodings that it takes to a gRPC caller that compresses its messages. */
export function namesEncodings(handler: UniversalHandler): UniversalHandler {
  const answer: UniversalHandlerFn = async (request) => {
    const response = await handler(request);
    const encoding = request.header.get("grpc-encoding");
    if (encoding === null || encoding === "identity") return response;
    const header = new Headers(response.header);
    header.set("grpc-accept-encoding", "identity");
    return { ...response, header };
  };
  return Object.assign(answer, { ...handler });
}
