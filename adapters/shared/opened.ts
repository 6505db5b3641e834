import type { ListenOptions, Server } from "node:net";

/** Makes a server listen; rejects with its `error` event if it cannot. */
export function opened(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
