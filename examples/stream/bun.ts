// A node of the streams on Bun: app.ts says how.
import { serve } from "../../adapters/bun.ts"; // in a project of yours: "meshsocket/bun"
import { start } from "./app.ts";

await start(serve);
