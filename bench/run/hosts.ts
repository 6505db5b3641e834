import { spawnSync } from "node:child_process";
import process from "node:process";

/**
 * Two hosts on this machine: network namespaces with a cable between them. The TCP of each runs on the core of its
 * program.
 *
 * On loopback a write of the server also does the work of the client's TCP, as long as the client sends now and then. If
 * it never sends, its reads do some work of the server's TCP. Here each does its own.
 */
export class Hosts {
  /** The command that runs a program on the server's host. */
  readonly server: readonly string[];
  /** The same on the host of the load generator. */
  readonly generator: readonly string[];
  readonly address = "10.77.0.1";

  /** Needs Linux, root, and `ip`. */
  constructor(serverCore: number, generatorCore: number) {
    const [near, far] = [`bench-s${process.pid}`, `bench-g${process.pid}`];
    this.server = inside(near);
    this.generator = inside(far);
    try {
      for (const name of [near, far]) ip("netns", "add", name);
      ip("link", "add", "cable", "netns", near, "type", "veth", "peer", "name", "cable", "netns", far);
      this.#raise(near, `${this.address}/30`, serverCore);
      this.#raise(far, "10.77.0.2/30", generatorCore);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #raise(name: string, address: string, core: number): void {
    ip("-n", name, "address", "add", address, "dev", "cable");
    for (const link of ["lo", "cable"]) ip("-n", name, "link", "set", link, "up");
    // Received packets are processed on this core.
    const mask = (1 << core).toString(16);
    run([...inside(name), "sh", "-c", `echo ${mask} > /sys/class/net/cable/queues/rx-0/rps_cpus`]);
  }

  [Symbol.dispose](): void {
    for (const [, , , name = ""] of [this.server, this.generator]) spawnSync("ip", ["netns", "delete", name]);
  }
}

function inside(name: string): string[] {
  return ["ip", "netns", "exec", name];
}

function ip(...args: string[]): void {
  run(["ip", ...args]);
}

function run([command = "", ...args]: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (status === 0) return;
  const why = error?.message ?? stderr.trim();
  throw new Error(`could not make two hosts: ${why}: that needs Linux, root, and Debian's iproute2`);
}
