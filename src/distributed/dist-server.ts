import { DistServer, useServices } from "./late-dist-server.ts";
import { NodeServices } from "./node-services.ts";

// Here a DistServer has its services from the start, so that it can give them to a router at once.
useServices(NodeServices);

export { DistServer };
