const TEXT = 0x81;
const BINARY = 0x82;

/** How many bytes the header of a frame has that carries so many of a message: unmasked, as a server sends it (RFC 6455 section 5.2). */
export function headerBytes(messageBytes: number): number {
  if (messageBytes < 126) return 2;
  return messageBytes < 65_536 ? 4 : 10;
}

/** Writes the header of a whole message; returns where the message goes. */
export function writeHeader(into: Uint8Array, at: number, binary: boolean, messageBytes: number): number {
  into[at] = binary ? BINARY : TEXT;
  if (messageBytes < 126) {
    into[at + 1] = messageBytes;
    return at + 2;
  }
  const view = new DataView(into.buffer, into.byteOffset + at);
  if (messageBytes < 65_536) {
    view.setUint8(1, 126);
    view.setUint16(2, messageBytes);
    return at + 4;
  }
  view.setUint8(1, 127);
  view.setBigUint64(2, BigInt(messageBytes));
  return at + 10;
}
