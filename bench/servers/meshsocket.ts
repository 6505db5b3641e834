/** The bench's server on meshsocket: one node, or with a storage in its setup one of a cluster. */
import { loadServe } from "../../test/kit/servers.ts";
import { DistHub } from "../../src/distributed/dist-hub.ts";
import { Hub } from "../../src/hub/hub.ts";
import { RedisStorage } from "../../src/storage/redis/redis.ts";
import { ready, setup } from "./control.ts";

const {
  storage,
  redisPort,
  tcp = false,
  tls,
  compress = false,
  metrics = false,
  history = false,
  hostname = "127.0.0.1",
} = setup();
const topics = history ? [{ match: "*", history: { messages: 200 } }] : [];
// One client of the bench asks for the messages that a thousand get.
const limits = { messagesPerSecond: Infinity };
const hub = storage
  ? new DistHub({
    storage: new RedisStorage(tcp ? `redis://127.0.0.1:${redisPort}` : storage, "bench"),
    limits,
    topics,
  })
  : new Hub({ limits, compress });
const serve = await loadServe();
const server = await serve(hub, {
  port: 0,
  hostname,
  ...(metrics && { metrics: "/metrics" }),
  ...(tls && { tls }),
  session(request) {
    const query = new URL(request.url).searchParams;
    const topic = query.get("topic") ?? "";
    return {
      id: query.get("id") ?? undefined,
      onConnect: (
        client,
      ) => (topic === "" ? undefined : client.subscribe(topic)),
      onSubscribe: () => true,
      onEvent(client, message) {
        const text = message as string;
        if (text.startsWith("e")) void client.emit(text);
        else if (text.startsWith("b")) void hub.broadcast(text);
        else if (text.startsWith("p")) {
          void hub.publish(text.slice(1, text.indexOf(":")), text);
        } else void hub.emit(text.slice(1, text.indexOf(":")), text);
      },
    };
  },
});
ready(server.port, server.rpc?.host);
