import type { NodeProcess } from "./node-process.ts";
import { type Greeting, V1_PROTOCOL } from "../../src/wire/v1.ts";
import { TestClient } from "./client.ts";

/** Whether a token lets a client resume a second time, after the client proved that it has the next one. */
export async function usedTokenResumes(node: NodeProcess): Promise<boolean> {
  const { token } = await greet(node);
  const second = await greet(node, token);
  second.client.ws.send("~ack 0");
  second.client.ws.send("~sync");
  await second.client.next();
  const { resumed } = await greet(node, token);
  return resumed;
}

/** Connects and breaks the connection soon; `token` asks to resume. */
async function greet(node: NodeProcess, token?: string): Promise<Greeting & { client: TestClient }> {
  const offers = token === undefined ? [V1_PROTOCOL] : [V1_PROTOCOL, `meshsocket.resume.0.${token}`];
  const client = await TestClient.open(node.clientUrl("reuser"), offers);
  for (;;) {
    const line = String(await client.next());
    if (line.startsWith("~hello ")) return { ...JSON.parse(line.slice(7)) as Greeting, client };
  }
}
