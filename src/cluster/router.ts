import { Counters } from "../base/counters/counters.ts";
import { BoundedMap } from "../base/bounded-map.ts";
import { Batcher } from "../base/batcher.ts";
import { MeshError } from "../base/error.ts";
import type { Recorder } from "../base/watch/recorder.ts";
import { type Answer, Status } from "../gen/meshsocket/node/v1/node_pb.ts";
import type { SizedItem } from "../link/items.ts";
import { type Caller, OTHER_LIFE } from "../link/send-window.ts";
import type { Links } from "../link/links.ts";
import type { Entry, Holder, Storage } from "../storage/storage.ts";

const LOOK_UPS_IN_FLIGHT = 4;
/** Milliseconds until a node is called again that does not know yet from where a client comes. */
const AGAIN_MS = 20;
/** How often a call may go to and fro between the two nodes of a client that moves. */
const MAX_RETURNS = 32;

/**
 * Finds the node that holds an id and hands calls on to it.
 *
 * The storage is asked once per id and the answer remembered; the owner itself says when it went stale, and only then
 * the storage is asked again, once. Calls to one id leave in the order they were made, also while a look-up is under way.
 */
export class Router {
  readonly #deps: RouterDependencies;
  readonly #counters: Counters;
  readonly #lookUps: Batcher<string, Entry | undefined>;
  /** In the order of their look-up. */
  readonly #routes: BoundedMap<string, Entry>;
  readonly #waiting = new Map<string, LookUp>();

  constructor(deps: RouterDependencies) {
    this.#deps = deps;
    this.#counters = deps.counters ?? new Counters();
    this.#routes = new BoundedMap(deps.maxRoutes);
    const ask = (ids: string[]): Promise<(Entry | undefined)[]> => {
      for (const id of ids) {
        const lookUp = this.#waiting.get(id);
        if (lookUp) lookUp.asked = true;
      }
      return deps.storage.get(ids);
    };
    this.#lookUps = new Batcher(ask, { maxInFlight: LOOK_UPS_IN_FLIGHT });
  }

  /** Calls the owner of an id; undefined if nobody has it. Rejects if that is unknown. */
  call(id: string, item: SizedItem, deadlineMs: number): Promise<Answer | undefined> {
    return new Promise((done, fail) => {
      const call = new RoutedCall(this, id, item, deadlineMs, { done, fail });
      const route = this.#waiting.has(id) ? undefined : this.#routes.get(id);
      if (route) {
        this.#counters.routeHits++;
        this.#send(call, route);
      } else this.#wait(call);
    });
  }

