import type { ServerResponse } from "node:http";
import type { ClusterCaller } from "../cluster-caller.ts";
import { HttpError } from "../http.ts";
import { plain } from "../output.ts";

/** The questions and the actions of the page, each by one call of the Cluster service. */
export class DashboardCalls {
  readonly #connection: ClusterCaller;

  constructor(connection: ClusterCaller) {
    this.#connection = connection;
  }

  /** Whether a call changes something. */
  isChange(name: string): boolean {
    return ["emit", "publish", "disconnect"].includes(name);
  }

  async run(name: string, query: URLSearchParams, body: unknown): Promise<unknown> {
    const answer = await this.#run(name, query, (body ?? {}) as Readonly<Record<string, unknown>>);
    return JSON.parse(JSON.stringify(answer, plain)) as unknown;
  }

  async #run(name: string, query: URLSearchParams, body: Readonly<Record<string, unknown>>): Promise<unknown> {
    const connection = this.#connection;
    switch (name) {
      case "state":
        return await connection.call("nodes", (client, options) => client.nodes({ state: true }, options));
      case "clients":
        return await connection.call("clients", (client, options) => client.clients(pageOf(query), options));
      case "topics":
        return await connection.call("topics", (client, options) => client.topics(pageOf(query), options));
      case "why":
        return await connection.call("why", (client, options) => client.why({ subject: subjectOf(query) }, options));
      case "emit":
        return await connection.call(
          "emit",
          (client, options) => client.emit({ id: textOf(body, "id"), data: bytesOf(body) }, options),
        );
      case "publish":
        return await connection.call(
          "publish",
          (client, options) => client.publish({ topic: textOf(body, "topic"), data: bytesOf(body) }, options),
        );
      case "disconnect":
        return await connection.call(
          "disconnect",
          (client, options) =>
            client.disconnect({ id: textOf(body, "id"), code: 4000, reason: "closed from the dashboard" }, options),
        );
      default:
        throw new HttpError(404, "the dashboard has no such call");
    }
  }

  /** Writes each message of a tap as a line of JSON, until the page leaves. */
  async tap(query: URLSearchParams, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    const request = { subject: subjectOf(query), payloads: query.get("payloads") === "true", perSecond: 50 };
    const messages = this.#connection.stream(
      "tap",
      (client) => client.tap(request, { signal: gone.signal }),
      gone.signal,
    );
    for await (const message of messages) {
      if (!response.headersSent) {
        response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
      }
      response.write(`${JSON.stringify(message, plain)}\n`);
    }
    response.end();
  }
}

function pageOf(query: URLSearchParams): { search: string; after: string; limit: number } {
  return { search: query.get("search") ?? "", after: query.get("after") ?? "", limit: 25 };
}

function subjectOf(query: URLSearchParams): { case: "id" | "topic"; value: string } {
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
