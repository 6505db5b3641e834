/** The parameters of permessage-deflate that both sides agreed to (RFC 7692 section 7.1). */
export interface DeflateAgreement {
  /** The size of the server's window is two to the power of it. */
  readonly windowBits: number;
  /** The value of `Sec-WebSocket-Extensions` in the 101. */
  readonly answer: string;
}

const NAME = "permessage-deflate";
const MAX_WINDOW_BITS = 15;

/**
 * Accepts the first offer of permessage-deflate in a request's `Sec-WebSocket-Extensions` that can be kept; undefined if there is
 * none, and then nothing is compressed.
 *
 * Neither side keeps a context from message to message. A server's window of 8 bits is declined: zlib has none for raw data.
 */
export function acceptDeflate(header: string | undefined): DeflateAgreement | undefined {
  for (const offer of header?.split(",") ?? []) {
    const [name, ...parameters] = offer.split(";").map((part) => part.trim());
    if (name !== NAME) continue;
    const windowBits = windowBitsOf(parameters);
    if (windowBits !== undefined) return agreement(windowBits);
  }
  return undefined;
}

/** The size of the server's window that an offer names; 0 if it names none, undefined for an offer to decline. */
function windowBitsOf(parameters: readonly string[]): number | undefined {
  const seen = new Set<string>();
  let windowBits = 0;
  for (const parameter of parameters) {
    const [name = "", value] = parameter.split("=", 2).map((part) => part.trim().replace(/^"(.*)"$/, "$1"));
    if (seen.has(name) || !isGood(name, value)) return undefined;
    seen.add(name);
    if (name === "server_max_window_bits") windowBits = Number(value);
  }
  return windowBits;
}

function isGood(name: string, value: string | undefined): boolean {
  switch (name) {
    case "server_no_context_takeover":
    case "client_no_context_takeover":
      return value === undefined;
    case "server_max_window_bits":
      return value !== undefined && /^(?:9|1[0-5])$/.test(value);
    case "client_max_window_bits":
      return value === undefined || /^(?:[89]|1[0-5])$/.test(value);
    default:
      return false;
  }
}

function agreement(offeredBits: number): DeflateAgreement {
  const answer = `${NAME}; server_no_context_takeover; client_no_context_takeover`;
  if (offeredBits === 0) return { windowBits: MAX_WINDOW_BITS, answer };
  return { windowBits: offeredBits, answer: `${answer}; server_max_window_bits=${offeredBits}` };
}
