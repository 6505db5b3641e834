/** A node with the toy services in a process of its own, to be killed or paused; started by rpc-peer.ts. */
import process from "node:process";
import { openToy } from "./toy-rpc.ts";

const port = await openToy();
process.stdout.write(`${port.host}\n`);
