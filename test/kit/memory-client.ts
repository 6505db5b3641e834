export { MemoryClient, upgradeRequest } from "../../src/testing/memory-client.ts";
