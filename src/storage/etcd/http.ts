import {
  anything,
  checkFunction,
  checkOptions,
  checkText,
  defined,
  kindOf,
  type OptionTable,
} from "../../base/check/check.ts";
import { invalidArgument, MeshError } from "../../base/error.ts";
import { DEFAULT_LIMITS } from "../../base/limits.ts";
import { throwIfAborted, unlessCanceled } from "../abort.ts";
import { EtcdError, INVALID_ARGUMENT, lateAnswer, linesOf, noConnection, UNAUTHENTICATED } from "./errors.ts";
import { unexpected } from "./wire.ts";
import type { StorageCallOptions } from "../storage.ts";

/** Where an etcd is, and how to reach it. */
export interface EtcdConfig {
  /** Client addresses of one or more members, `https://…`, or `http://…` inside a private network. */
  endpoints: string | readonly string[];
  /** Together with `password`, where etcd's authentication is on. */
  username?: string;
  password?: string;
  /** Milliseconds that one request to one endpoint may take. Over it the next endpoint is tried. Default 1,000. */
  timeoutMs?: number;
  /** Sends the requests. Default: the runtime's own. Pass one for a private certificate authority or a client certificate. */
  fetch?: (url: string, init: EtcdRequestInit) => Promise<Response>;
}

/** A request as {@link EtcdConfig.fetch} gets it. */
export interface EtcdRequestInit extends RequestInit {
  headers: Record<string, string>;
  body: string;
}

/** How one request is made. */
export interface EtcdCallOptions extends StorageCallOptions {
  /** Do not send it to another endpoint when its fate is unknown. */
  once?: boolean;
}

const CONFIG: OptionTable<EtcdConfig> = {
  endpoints: anything,
  username: defined(checkText),
  password: defined(checkText),
  timeoutMs: anything,
  fetch: checkFunction,
};

const EXAMPLE = 'new EtcdStorage({ endpoints: "http://127.0.0.1:2379" })';

/** etcd's JSON gateway: endpoints one after another, a token, a deadline for each request, errors translated. */
export class EtcdHttp {
  readonly #endpoints: readonly string[];
  readonly #login: { name: string; password: string } | undefined;
  readonly #timeoutMs: number;
  readonly #fetch: NonNullable<EtcdConfig["fetch"]>;
  /** The endpoint that answered last. */
  #current = 0;
  #token: Promise<string> | undefined;
  #closed = false;

  constructor(config: EtcdConfig) {
    const given: unknown = config;
    if (typeof given !== "object" || given === null) {
      throw invalidArgument(`an EtcdStorage needs { endpoints }, not ${kindOf(given)}: write ${EXAMPLE}`);
    }
    checkOptions<EtcdConfig>("config", config, CONFIG);
    this.#endpoints = endpointsOf(config.endpoints);
    const { username, password } = config;
    if ((username === undefined) !== (password === undefined)) {
      throw invalidArgument("username and password of an EtcdStorage go together");
    }
    this.#login = username === undefined || password === undefined ? undefined : { name: username, password };
    const timeoutMs: unknown = config.timeoutMs ?? DEFAULT_LIMITS.storageTimeoutMs;
    if (!(typeof timeoutMs === "number" && timeoutMs > 0 && timeoutMs <= 0x7fff_ffff)) {
      throw invalidArgument("timeoutMs of an EtcdStorage must be a number of milliseconds over 0");
    }
    this.#timeoutMs = timeoutMs;
    this.#fetch = config.fetch ?? ((url, init) => fetch(url, init));
  }

  close(): void {
    this.#closed = true;
  }

  /** Posts JSON, or several lines of it, and answers the lines that came back. Rejects with {@link EtcdError}. */
  async post(path: string, lines: readonly unknown[], options: EtcdCallOptions = {}): Promise<unknown[]> {
    if (this.#closed) throw new MeshError("failed_precondition", "this storage is closed");
    throwIfAborted(options.signal);
    const body = lines.map((line) => JSON.stringify(line)).join("\n");
    const attempts = options.once ? 1 : this.#endpoints.length;
    for (let attempt = 1;; attempt++) {
      const tried = this.#current;
      try {
        return await this.#authorized(tried, path, body, options.signal);
      } catch (error) {
        throwIfAborted(options.signal);
        if (!(error instanceof EtcdError) || !error.passing) throw error;
        if (this.#current === tried) this.#current = (tried + 1) % this.#endpoints.length;
        if (attempt >= attempts) throw error;
      }
    }
  }

  async #authorized(endpoint: number, path: string, body: string, signal?: AbortSignal): Promise<unknown[]> {
    if (this.#login === undefined) return await this.#send(endpoint, path, body, undefined, signal);
    const token = this.#tokenFrom(endpoint);
    try {
      return await this.#send(endpoint, path, body, await unlessCanceled(token, signal), signal);
    } catch (error) {
      if (!(error instanceof EtcdError) || !isStaleToken(error)) throw error;
      // It was refused before it could do anything: sending it again is safe.
      if (this.#token === token) this.#token = undefined;
      return await this.#send(endpoint, path, body, await unlessCanceled(this.#tokenFrom(endpoint), signal), signal);
    }
  }

  #tokenFrom(endpoint: number): Promise<string> {
    const token = (this.#token ??= this.#authenticate(endpoint));
    token.catch(() => {
      if (this.#token === token) this.#token = undefined;
    });
    return token;
  }

  /** An endpoint as error texts name it. */
  #hostOf(endpoint: number): string {
    return URL.parse(this.#endpoints[endpoint] ?? "")?.host ?? "";
  }

  async #authenticate(endpoint: number): Promise<string> {
    const [answer] = await this.#send(endpoint, "/v3/auth/authenticate", JSON.stringify(this.#login));
    const token = (answer as { token?: unknown }).token;
    if (typeof token !== "string") throw unexpected();
    return token;
  }

  async #send(
    endpoint: number,
    path: string,
    body: string,
    token?: string,
    signal?: AbortSignal,
  ): Promise<unknown[]> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (token !== undefined) headers["authorization"] = token;
    let text: string;
    let ok: boolean;
    try {
      const response = await this.#fetch(`${this.#endpoints[endpoint]}${path}`, {
        method: "POST",
        headers,
        body,
        redirect: "error",
        signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
      });
      ok = response.ok;
      text = await response.text();
    } catch (error) {
      if (timeout.aborted) {
        throw lateAnswer(this.#hostOf(endpoint), this.#timeoutMs, timeout.reason);
      }
      throw noConnection(this.#hostOf(endpoint), error);
    }
    return linesOf(text, ok, this.#hostOf(endpoint));
  }
}

function endpointsOf(given: string | readonly string[]): string[] {
  const endpoints: readonly unknown[] = typeof given === "string" ? [given] : Array.isArray(given) ? given : [];
  if (endpoints.length > 0 && endpoints.every(isEndpoint)) return endpoints.map((url) => url.replace(/\/+$/, ""));
  const missing = given === undefined ? ", not undefined. Is an environment variable missing?" : ".";
  throw invalidArgument(
    `the endpoints of an EtcdStorage must begin with https:// or http://, and name no user${missing} Write ${EXAMPLE}`,
  );
}

function isEndpoint(url: unknown): url is string {
  return typeof url === "string" && /^https?:\/\/[^\s@?#]+$/.test(url) && URL.canParse(url);
}

/** Tokens end after a time, and whenever etcd's users or roles change. */
function isStaleToken({ status, cause }: EtcdError): boolean {
  return status === UNAUTHENTICATED || (status === INVALID_ARGUMENT && /auth store is old/.test(String(cause)));
}
