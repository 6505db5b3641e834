import type { Attack, NotOurs, ProvedElsewhere } from "./attack.ts";
import { HANDSHAKE } from "./handshake.ts";
import { MESSAGES } from "./messages.ts";
import { SUBPROTOCOL } from "./subprotocol.ts";

/** The attacks that are run here. */
export const ATTACKS: readonly Attack[] = [...HANDSHAKE, ...MESSAGES, ...SUBPROTOCOL];

/** Every id of the list of threats. */
export const ALL_IDS: readonly string[] = [[1, 16], [20, 38], [40, 50], [60, 67], [70, 78]].flatMap((
  [from = 0, to = 0],
) => Array.from({ length: to - from + 1 }, (_, index) => `A${from + index}`));

export const ELSEWHERE: readonly ProvedElsewhere[] = [
  {
    id: "A3",
    title: "every origin allowed, with cookies",
    answer: '"*" is not an origin: TypeError at the start; "any" has to be written',
    file: "test/unit/gate.test.ts",
    test: "an origin that no browser sends is refused as an option",
  },
  {
    id: "A6",
    title: "headers that come byte by byte and never end",
    answer: "cut within 20 s",
    file: "test/security/threats.test.ts",
    test: "headers that never end",
  },
  {
    id: "A13",
    title: "a token in query, header, subprotocol or message that ends in a log",
    answer: "never in a log, an error or an RPC's answer",
    file: "test/security/canary.test.ts",
    test: "a token that a client sends stands in no log",
  },
  {
    id: "A15",
    title: "too many connections, in all or of one address, or until no descriptor is left",
    answer:
      "503 or 429 with Retry-After; without descriptors the node lives and answers again (`test/chaos/descriptors.test.ts`)",
    file: "test/contract/adapter-admission.ts",
    test: "an address that holds its share of connections is refused with 429",
  },
  {
    id: "A29",
    title: "a client that never reads",
    answer: "4008 and cut; what it missed is counted",
    file: "test/security/slow-clients.test.ts",
    test: "clients that never read",
  },
  {
    id: "A42",
    title: "commands, scripts and prefixes in ids",
    answer: "an id is an argument, never a part of a command or of another's key",
    file: "test/contract/storage-names.ts",
    test: "ids round-trip whatever they spell",
  },
  {
    id: "A43",
    title: "a host in the storage that leads elsewhere",
    answer: "not dialled: syntax is checked, and peers() may allow fewer",
    file: "test/security/rpc.test.ts",
    test: "a host that is not allowed is never dialled",
  },
  {
    id: "A44",
    title: "an RPC port that is open to all",
    answer: "without a secret it does not start beyond loopback; without a good token: unauthenticated",
    file: "test/cluster/starting.test.ts",
    test: "an RPC port open to other machines without a secret is refused",
  },
  {
    id: "A45",
    title: "a web page calls the RPC port",
    answer: "403 for any Origin, 405 for any method but POST",
    file: "test/cluster/rpc-port.test.ts",
    test: "a request with an Origin is refused before anything looks at it",
  },
  {
    id: "A46",
    title: "a batch or a token that is sent again",
    answer: "a batch is answered from the window; a token opens no other node",
    file: "test/security/rpc.test.ts",
    test: "a batch that is sent again gets its old answer",
  },
  {
    id: "A47",
    title: "mistakes in checking client certificates",
    answer:
      "with rpc.tls.mutual a caller without a certificate of the authority is refused; which node it is says its token",
    file: "test/cluster/rpc-tls.test.ts",
    test: "with mutual TLS a caller without a certificate of the authority is refused",
  },
  {
    id: "A48",
    title: "an RPC that is too large",
    answer: "resource_exhausted",
    file: "test/cluster/rpc-transport.test.ts",
    test: "a message over the limit is resource_exhausted",
  },
  {
    id: "A36",
    title: "a decompression bomb to a hub with the option `compress`",
    answer: "1009, and no more than maxMessageBytes is inflated; Bun agrees to no compression",
    file: "test/security/compression.test.ts",
    test: "a decompression bomb is closed with 1009",
  },
  {
    id: "A37",
    title: "a flood of small messages that each inflate to a large one",
    answer: "1008 over inflatedBytesBurst",
    file: "test/security/compression.test.ts",
    test: "many messages that grow to just under the limit",
  },
  {
    id: "A38",
    title: "guessing a secret by the size of compressed messages (CRIME, BREACH)",
    answer:
      "off by default; no message is compressed with another's bytes; which messages to keep from it: docs/compression.md",
    file: "test/security/compression.test.ts",
    test: "how far a message is compressed tells nothing about messages before it",
  },
  {
    id: "A49",
    title: "secrets in errors",
    answer: "foreign errors stay on this side as a cause",
    file: "test/security/canary.test.ts",
    test: "a token that a client sends stands in no log",
  },
  {
    id: "A60",
    title: "HTTP/2 rapid reset",
    answer: "cut; others are served",
    file: "test/security/rpc-abuse.test.ts",
    test: "streams that are reset as soon as they are opened",
  },
  {
    id: "A61",
    title: "HTTP/2 MadeYouReset",
    answer: "cut; others are served; the budget of invalid frames is lowered to 100",
    file: "test/security/rpc-abuse.test.ts",
    test: "streams that make the server reset them",
  },
  {
    id: "A62",
    title: "HTTP/2 CONTINUATION and HPACK floods",
    answer: "cut; others are served; the header list is limited to 16 kB",
    file: "test/security/rpc-abuse.test.ts",
    test: "headers that go on and on",
  },
  {
    id: "A63",
    title: "HTTP/2 floods of pings, settings, empty and oversize frames",
    answer: "cut; others are served; the memory is back",
    file: "test/security/rpc-abuse.test.ts",
    test: "data frames with nothing in them",
  },
  {
    id: "A65",
    title: "HTTP/2 sessions that stay after a GOAWAY, or without a token",
    answer: "a connection without a call that its token opens is cut after 10 s; a broken one leaves nothing behind",
    file: "test/security/rpc-abuse.test.ts",
    test: "connections that break the protocol leave no trace",
  },
  {
    id: "A64",
    title: "a TLS or HTTP/2 handshake that breaks",
    answer: "that connection is cut",
    file: "test/cluster/rpc-tls.test.ts",
    test: "a TLS port outlives handshakes that fail",
  },
  {
    id: "A67",
    title: "one peer opens any number of streams",
    answer: "128 are announced and kept",
    file: "test/security/rpc-abuse.test.ts",
    test: "an HTTP/2 connection is told its limits",
  },
];

export const NOT_OURS: readonly NotOurs[] = [
  {
    id: "A25",
    title: "a hostile server's window bits",
    why: "meshsocket has no WebSocket client: nodes speak RPC without compression",
  },
  { id: "A31", title: "hostile JSON", why: "the core parses no message: validate in the application" },
  {
    id: "A32",
    title: "keys made to collide",
    why: "the core parses no message into keys: limit them in the application",
  },
  {
    id: "A50",
    title: "one tenant reaches another's clients",
    why: "there are no tenants inside a cluster: give each its own prefix and its own secret",
  },
  {
    id: "A66",
    title: "a hostile HTTP/2 server",
    why: "a node dials only hosts that hold a lease in the storage; limit them with peers()",
  },
];
