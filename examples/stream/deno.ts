// A node of the streams on Deno: app.ts says how.
import { serve } from "../../adapters/deno.ts"; // in a project of yours: "meshsocket/deno"
import { start } from "./app.ts";

await start(serve);
