/** The text for an option that does not exist, with the one that was probably meant: another spelling, or another library's word. */
export function unknownOption(written: string, name: string, known: readonly string[]): string {
  return unknownName("option", written, name, known);
}

/** The text for an event that does not exist. */
export function unknownEvent(name: string, known: readonly string[]): string {
  return unknownName("event", name, name, known);
}

function unknownName(what: string, written: string, name: string, known: readonly string[]): string {
  const meant = Object.hasOwn(HABITS, name) ? HABITS[name] : nearest(name, known);
  return `unknown ${what} ${JSON.stringify(written)}: ${meant ? `did you mean ${meant}? ` : ""}${list(known)}`;
}

/** Options of other libraries, and what to write here. */
const HABITS: Readonly<Record<string, string>> = {
  apiKeys: "new DistHub({ storage, secret, apiKeys })",
  adapter: "new DistHub({ storage, secret })",
  allowRequest: "session(request), which may return a Response",
  certificate: "cert",
  clientTracking: "hub.size and for (const client of hub)",
  close: "onDisconnect of a session: () => ({ onDisconnect(client, code, reason) {} })",
  confirm: "emit(id, message, { confirm: true }), which is for one client",
  connectTimeout: "limits: { upgradeTimeoutMs }",
  cors: 'origins, such as ["https://app.example.com"]',
  connection: "connect, or onConnect of a session",
  expiresIn: "ttlMs, in milliseconds",
  health: "serve(hub, { health: true, session }), or healthHandler(hub) in a server of your own",
  host: "hostname",
  leaseMs: "new DistHub({ storage, secret, leaseMs })",
  maxHttpBufferSize: "limits: { maxMessageBytes }",
  maxMessageSize: "limits: { maxMessageBytes }",
  maxPayload: "limits: { maxMessageBytes }",
  maxPayloadLength: "limits: { maxMessageBytes }",
  message: "onEvent of a session: () => ({ onEvent(client, message) {} })",
  onClose: "onDisconnect",
  onConnect: "onConnect of a session: () => ({ onConnect })",
  onDisconnect: "onDisconnect of a session: () => ({ onDisconnect })",
  onEvent: "onEvent of a session: () => ({ onEvent })",
  onMessage: "onEvent",
  onOpen: "onConnect",
  onPublish: "onPublish of a session: () => ({ onPublish })",
  onRequest: "onRequest of a session: () => ({ onRequest })",
  onSubscribe: "onSubscribe of a session: () => ({ onSubscribe })",
  open: "onConnect of a session: () => ({ onConnect(client) {} })",
  path: "serve(hub, { path, session })",
  pingInterval: "limits: { pingMs }",
  pingTimeout: "limits: { pongMs }",
  port: "serve(hub, { port, session })",
  secret: "new DistHub({ storage, secret })",
  server: "attach(hub, server, { session })",
  storage: "new DistHub({ storage, secret })",
  timeout: "timeoutMs",
  upgrade: "session(request), which may return a Response",
  verifyClient: "session(request), which may return a Response",
};

function list(known: readonly string[]): string {
  if (known.length === 0) return "there are no options";
  return known.length > 20 ? "docs/limits.md lists them" : `there are ${known.join(", ")}`;
}

/** The known name that differs in two letters at most, or only in case. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const most = name.length < 5 ? 1 : 2;
  return known
    .map((each) => ({ each, far: distance(name.toLowerCase(), each.toLowerCase()) }))
    .filter(({ far }) => far <= most)
    .sort((a, b) => a.far - b.far)[0]?.each;
}

/** The fewest letters to add, drop or replace (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let line = 1; line <= from.length; line++) {
    const next = [line];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (row[column - 1] ?? 0) + (from[line - 1] === to[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
