/** Nodes that die between the steps of an admission, and of a departure. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChaosCluster, LEASE_MS, type Seat } from "../kit/chaos-cluster.ts";
import { STORES } from "../kit/chaos-store.ts";
import { TestClient } from "../kit/client.ts";
import { member } from "../kit/crowd.ts";
import { runtime } from "../kit/runtime.ts";
import { until } from "../kit/until.ts";

for (const store of STORES) {
  test(`${store}: a node that dies between a claim and its 101, or a disconnect and its release, leaves nobody online`, async () => {
    await using cluster = await ChaosCluster.start({ store });
    const victim = cluster.on(runtime);
    const [asking, other] = cluster.others(victim) as [Seat, Seat];
    const { holder } = await victim.node.status();
    const leaver = await member(victim.node, "leaver");
    // Its requests reach the storage, and no answer comes back: the claim stands, and its connection cannot be accepted.
    victim.storage.shape({ hold: true }, ["back"]);
    const halfway = new TestClient(victim.node.clientUrl("halfway"));
    const refused = assert.rejects(halfway.opened());
    await until("the claim to stand", async () => (await cluster.store.content()).includes("halfway"));
    assert.equal(halfway.ws.readyState, WebSocket.CONNECTING);
    // And now no request reaches it either.
    victim.storage.shape({ hold: true });
    leaver.leave();
    await victim.node.event("the disconnect", (event) => event.type === "disconnect" && event.id === "leaver");
    assert.ok((await cluster.store.content()).includes("leaver"));
    const killedAtMs = performance.now();
    await cluster.kill(victim);
    await refused;
    for (const id of ["halfway", "leaver"]) {
      for (const { node } of [asking, other]) {
        await until(`${id} to be offline`, () => node.hub.online(id).then((on) => !on, () => false));
        assert.equal(await node.hub.emit(id, "to nobody"), false);
      }
    }
    const ms = performance.now() - killedAtMs;
    assert.ok(ms < LEASE_MS + 1_000, `offline after ${ms} ms`);
    await until("nothing in the storage to name the dead node", async () => {
      const content = await cluster.store.content();
      return [holder.life, holder.host, "halfway", "leaver"].every((text) => !content.includes(text));
    });
    const back = await member(other.node, "halfway");
    assert.equal(await asking.node.hub.emit("halfway", "all the way"), true);
    await back.awaits("all the way");
  });
}
