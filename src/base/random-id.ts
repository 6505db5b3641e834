/** A new random name of 128 bits from the platform's secure generator: 22 characters of base64url (RFC 4648 section 5). */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").slice(0, 22);
}
