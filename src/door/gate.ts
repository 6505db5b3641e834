import { about } from "../base/log/about.ts";
import { Addresses } from "./addresses.ts";
import { refuse, type UpgradeContext } from "./admission.ts";
import { checkHandshake } from "./handshake.ts";
import type { Limits } from "../base/limits.ts";
import type { Logger } from "../base/log/logger.ts";
import { isAllowedOrigin, type Origins } from "./origin.ts";
import { behindProxies, schemeBehindProxies, type TrustProxy } from "./proxy.ts";
import { Refused, type Visit } from "./refusal.ts";

/** Which upgrades a {@link Gate} lets through. */
export interface GateOptions {
  /** From which web pages a browser may connect; others are refused with 403. Default `"same-origin"`: pages of the host that the request asks for. */
  origins?: Origins;
  /** The proxies before this node whose word about the client's address and host is taken. Default 0: none. */
  trustProxy?: TrustProxy;
  /** Where to write. Default: warnings and errors to the console, one line each. */
  logger?: Logger;
}

/** Decides about an upgrade before the application sees it: handshake, origin, and room. */
export class Gate {
  readonly #origins: Origins;
  readonly #trustProxy: TrustProxy;
  readonly #addresses: Addresses;
  readonly #logger: Logger;

  constructor(options: GateOptions, limits: Readonly<Limits>, logger: Logger) {
    this.#origins = options.origins ?? "same-origin";
    this.#trustProxy = options.trustProxy ?? 0;
    this.#addresses = new Addresses(limits);
    this.#logger = logger;
  }

  /** The request as the client sent it: its URL has the scheme that the trusted proxies report. */
  asSent(request: Request): Request {
    const scheme = schemeBehindProxies(request.headers, this.#trustProxy);
    if (scheme === undefined || request.url.startsWith(scheme)) return request;
    return new Request(request.url.replace(/^\w+:/, scheme), request);
  }

  /** The facts about an upgrade request. */
  visit({ headers, url }: Request, { remoteAddress }: UpgradeContext): Visit {
    const forwarded = behindProxies(headers, remoteAddress, this.#trustProxy);
    const parsed = new URL(url);
    return {
      address: forwarded.address,
      origin: headers.get("origin") ?? undefined,
      url: parsed.pathname,
      host: forwarded.host ?? headers.get("host") ?? parsed.host,
    };
  }

  /** Refuses an upgrade, or counts it until {@link Gate.leave} and returns undefined. */
  enter(request: Request, visit: Visit, checkRoom: () => Refused | undefined): Refused | undefined {
    const handshake = checkHandshake(request);
    if (handshake) return new Refused("handshake", handshake);
    const refused = this.#checkOrigin(visit) ?? checkRoom();
    if (refused) return refused;
    if (this.#addresses.enter(visit.address, performance.now())) return undefined;
    return new Refused("address", refuse(429, "too many connections from this address", { "retry-after": "5" }));
  }

  leave(remoteAddress: string): void {
    this.#addresses.leave(remoteAddress);
  }

  #checkOrigin({ origin, host }: Visit): Refused | undefined {
    if (origin === undefined || isAllowedOrigin(origin, host, this.#origins)) return undefined;
    this.#logger.warn(
      `meshsocket: page ${origin} may not connect to ${host}: new Hub({ origins: [${
        JSON.stringify(origin)
      }] }) lets it`,
      about("page_refused", { origin }),
    );
    return new Refused("origin", refuse(403, `pages of ${origin} may not connect to ${host}`));
  }
}
