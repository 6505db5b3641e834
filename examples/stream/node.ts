// A node of the streams on Node: app.ts says how.
import { serve } from "../../adapters/node.ts"; // in a project of yours: "meshsocket/node"
import { start } from "./app.ts";

await start(serve);
