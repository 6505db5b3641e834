/** A program whose orderly end never comes. */
import { stopOnSignal } from "../../tools/stop.ts";

stopOnSignal({
  async stop() {
    console.log("ending");
    await new Promise(() => {});
  },
});
setInterval(() => {}, 60_000);
console.log("up");
