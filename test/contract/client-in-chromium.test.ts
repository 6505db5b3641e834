/** The tests of the client package once more: the client in Chromium, and the servers on this runtime. */
import { after, test } from "node:test";
import { TestPage } from "../kit/chromium/page.ts";

/** Tests that a page cannot run, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "client: a gap that the history does not fill is told, and the newest can be read": "it publishes 100,000 messages",
  "client: reads a stream from its beginning, before, in the middle of and after it": "it appends 2,000 parts",
  "client: reads states as deltas, over a lost connection and after the server lost the client":
    "it counts the proxy's bytes",
  "client: options and URLs that are wrong are refused with what to write": "the URL of a page may be relative",
  "client: after lost it subscribes again before anything else is sent, and says that something may be missing":
    "the page would decide too late: its server's handlers must answer at once",
  "client: a store that was wiped ends what subscriptions know, and they hear of it":
    "it wipes a store by its own object",
};

const files = ["client.test.ts", "client-topics.test.ts", "client-history.test.ts", "client-stream.test.ts"];
const page = await TestPage.open(files);
after(() => page.close());

for (const name of page.names) {
  if (name in LEFT_OUT) continue;
  test(`in Chromium: ${name}`, () => page.run(name));
}
