/** What a hub can do for its clients now. */
export type HubStatus = "starting" | "ready" | "degraded" | "draining" | "closed";
