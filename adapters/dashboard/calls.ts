import { HttpError } from "../shared/http-error.ts";
import type { ClusterCaller } from "./cluster-caller.ts";
import { jsonLines } from "./json-lines.ts";

/** The questions and the actions of the page, each by one call of the Cluster service. */
export class DashboardCalls {
  readonly #caller: ClusterCaller;

  constructor(caller: ClusterCaller) {
    this.#caller = caller;
  }

  /** Whether a call changes something. */
  static isChange(name: string): boolean {
    return ["emit", "publish", "disconnect"].includes(name);
  }

  async run(name: string, query: URLSearchParams, body: Readonly<Record<string, unknown>>): Promise<unknown> {
    const request = requestOf(name, query, body);
    return await this.#caller.call(request.rpc, (client, options): Promise<unknown> => {
      switch (request.rpc) {
        case "nodes":
          return client.nodes({ state: true }, options);
        case "clients":
          return client.clients(request.page, options);
        case "topics":
          return client.topics(request.page, options);
        case "why":
          return client.why({ subject: request.subject }, options);
        case "emit":
          return client.emit(request, options);
        case "publish":
          return client.publish(request, options);
        default:
          return client.disconnect({ id: request.id, code: 4000, reason: "closed from the dashboard" }, options);
      }
    });
  }

  /** The messages of a tap as lines of JSON, until their reader leaves or the signal is aborted. Rejects if it cannot begin. */
  async tap(query: URLSearchParams, signal: AbortSignal): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const request = { subject: subjectOf(query), payloads: query.get("payloads") === "true", perSecond: 50 };
    const gone = new AbortController();
    const ends = AbortSignal.any([signal, gone.signal]);
    const messages = this.#caller.stream("tap", (client) => client.tap(request, { signal: ends }), ends);
    return jsonLines(messages, await messages.next(), gone);
  }
}

type Subject = { readonly case: "id" | "topic"; readonly value: string };
type Page = { readonly search: string; readonly after: string; readonly limit: number };
type DashboardRequest =
  | { readonly rpc: "nodes" }
  | { readonly rpc: "clients" | "topics"; readonly page: Page }
  | { readonly rpc: "why"; readonly subject: Subject }
  | { readonly rpc: "emit"; readonly id: string; readonly data: Uint8Array<ArrayBuffer> }
  | { readonly rpc: "publish"; readonly topic: string; readonly data: Uint8Array<ArrayBuffer> }
  | { readonly rpc: "disconnect"; readonly id: string };

/** A call of the page, checked. Throws an {@link HttpError} for one that there is not, or that lacks something. */
function requestOf(
  name: string,
  query: URLSearchParams,
  body: Readonly<Record<string, unknown>>,
): DashboardRequest {
  switch (name) {
    case "state":
      return { rpc: "nodes" };
    case "clients":
    case "topics":
      return { rpc: name, page: pageOf(query) };
    case "why":
      return { rpc: name, subject: subjectOf(query) };
    case "emit":
      return { rpc: name, id: textOf(body, "id"), data: bytesOf(body) };
    case "publish":
      return { rpc: name, topic: textOf(body, "topic"), data: bytesOf(body) };
    case "disconnect":
      return { rpc: name, id: textOf(body, "id") };
    default:
      throw new HttpError(404, "the dashboard has no such call");
  }
}

function pageOf(query: URLSearchParams): Page {
  return { search: query.get("search") ?? "", after: query.get("after") ?? "", limit: 25 };
}

function subjectOf(query: URLSearchParams): Subject {
  const [id, topic] = [query.get("id"), query.get("topic")];
  if (id !== null) return { case: "id", value: id };
  if (topic !== null) return { case: "topic", value: topic };
  throw new HttpError(400, "id or topic is missing");
}

function textOf(body: Readonly<Record<string, unknown>>, name: string): string {
  const text = body[name];
  if (typeof text === "string") return text;
  throw new HttpError(400, `${name} must be a string`);
}

function bytesOf(body: Readonly<Record<string, unknown>>): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(textOf(body, "message"));
}
