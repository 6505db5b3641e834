import { type EtcdConfig, type EtcdRequestInit, EtcdStorage } from "../../src/storage/etcd/etcd.ts";
import { startEtcd, type TestEtcd } from "./etcd.ts";

/** Stands between a storage and etcd: may hold up, drop, repeat or replace the answer of a request. */
export type EtcdFault = (name: string, forward: () => Promise<Response>) => Promise<Response>;

/** A request as the storage sent it. */
export interface EtcdCall {
  /** The last word of the path; a claim's transaction is "claim", one that settles a lost claim "touch". */
  readonly name: string;
  readonly body: string;
}

/** A {@link TestEtcd} whose answers a test can spoil, for the first of two storages. */
export interface FaultyEtcd extends TestEtcd {
  /** Undefined: every request is answered as it should be. */
  fault: EtcdFault | undefined;
  /** What the first storage sent. */
  readonly calls: EtcdCall[];
  readonly prefix: string;
  /** Clears fault and calls, and gives two storages over one new prefix: with the faults and a short timeout, and without. */
  makeStorages(config?: Partial<EtcdConfig>): [EtcdStorage, EtcdStorage];
}

/** The short timeout of the first storage, in ms. */
const TIMEOUT_MS = 300;

export async function startFaultyEtcd(): Promise<FaultyEtcd> {
  const etcd = await startEtcd();
  let prefixes = 0;
  const spoiled = async (url: string, init: EtcdRequestInit): Promise<Response> => {
    const { body } = init;
    const name = nameOf(url, body);
    faulty.calls.push({ name, body });
    const { fault } = faulty;
    if (fault === undefined) return await fetch(url, init);
    // What was sent is not taken back when the caller gives up.
    const forward = (): Promise<Response> => fetch(url, { ...init, signal: null });
    return await Promise.race([fault(name, forward), whenAborted(init.signal)]);
  };
  const faulty: FaultyEtcd = {
    ...etcd,
    fault: undefined,
    calls: [],
    get prefix() {
      return `faulty-${prefixes}`;
    },
    makeStorages(config = {}) {
      faulty.fault = undefined;
      faulty.calls.length = 0;
      prefixes++;
      const { endpoints } = etcd;
      return [
        new EtcdStorage({ endpoints, timeoutMs: TIMEOUT_MS, fetch: spoiled, ...config }, faulty.prefix),
        new EtcdStorage({ endpoints, timeoutMs: 5_000 }, faulty.prefix),
      ];
    },
  };
  return faulty;
}

/** Lets a request take effect and loses its answer. */
export function dropAnswersOf(name: string, times: number = Infinity): EtcdFault {
  let left = times;
  return async (request, forward) => {
    const response = await forward();
    if (request !== name || left-- <= 0) return response;
    await response.body?.cancel();
    throw new TypeError("the answer is lost");
  };
}

function nameOf(url: string, body: string): string {
  const name = url.slice(url.lastIndexOf("/") + 1);
  if (name !== "txn") return name;
  if (body.includes("ignore_value")) return "touch";
  return /^\{"compare":\[\{[^}]*"target":"MOD"/.test(body) ? "claim" : name;
}

function whenAborted(signal: AbortSignal | null | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
