// The Hono app on Deno: deno serve -A --host 127.0.0.1 --port 8080 examples/hono/deno.ts
export { app as default } from "./app.ts";
