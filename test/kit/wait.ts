export { Events, within } from "../../src/testing/events.ts";
