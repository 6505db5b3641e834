/**
 * The state of a client has the type that its hub names, and no session can leave it out: checked by
 * `npm run check -- types`, never run.
 */
import { serve } from "../../adapters/node.ts";
import { upgrade } from "../../adapters/hono.ts";
import { type Client, DistHub, Hub, MemoryStorage, type Session, type SessionFactory } from "../../src/index.ts";
import { MemoryClient } from "../../src/testing/testing.ts";

interface User {
  name: string;
}

const hub = new Hub<User>();
const DATA: User = { name: "Alice" };

/** Of a hub that names a type, each session has a value of it, and its handlers know it. */
export const named: SessionFactory<User>[] = [
  () => ({ data: DATA }),
  () => ({ data: DATA, onEvent: (client) => client.data.name.length }),
  async (request) => request.url ? { data: { name: "Bob" } } : new Response(null, { status: 401 }),
  (request) =>
    request.url ? { data: DATA, onConnect: async (client) => client.emit(client.data.name) } : { refuse: 4401 },
  // The first session of a client whose first message decides is not the one that it gets.
  () => ({ authenticate: (message, info) => ({ id: `${message.length} ${info.remoteAddress}`, data: DATA }) }),
  () => ({ protocol: "chat", authenticate: async () => undefined }),
];

/** `data` cannot be left out, nor be `undefined` or of another type. */
export const wrong: SessionFactory<User>[] = [
  // @ts-expect-error: no data
  () => ({}),
  // @ts-expect-error: no data
  () => ({ onEvent: (client: Client<User>) => client.data.name }),
  // @ts-expect-error: no data
  async () => ({ id: "alice" }),
  // @ts-expect-error: undefined
  () => ({ data: undefined }),
  // @ts-expect-error: another type
  () => ({ data: { name: 5 } }),
  // @ts-expect-error: data only sometimes
  (request: Request) => ({ ...(request.bodyUsed ? { data: DATA } : {}) }),
  // @ts-expect-error: the session that the first message leads to has no data
  () => ({ authenticate: () => ({ id: "alice" }) }),
];

/** The same at each entry. */
export const entries: unknown[] = [
  serve(hub, { session: () => ({ data: DATA, onEvent: (client) => client.data.name.length }) }),
  upgrade(hub, (context) => ({ data: { name: context.req.path }, onEvent: (client) => client.data.name.length })),
  MemoryClient.open(hub, { data: DATA }),
  // @ts-expect-error: no data
  serve(hub, { session: () => ({}) }),
  // @ts-expect-error: no data
  upgrade(hub, () => ({})),
  // @ts-expect-error: no data
  MemoryClient.open(hub, {}),
];

/** A hub that names no type needs no data, and its handlers know nothing of it. */
export const unnamed: unknown[] = [
  serve(new Hub(), { session: () => ({}) }),
  serve(new Hub(), { session: () => ({ data: DATA }) }),
  serve(new DistHub({ storage: new MemoryStorage() }), {
    session: (): Session => ({ onEvent: (client) => client.id }),
  }),
  // @ts-expect-error: it may be anything
  serve(new Hub(), { session: () => ({ data: DATA, onEvent: (client) => void client.data.name }) }),
];

/** A state that may be missing may be left out. */
export const optional: Session<User | undefined>[] = [
  {},
  { data: DATA },
  { data: undefined },
  { onEvent: (client) => client.data?.name },
  // @ts-expect-error: it may be missing
  { onEvent: (client) => client.data.name },
];

/** Code that is generic over the state hands a session on. */
export function generic<Data>(other: Hub<Data>, session: SessionFactory<Data>, made: Session<Data>): unknown[] {
  return [serve(other, { session }), MemoryClient.open(other, made), serve(other, { session: () => made })];
}

/** The type of the state is found from the session, where nothing else names it. */
export function found(): string {
  const { data } = state({ data: DATA, onEvent: (client) => client.data.name.length });
  return data.name;
}

declare function state<Data>(session: Session<Data>): { data: Data };
