/**
 * A cron job: sends a message to one client, wherever it is connected, and ends.
 *
 *   export MESHSOCKET_STORAGE_URL=… MESHSOCKET_STORAGE_TOKEN=… MESHSOCKET_SECRET=…    # those of examples/distributed.ts
 *   node examples/cron.ts ann 'your report is ready'    # or: bun examples/cron.ts …, deno run -A examples/cron.ts …
 *
 * It finds the client's node in the storage and calls that node. There is nothing to close: a DistClient holds no connection
 * open and keeps no process alive.
 */
import process from "node:process";
import { DistClient } from "../src/index.ts"; // in a project of yours: "meshsocket"
import { RedisStorage } from "../src/storage/redis/redis.ts"; // "meshsocket/redis"

const [id = "ann", text = "your report is ready"] = process.argv.slice(2);
const { MESHSOCKET_STORAGE_URL = "", MESHSOCKET_STORAGE_TOKEN = "", MESHSOCKET_SECRET } = process.env;

const cluster = new DistClient({
  storage: new RedisStorage({ url: MESHSOCKET_STORAGE_URL, token: MESHSOCKET_STORAGE_TOKEN }, "example"),
  secret: MESHSOCKET_SECRET,
});

const accepted = await cluster.emit(id, text);
console.log(accepted ? `${id} has it` : `${id} is not connected`);
