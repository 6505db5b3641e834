import type { Transport } from "@connectrpc/connect";

/** The transport, with a token in `authorization: Bearer …` of every call (RFC 6750 section 2.1). */
export function bearer(transport: Transport, token: () => string | Promise<string>): Transport {
  const authorized = async (header: HeadersInit | undefined): Promise<Headers> => {
    const headers = new Headers(header);
    headers.set("authorization", `Bearer ${await token()}`);
    return headers;
  };
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      return await transport.unary(method, signal, timeoutMs, await authorized(header), input, contextValues);
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      return await transport.stream(method, signal, timeoutMs, await authorized(header), input, contextValues);
    },
  };
}
