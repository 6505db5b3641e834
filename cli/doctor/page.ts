import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { type Diagnosis, note, ok, wrong } from "./diagnosis.ts";

/** Whether a page could connect to a WebSocket URL, through whatever proxies are before the nodes. */
export async function checkPage(text: string): Promise<Diagnosis> {
  const url = URL.parse(text.replace(/^ws/, "http"));
  if (!url || !/^https?:$/.test(url.protocol)) {
    return wrong("page", `${JSON.stringify(text)} is not a URL`, "write --page wss://example.com/ws");
  }
  const answer = await upgrade(url);
  if (typeof answer === "string") {
    return wrong("page", `${url.host} could not be reached: ${answer}`, "see that the proxy runs, and its certificate");
  }
  return judge(answer, url.host);
}

interface Answer {
  readonly status: number;
  readonly server: string;
}

function judge({ status, server }: Answer, host: string): Diagnosis {
  const by = server === "" ? "" : `, server: ${server}`;
  const text = `an upgrade of a page of ${host} was answered with ${status}${by}`;
  switch (status) {
    case 101:
      return ok("page", `a page of ${host} can open a WebSocket`);
    case 401:
      return ok("page", `${text}: it reaches the application, which wants the client to authenticate`);
    case 403:
      return wrong(
        "page",
        text,
        "pass the host on: proxy_set_header Host $host; and set trustProxy to the number of proxies",
      );
    case 400:
    case 404:
    case 426:
      return wrong(
        "page",
        text,
        "pass the upgrade on: proxy_http_version 1.1, Upgrade and Connection; and see the path",
      );
    case 429:
      return wrong("page", text, "all clients seem to come from the proxy: set trustProxy");
    case 502:
    case 503:
    case 504:
      return wrong("page", text, "the proxy does not reach a node that is ready: npx meshsocket nodes");
    default:
      return note("page", text, "see what session() refuses, and what the proxy does with this path");
  }
}

const TIMEOUT_MS = 5_000;

/** The answer to a handshake as a browser would make it, or why there is none. */
function upgrade(url: URL): Promise<Answer | string> {
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    origin: url.origin,
    "sec-websocket-version": "13",
    "sec-websocket-key": "ZG9jdG9yIG9mIG1lc2hzbw==",
  };
  return new Promise((resolve) => {
    const request = (url.protocol === "https:" ? requestHttps : requestHttp)(url, { headers, timeout: TIMEOUT_MS });
    const answered = (response: IncomingMessage): void => {
      resolve({ status: response.statusCode ?? 0, server: String(response.headers["server"] ?? "") });
      request.destroy();
    };
    request.on("response", answered);
    request.on("upgrade", (response, socket) => {
      socket.destroy();
      answered(response);
    });
    request.on("timeout", () => {
      resolve("no answer in 5 s");
      request.destroy();
    });
    request.on("error", (error: Error & { code?: string }) => resolve(error.code ?? error.message));
    request.end();
  });
}
