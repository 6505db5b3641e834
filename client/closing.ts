/** Codes that say that the server does not want this client. */
export function isRefusal(code: number): boolean {
  return code === 1008 || code === 3000 || code === 3008 || (code >= 4400 && code <= 4499);
}

/** The pause that a close reason asks for. */
export function hintOf(reason: string): number | undefined {
  const [, milliseconds] = /^\{"retryAfterMs":(\d{1,9})\}$/.exec(reason) ?? [];
  return milliseconds === undefined ? undefined : Number(milliseconds);
}
