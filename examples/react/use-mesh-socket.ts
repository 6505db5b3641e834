import { useCallback, useEffect, useRef, useState } from "react";
import { connect, type ConnectOptions, type MeshWebSocket, type Sendable } from "../../client/index.ts";

/** A connection as a component sees it. */
export interface MeshSocket {
  /** `"away"`: what is sent now waits. `"closed"`: for good, with the reason in {@link MeshSocket.why}. */
  readonly state: "connecting" | "open" | "away" | "closed";
  readonly why: string;
  /** How often the server lost this client: messages may be missing since, so load again whatever depends on it. */
  readonly losses: number;
  /** Resolves once the server has the message. */
  readonly send: (message: Sendable) => Promise<void>;
  /** Undefined before the first effect: for `subscribe`, `publish` and `request`. */
  readonly socket: MeshWebSocket | undefined;
}

/**
 * Connects for as long as the component is shown, and to another URL when that changes.
 *
 * `onMessage` and `options` are read when they are needed: they may be another function or object at each render.
 */
export function useMeshSocket(
  url: string,
  onMessage: (message: string | Blob) => void,
  options: ConnectOptions = {},
): MeshSocket {
  const latest = useRef({ onMessage, options });
  latest.current = { onMessage, options };
  const [socket, setSocket] = useState<MeshWebSocket>();
  const [shown, setShown] = useState<Pick<MeshSocket, "state" | "why">>({ state: "connecting", why: "" });
  const [losses, setLosses] = useState(0);
  useEffect(() => {
    const ws = connect(url, latest.current.options);
    let isCurrent = true;
    const show = (state: MeshSocket["state"], why = ""): void => {
      if (isCurrent) setShown({ state, why });
    };
    ws.addEventListener("open", () => show("open"));
    ws.addEventListener("resumed", () => show("open"));
    ws.addEventListener("away", () => show("away"));
    ws.addEventListener("lost", () => setLosses((count) => count + (isCurrent ? 1 : 0)));
    ws.addEventListener("close", ({ code, reason }) => show("closed", `${code} ${reason}`.trim()));
    ws.addEventListener("message", ({ data }) => latest.current.onMessage(data as string | Blob));
    setSocket(ws);
    show("connecting");
    return () => {
      isCurrent = false;
      ws.close();
    };
  }, [url]);
  const send = useCallback(
    (message: Sendable) => socket?.confirm(message) ?? Promise.reject(new Error("not connected yet")),
    [socket],
  );
  return { ...shown, losses, send, socket };
}
