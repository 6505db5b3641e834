import type { DistHub } from "../../src/distributed/dist-hub.ts";
import { Hub } from "../../src/hub/hub.ts";

/** Whether a hub has an RPC side. The class of a DistHub is not imported: that would load it for an application with only a Hub. */
export function isDistHub<Data>(hub: Hub<Data>): hub is DistHub<Data> {
  return hub instanceof Hub && "setSecret" in hub;
}
