/** A node with the toy services in a process of its own, to be killed or paused; started by rpc-peer.ts. */
import process from "node:process";
import { openToy, ToyLog } from "./toy-rpc.ts";

const log = new ToyLog();
log.onEmit = (id) => void process.stdout.write(`${id}\n`);
const port = await openToy({ log });
process.stdout.write(`${port.host}\n`);
