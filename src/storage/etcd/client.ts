import { EtcdError, NOT_FOUND } from "./errors.ts";
import { type EtcdCallOptions, type EtcdConfig, EtcdHttp } from "./http.ts";
import { type Bytes, type Operation, parseTxn, type TxnAnswer } from "./wire.ts";

/** The part of etcd's API that is used. */
export class EtcdClient {
  readonly #http: EtcdHttp;

  constructor(config: EtcdConfig) {
    this.#http = new EtcdHttp(config);
  }

  close(): void {
    this.#http.close();
  }

  /** Runs operations in one transaction: those of `failure` if a condition does not hold. */
  async txn(
    compare: readonly Operation[],
    success: readonly Operation[],
    failure: readonly Operation[] = [],
    options: EtcdCallOptions = {},
  ): Promise<TxnAnswer> {
    const [answer] = await this.#http.post("/v3/kv/txn", [{ compare, success, failure }], options);
    return parseTxn(answer);
  }

  /** Takes a lease and answers its name. */
  async grant(ttlS: number, options: EtcdCallOptions = {}): Promise<string> {
    const lease = randomLease();
    await this.#http.post("/v3/lease/grant", [{ TTL: String(ttlS), ID: lease }], options).catch((error: unknown) => {
      // No other lease has this name: the grant was sent to a second endpoint although the first had made it.
      if (!(error instanceof EtcdError && /lease already exists/.test(String(error.cause)))) throw error;
    });
    return lease;
  }

  /** Renews leases, all in one request; answers which of them still exist. */
  async keepAlive(leases: readonly string[], options: EtcdCallOptions = {}): Promise<Set<string>> {
    const lines = await this.#http.post("/v3/lease/keepalive", leases.map((ID) => ({ ID })), options);
    const results = lines.map((line) => (line as { result?: { ID?: string; TTL?: string } }).result);
    return new Set(results.flatMap((result) => (result?.ID && Number(result.TTL ?? 0) > 0 ? [result.ID] : [])));
  }

  /** The keys that are attached to a lease; none if it does not exist. */
  async keysOfLease(lease: string, options: EtcdCallOptions = {}): Promise<Bytes[]> {
    const [answer] = await this.#http.post("/v3/lease/timetolive", [{ ID: lease, keys: true }], options);
    return ((answer as { keys?: string[] }).keys ?? []).map((key) => atob(key));
  }

  /** Ends a lease, and with it every key that is attached to it. */
  async revoke(lease: string, options: EtcdCallOptions = {}): Promise<void> {
    await this.#http.post("/v3/lease/revoke", [{ ID: lease }], options).catch((error: unknown) => {
      if (!(error instanceof EtcdError && error.status === NOT_FOUND)) throw error;
    });
  }
}

/** A positive int64. */
function randomLease(): string {
  const [bits = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return String((bits >> 1n) | 1n);
}
