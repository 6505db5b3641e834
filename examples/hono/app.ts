// A Hono app with a hub: the upgrade is a route like any other. node.ts, bun.ts and deno.ts serve it.
import { Hono } from "hono";
import { upgrade } from "../../adapters/hono.ts"; // in a project of yours: "meshsocket/hono"
import { Hub } from "../../src/index.ts"; // "meshsocket"

export const hub: Hub = new Hub();
export const app: Hono = new Hono();

app.get("/", (c) => c.text("your app"));

// Sends from an ordinary route.
app.post("/notify/:id", async (c) => {
  const accepted = await hub.emit(c.req.param("id"), await c.req.text());
  return c.json({ accepted }, accepted ? 200 : 404);
});

// Middleware runs before the upgrade.
app.use("/ws", async (c, next) => {
  if (!c.req.query("name")) return c.text("say who you are: /ws?name=ann", 401);
  return await next();
});

app.get(
  "/ws",
  upgrade(hub, (c) => ({
    id: c.req.query("name"),
    onConnect: (client) => client.emit(`welcome ${client.id}`),
    onEvent: (client, message) => client.broadcast(message),
  })),
);
