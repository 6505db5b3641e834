import { adapterContract } from "./adapter.ts";
import { ways } from "../kit/servers.ts";

for (const way of ways) adapterContract(way);
