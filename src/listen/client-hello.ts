// Whether a client's ClientHello (RFC 8446 §4.1.2) has come whole: until then it has said nothing that would cost more than silence. Pure.
//
//   record: type 22 · version 3.x · length (2) · fragment           RFC 8446 §5.1; one message may lie in several
//   handshake: type 1 · length (3) · body                           §4
//
// What is decided is decided by the bytes from the start on, so any split of them leads to the same result.

/** Octets of a ClientHello with its records' headers that are waited for; one with post-quantum keys has 2,000. */
export const MOST_HELLO = 16_384;
/** Records that it may lie in; clients use one, or a few. All are gone through anew with each piece that comes. */
export const MOST_RECORDS = 512;

const HANDSHAKE = 0x16;
const CLIENT_HELLO = 0x01;
const RECORD_HEADER = 5;
const HANDSHAKE_HEADER = 4;

/** `none`: it is something else, or longer, which OpenSSL may judge. `bytes`: everything from the connection's start on. */
export function helloIn(bytes: Buffer): 'more' | 'whole' | 'none' {
  const header: number[] = [];
  /** Octets of the handshake that have come. */
  let come = 0;
  let records = 0;
  for (let at = 0; at < bytes.length; ) {
    if (++records > MOST_RECORDS) return 'none';
    if (bytes[at] !== HANDSHAKE || (at + 1 < bytes.length && bytes[at + 1] !== 3)) return 'none';
    if (at + RECORD_HEADER > bytes.length) break;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0) return 'none';
    at += RECORD_HEADER;
    const end = Math.min(at + length, bytes.length);
    for (let i = at; i < end && header.length < HANDSHAKE_HEADER; i++) header.push(bytes[i] as number);
    if (header.length > 0 && header[0] !== CLIENT_HELLO) return 'none';
    come += end - at;
    at += length;
    const [, high, middle, low] = header;
    if (low === undefined) continue;
    const total = HANDSHAKE_HEADER + ((high as number) << 16) + ((middle as number) << 8) + low;
    if (come >= total) return 'whole';
    if (total > MOST_HELLO) return 'none';
  }
  return bytes.length < MOST_HELLO ? 'more' : 'none';
}
