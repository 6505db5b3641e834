/** A new random name of 128 bits from the platform's secure generator: 22 characters of base64url (RFC 4648 section 5). */
export function randomId(): string {
  return nameOf(crypto.getRandomValues(new Uint8Array(16)));
}

/** 16 bytes as a name: 22 characters of base64url. */
export function nameOf(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").slice(0, 22);
}

/** Whether two texts, such as secrets, are the same. Takes the same time for every wrong one. */
export function isEqual(one: string, other: string): boolean {
  let different = one.length ^ other.length;
  for (let index = 0; index < other.length; index++) different |= one.charCodeAt(index) ^ other.charCodeAt(index);
  return different === 0;
}
