/** `node:assert/strict` in a page: Bun's bundler knows `node:assert` alone. */
export { strict as default } from "node:assert";
