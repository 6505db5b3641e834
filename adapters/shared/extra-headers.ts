import type { Admission } from "../../src/door/admission.ts";

/** The handshake's own headers, which are not the application's to set. */
const RESERVED = /^(?:connection|upgrade|content-length|transfer-encoding|sec-websocket-.*)$/;

/** The headers that an application adds to the 101. */
export function extraHeaders(admission: Admission): [string, string][] {
  return [...admission.headers].filter(([name]) => !RESERVED.test(name));
}
