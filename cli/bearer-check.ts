import { createHash, timingSafeEqual } from "node:crypto";

/** Says whether an `Authorization` header carries this bearer token. Takes the same time for every wrong one. */
export function bearerCheck(token: string): (authorization: string | null | undefined) => boolean {
  const expected = digest(`Bearer ${token}`);
  return (authorization) => timingSafeEqual(digest(authorization ?? ""), expected);
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
