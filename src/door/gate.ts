import { Addresses } from "./addresses.ts";
import { checkHandshake, refuse, type UpgradeContext } from "./admission.ts";
import type { Limits } from "../base/limits.ts";
import { errorLogger, type Logger } from "../base/logger.ts";
import { isAllowedOrigin, type Origins } from "./origin.ts";
import { behindProxies, type Forwarded, type TrustProxy } from "./proxy.ts";

/** Which upgrades a {@link Gate} lets through. */
export interface GateOptions {
  /** From which web pages a browser may connect; others are refused with 403. Default `"same-origin"`: pages of the host that the request asks for. */
  origins?: Origins;
  /** The proxies before this node whose word about the client's address and host is taken. Default 0: none. */
  trustProxy?: TrustProxy;
  /** Where to write. Default: errors to the console, nothing else. */
  logger?: Logger;
}

/** What is decided about an upgrade before the application sees it: handshake, origin, and room. */
export class Gate {
  readonly #origins: Origins;
  readonly #trustProxy: TrustProxy;
  readonly #addresses: Addresses;
  readonly #logger: Logger;
  #warned = false;

  constructor(options: GateOptions, limits: Readonly<Limits>) {
    this.#origins = options.origins ?? "same-origin";
    this.#trustProxy = options.trustProxy ?? 0;
    this.#addresses = new Addresses(limits);
    this.#logger = options.logger ?? errorLogger;
  }

  /**
   * Lets an upgrade through and says from which address it comes, or refuses it.
   * Who was let through is counted until {@link Gate.leave}.
   */
  enter(request: Request, context: UpgradeContext, checkRoom: () => Response | undefined): Response | UpgradeContext {
    const forwarded = behindProxies(request.headers, context.remoteAddress, this.#trustProxy);
    const refusal = checkHandshake(request) ?? this.#checkOrigin(request, forwarded) ?? checkRoom();
    if (refusal) return refusal;
    const { address } = forwarded;
    if (this.#addresses.enter(address, performance.now())) return { ...context, remoteAddress: address };
    return refuse(429, "too many connections from this address", { "retry-after": "5" });
  }

  leave(remoteAddress: string): void {
    this.#addresses.leave(remoteAddress);
  }

  #checkOrigin(request: Request, forwarded: Forwarded): Response | undefined {
    const origin = request.headers.get("origin");
    if (origin === null) return undefined;
    const host = forwarded.host ?? request.headers.get("host") ?? new URL(request.url).host;
    if (isAllowedOrigin(origin, host, this.#origins)) return undefined;
    // Once: whoever connects could fill the log.
    if (!this.#warned) {
      this.#logger.warn(
        'meshsocket: a page of another origin was refused: the option "origins" lists those that may connect',
      );
    }
    this.#warned = true;
    return refuse(403, "pages of this origin may not connect");
  }
}
