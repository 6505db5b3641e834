/** JSON of messages: a big number becomes a number, bytes become base64, and what is only for the library is left out. */
export function plain(name: string, value: unknown): unknown {
  if (name === "$typeName" || name === "$unknown") return undefined;
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint8Array) return btoa(Array.from(value, (byte) => String.fromCharCode(byte)).join(""));
  return value;
}