  /** Forgets every route to a life that ended. */
  forgetLife(life: string): void {
    for (const [id, route] of this.#routes) if (route.life === life) this.#forget(id);
  }

  #wait(call: RoutedCall): void {
    const lookUp = this.#waiting.get(call.id);
    if (lookUp) {
      (lookUp.asked ? lookUp.late : lookUp.calls).push(call);
      return;
    }
    this.#counters.routeLookUps++;
    this.#waiting.set(call.id, { calls: [call], asked: false, late: [] });
    this.#lookUps.add(call.id).then(
      (entry) => this.#found(call.id, entry),
      (error: unknown) => this.#notFound(call.id, error),
    );
  }

  #found(id: string, entry: Entry | undefined): void {
    const lookUp = this.#take(id);
    if (entry) this.#remember(id, entry);
    for (const call of lookUp.calls) {
      if (entry) this.#sendFound(call, entry);
      else call.done(undefined);
    }
    // A route is good for the late ones as well; that there is none may have changed since the storage looked.
    for (const call of lookUp.late) {
      if (entry) this.#sendFound(call, entry);
      else this.#wait(call);
    }
  }

  #notFound(id: string, error: unknown): void {
    const lookUp = this.#take(id);
    const why = error instanceof MeshError
      ? error
      : new MeshError("unavailable", "the storage failed", { cause: error });
    for (const call of [...lookUp.calls, ...lookUp.late]) call.fail(why);
  }

  /** A call ended without its client. */
  missed(call: RoutedCall, error: unknown): void {
    const verb = call.item.item.kind.case ?? "send";
    if (verb === "online") return;
    const { recorder } = this.#deps;
    if (!recorder) return;
    if (error === undefined) recorder.record("nobody", call, `${verb} found nobody with the id`);
    else {recorder.record(
        "failed",
        call,
        `${verb} failed: ${error instanceof MeshError ? error.message : "see the log"}`,
      );}
  }

  #take(id: string): LookUp {
    const lookUp = this.#waiting.get(id);
    this.#waiting.delete(id);
    return lookUp ?? { calls: [], asked: true, late: [] };
  }

  #remember(id: string, entry: Entry): void {
    this.#routes.set(id, entry);
    this.#counters.routesNow = this.#routes.size;
  }

  #forget(id: string): void {
    this.#routes.delete(id);
    this.#counters.routesNow = this.#routes.size;
  }

  #sendFound(call: RoutedCall, entry: Entry): void {
    const { tried } = call;
    // The node that cannot be reached still holds the id: asking it again would end the same way.
    if (tried?.error !== undefined && tried.route.life === entry.life) call.fail(tried.error);
    else this.#send(call, entry);
  }

  #send(call: RoutedCall, route: Entry): void {
    call.route = route;
    this.#deps.links.start(route, call.item, call.deadlineMs, call);
  }

  /** The node that a call was sent to answered. */
  answered(call: RoutedCall, answer: Answer): void {
    if (answer === OTHER_LIFE) this.#stale(call, otherNode(call.route?.host ?? ""));
    else if (answer.status === Status.MOVING && answer.old) this.#toOldNode(call, answer.old);
    else if (answer.status === Status.MOVING) this.#again(call);
    else if (answer.status === Status.NOT_HERE) this.#stale(call, undefined);
    else call.done(answer);
  }

  /** The node that a call was sent to could not be reached, or did not answer. */
  failed(call: RoutedCall, error: unknown): void {
    const neverSent = error instanceof MeshError && error.code === "unavailable";
    if (neverSent) this.#stale(call, error);
    else call.fail(error);
  }

  /** The client is on its way to the node that was called. Should the old one not have it any more, the new one has it. */
  #toOldNode(call: RoutedCall, { host, life }: Holder): void {
    if (call.returns++ < MAX_RETURNS) this.#send(call, { host, life, claim: 0n });
    else call.fail(new MeshError("unavailable", "the client moves between two nodes, and neither took the message"));
  }

  /** The client is on its way to the node that was called, which does not know yet from where: calls it again soon. */
  #again(call: RoutedCall): void {
    const { deadlineMs, route } = call;
    if (route === undefined || performance.now() + AGAIN_MS > deadlineMs) {
      call.fail(new MeshError("unavailable", "the client is on its way from a node that is looked for: try again"));
    } else setTimeout(() => this.#send(call, route), AGAIN_MS);
  }

  /** The route was wrong: takes the newer one that another call has found since, or asks the storage again, once for each call. */
  #stale(call: RoutedCall, error: unknown): void {
    const { route } = call;
    if (!route) return;
    this.#counters.routesStale++;
    const known = this.#routes.get(call.id);
    if (known && known.claim > route.claim && !this.#waiting.has(call.id)) {
      this.#send(call, known);
      return;
    }
    if (known === route) this.#forget(call.id);
    if (!call.tried) {
      call.tried = { route, error };
      this.#wait(call);
    } else if (error !== undefined) call.fail(error);
    else call.done(undefined);
  }
}

/** If the storage still names the node afterwards, nobody knows whether the client is there. */
function otherNode(host: string): MeshError {
  const text = `another node answers at ${host} than the storage names: give each node its own address`;
  return new MeshError("unavailable", text);
}

/** Dependencies of {@link Router}. */
export interface RouterDependencies {
  storage: Storage;
  /** Hears of calls that ended without their client; left out by a sender that is not a node. */
  recorder?: Recorder;
  maxRoutes: number;
  counters?: Counters | undefined;
  links: Pick<Links, "start">;
}

/** A call on its way to the owner of its id: the caller at each node that it is sent to. */
class RoutedCall implements Caller {
  readonly id: string;
  readonly item: SizedItem;
  readonly deadlineMs: number;
  /** The node that it was sent to last. */
  route: Entry | undefined = undefined;
  /** How often it was sent to the old node of a client that moves. */
  returns = 0;
  /** The route that turned out wrong, and how. */
  tried: { route: Entry; error: unknown } | undefined = undefined;
  readonly #router: Router;
  readonly #ends: Ends;

  constructor(router: Router, id: string, item: SizedItem, deadlineMs: number, ends: Ends) {
    this.#router = router;
    this.id = id;
    this.item = item;
    this.deadlineMs = deadlineMs;
    this.#ends = ends;
  }

  /** Settles the call: with undefined if nobody has the id. */
  done(answer: Answer | undefined): void {
    if (answer === undefined) this.#router.missed(this, undefined);
    this.#ends.done(answer);
  }

  fail(error: unknown): void {
    this.#router.missed(this, error);
    this.#ends.fail(error);
  }

  resolve(answer: Answer): void {
    this.#router.answered(this, answer);
  }

  reject(error: unknown): void {
    this.#router.failed(this, error);
  }
}

/** The promise of a call. */
interface Ends {
  readonly done: (answer: Answer | undefined) => void;
  readonly fail: (error: unknown) => void;
}

/** The calls that wait for one look-up of their id. */
interface LookUp {
  calls: RoutedCall[];
  /** The storage was asked: an id may have been claimed after it looked, so later calls wait for another look. */
  asked: boolean;
  late: RoutedCall[];
}
