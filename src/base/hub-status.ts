/** Whether a hub takes clients now. */
export type HubStatus = "starting" | "ready" | "degraded" | "draining" | "closed";
