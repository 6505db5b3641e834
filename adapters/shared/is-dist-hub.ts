import type { DistHub } from "../../src/distributed/dist-hub.ts";
import { Hub } from "../../src/hub/hub.ts";

/** Whether a hub has an RPC side. Its class is not asked for, because that would load it for those who have only a Hub. */
export function isDistHub<Data>(hub: Hub<Data>): hub is DistHub<Data> {
  return hub instanceof Hub && "setSecret" in hub;
}
