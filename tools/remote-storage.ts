import { errorCode, invalidArgument, MeshError, type MeshErrorCode } from "../src/base/error.ts";
import type {
  Claimed,
  Entry,
  Holder,
  IdEntry,
  Renewal,
  RenewOptions,
  Storage,
  StorageCallOptions,
} from "../src/storage/storage.ts";

/** Where a {@link RemoteStorage} is. */
export interface RemoteStorageOptions {
  /** Of `serveStorage` in `tools/storage-server.ts`. */
  url: string;
  token: string;
  /** Milliseconds that one call may take. Over it: rejects `unavailable`. Default 1,000. */
  timeoutMs?: number;
}

/** An {@link Entry} as JSON can carry it. */
interface JsonEntry extends Holder {
  readonly claim: string;
}

interface JsonRenewal extends Omit<Renewal, "entries"> {
  readonly entries: readonly (JsonEntry | null)[];
}

interface JsonIdEntry extends JsonEntry {
  readonly id: string;
}

/** The server's answer if a call failed. */
export interface JsonFailure {
  code: MeshErrorCode;
  message: string;
}

/**
 * A {@link Storage} that another process serves (`tools/storage-server.ts`), reached by fetch.
 *
 * A call whose answer was lost rejects `unavailable` and may have taken effect: for the demo and for tests, on one machine.
 */
export class RemoteStorage implements Storage {
  readonly #url: string;
  readonly #token: string;
  readonly #timeoutMs: number;
  readonly #closed = new AbortController();

  /** `prefix` names the cluster: hubs with the same one see each other. Default "websocket". */
  constructor({ url, token, timeoutMs = 1_000 }: RemoteStorageOptions, prefix = "websocket") {
    this.#url = `${url.replace(/\/$/, "")}/${encodeURIComponent(prefix)}/`;
    this.#token = token;
    this.#timeoutMs = timeoutMs;
  }

  async set(
    ids: readonly string[],
    { host, life }: Holder,
    options: StorageCallOptions & { ifAbsent?: boolean } = {},
  ): Promise<Claimed[]> {
    const args = [ids, { host, life }, { ifAbsent: options.ifAbsent === true }];
    const claimed = await this.#call<{ claim?: string; previous?: JsonEntry }[]>("set", args, options);
    return claimed.map(({ claim, previous }) => ({
      claim: claim === undefined ? undefined : BigInt(claim),
      previous: previous && entryFrom(previous),
    }));
  }

  async get(ids: readonly string[], options: StorageCallOptions = {}): Promise<(Entry | undefined)[]> {
    const entries = await this.#call<(JsonEntry | null)[]>("get", [ids], options);
    return entries.map((entry) => (entry ? entryFrom(entry) : undefined));
  }

  async del(
    entries: readonly Pick<IdEntry, "id" | "life" | "claim">[],
    options: StorageCallOptions = {},
  ): Promise<boolean[]> {
    const args = [entries.map(({ id, life, claim }) => ({ id, life, claim: String(claim) }))];
    return await this.#call<boolean[]>("del", args, options);
  }

  async clear(holder: Holder, options: StorageCallOptions = {}): Promise<number> {
    return await this.#call<number>("clear", [holder], options);
  }

  async *all(options: StorageCallOptions = {}): AsyncIterable<IdEntry> {
    const response = await this.#fetch("all", [], options);
    let rest = "";
    try {
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) yield entryFrom(JSON.parse(line) as JsonIdEntry);
      }
    } catch (error) {
      throw failure(error, options.signal);
    }
  }

  async renew(holder: Holder, ttlMs: number, options: RenewOptions = {}): Promise<Renewal> {
    const renewal = await this.#call<JsonRenewal>("renew", [holder, ttlMs, options.ids ?? []], options);
    return { ...renewal, entries: renewal.entries.map((entry) => (entry ? entryFrom(entry) : undefined)) };
  }

  async living(options: StorageCallOptions = {}): Promise<Holder[]> {
    return await this.#call<Holder[]>("living", [], options);
  }

  async leave(holder: Holder, options: StorageCallOptions = {}): Promise<void> {
    await this.#call<null>("leave", [holder], options);
  }

  async subscribe(topic: string, holder: Holder, options: StorageCallOptions = {}): Promise<Holder[]> {
    return await this.#call<Holder[]>("subscribe", [topic, holder], options);
  }

  async unsubscribe(topic: string, holder: Holder, options: StorageCallOptions = {}): Promise<void> {
    await this.#call<null>("unsubscribe", [topic, holder], options);
  }

  async subscribers(topic: string, publisher?: Holder, options: StorageCallOptions = {}): Promise<Holder[]> {
    return await this.#call<Holder[]>("subscribers", [topic, publisher ?? null], options);
  }

  /** After this every call rejects (`canceled`). */
  async close(): Promise<void> {
    this.#closed.abort();
  }

  async #call<Result>(method: keyof Storage, args: readonly unknown[], options: StorageCallOptions): Promise<Result> {
    const response = await this.#fetch(method, args, options);
    try {
      return (await response.json()) as Result;
    } catch (error) {
      throw failure(error, options.signal);
    }
  }

  async #fetch(method: keyof Storage, args: readonly unknown[], { signal }: StorageCallOptions): Promise<Response> {
    const signals = [this.#closed.signal, AbortSignal.timeout(this.#timeoutMs), ...(signal ? [signal] : [])];
    let response: Response;
    try {
      response = await fetch(this.#url + method, {
        method: "POST",
        headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
        body: JSON.stringify(args),
        signal: AbortSignal.any(signals),
      });
    } catch (error) {
      throw failure(error, signal ?? this.#closed.signal);
    }
    if (response.ok) return response;
    throw await refusal(response);
  }
}

function entryFrom<Type extends JsonEntry>(entry: Type): Omit<Type, "claim"> & Entry {
  return { ...entry, claim: BigInt(entry.claim) };
}

/** The server's text about a call that it refused. */
async function refusal(response: Response): Promise<Error> {
  const { code, message } = (await response.json().catch(() => ({}))) as Partial<JsonFailure>;
  if (code === "invalid_argument") return invalidArgument(message ?? "");
  return new MeshError(code ?? "unavailable", message ?? `the storage answered ${response.status}`);
}

function failure(error: unknown, signal: AbortSignal | undefined): Error {
  if (errorCode(error) !== undefined) return error as Error;
  if (signal?.aborted) return new MeshError("canceled", "the caller gave up", { cause: signal.reason });
  return new MeshError("unavailable", "the storage cannot be reached", { cause: error });
}
