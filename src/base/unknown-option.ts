/** The text for an option that does not exist, with the one that was probably meant: another spelling, or another library's word. */
export function unknownOption(written: string, name: string, known: readonly string[]): string {
  const meant = Object.hasOwn(HABITS, name) ? HABITS[name] : nearest(name, known);
  return `unknown option ${JSON.stringify(written)}: ${meant ? `did you mean ${meant}? ` : ""}${list(known)}`;
}

/** Options of other libraries, and what to write here. */
const HABITS: Readonly<Record<string, string>> = {
  adapter: "new DistHub({ storage, secret })",
  allowRequest: "session(request), which may return a Response",
  clientTracking: "hub.size and for (const client of hub), which need no option",
  close: "session: () => ({ onDisconnect(client, code, reason) {} })",
  cors: 'origins, such as ["https://app.example.com"]',
  host: "hostname",
  maxHttpBufferSize: "limits: { maxMessageBytes }",
  maxPayload: "limits: { maxMessageBytes }",
  maxPayloadLength: "limits: { maxMessageBytes }",
  message: "session: () => ({ onEvent(client, message) {} })",
  onClose: "onDisconnect",
  onMessage: "onEvent",
  onOpen: "onConnect",
  open: "session: () => ({ onConnect(client) {} })",
  pingInterval: "limits: { pingMs }",
  pingTimeout: "limits: { pongMs }",
  server: "attach(hub, server, { session })",
  timeout: "timeoutMs",
  upgrade: "session(request), which may return a Response",
  verifyClient: "session(request), which may return a Response",
};

function list(known: readonly string[]): string {
  return known.length > 0 ? `the options are ${known.join(", ")}` : "there are no options";
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
