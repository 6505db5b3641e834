/** Whether a header that is a list (RFC 9110 section 5.6.1) has a token, in lower case here and in any case there. */
export function listsToken(header: string | null, token: string): boolean {
  if (header === null) return false;
  const list = header.toLowerCase();
  return list === token || list.split(",").some((part) => part.trim() === token);
}
