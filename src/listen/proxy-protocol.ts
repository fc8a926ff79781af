// The header of the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt, 2.2 and newer), by which a balancer says
// where a connection comes from. Pure: bytes go in, a header comes out.
//
//   v1: PROXY TCP4 192.0.2.7 198.51.100.1 51234 993 CRLF       at most 107 octets (§2.1)
//   v2: signature (12) · version and command · family and transport · length (2) · addresses · TLVs (§2.2)
//
// What is decided is decided by the bytes from the start on, so any split of them leads to the same result.

import { canonicalAddress } from '../lib/network.ts';
import { crc32c } from './crc32c.ts';

export interface Endpoint {
  /** A canonical IP address, IPv4-mapped IPv6 as IPv4. */
  readonly address: string;
  readonly port: number;
}

export type ProxyHeader =
  | { readonly kind: 'proxied'; readonly source: Endpoint; readonly destination: Endpoint }
  /** LOCAL, UNKNOWN, or a family that tells no IP address: a health check, or a sender that does not know its client. */
  | { readonly kind: 'local' };

export type ProxyHeaderFault =
  /** The first octets are those of something else. */
  | 'missing'
  | 'malformed'
  /** Its CRC-32C is wrong. */
  | 'checksum';

export type ProxyHeaderResult =
  | { readonly kind: 'more' }
  /** `rest`: what came behind the header. */
  | { readonly kind: 'header'; readonly header: ProxyHeader; readonly rest: Buffer }
  | { readonly kind: 'refused'; readonly fault: ProxyHeaderFault };

const SIGNATURE_V1 = Buffer.from('PROXY ');
const SIGNATURE_V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Octets of a version 1 header, its CR LF included (§2.1). */
const MOST_V1 = 107;
/** Octets of a version 2 header up to its addresses. */
const FIXED_V2 = 16;
/** Octets of a version 2 header, TLVs included. They hold certificate names and the like; HAProxy's own are below 1 KiB. */
const MOST_V2 = 4096;
const TLV_CRC32C = 0x03;

const MORE: ProxyHeaderResult = { kind: 'more' };
const LOCAL: ProxyHeader = { kind: 'local' };

/** Takes the bytes of one connection as they come. After a result other than `more` it is done. */
export class ProxyHeaderParser {
  #bytes: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): ProxyHeaderResult {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    return parseProxyHeader(this.#bytes);
  }

  get isEmpty(): boolean {
    return this.#bytes.length === 0;
  }
}

/** Whether a connection begins with a header: `perhaps` until it has as many octets as tell. */
export function looksLikeProxyHeader(first: Buffer): 'yes' | 'no' | 'perhaps' {
  const signature = [SIGNATURE_V1, SIGNATURE_V2].find((each) => begins(first, each));
  if (signature === undefined) return 'no';
  return first.length < signature.length ? 'perhaps' : 'yes';
}

/** `bytes`: everything from the connection's start on. */
export function parseProxyHeader(bytes: Buffer): ProxyHeaderResult {
  if (begins(bytes, SIGNATURE_V2)) return bytes.length < FIXED_V2 ? MORE : version2(bytes);
  if (begins(bytes, SIGNATURE_V1)) return version1(bytes);
  return refused('missing');
}

function begins(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.compare(signature, 0, length, 0, length) === 0;
}

function refused(fault: ProxyHeaderFault): ProxyHeaderResult {
  return { kind: 'refused', fault };
}

const V1_LINE = /^PROXY (TCP[46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})$/;

function version1(bytes: Buffer): ProxyHeaderResult {
  const lf = bytes.subarray(0, MOST_V1).indexOf('\n');
  if (lf === -1) return bytes.length < MOST_V1 ? MORE : refused('malformed');
  const line = bytes.toString('latin1', 0, lf);
  if (!line.endsWith('\r')) return refused('malformed');
  const header = version1Line(line.slice(0, -1));
  return header === undefined
    ? refused('malformed')
    : { kind: 'header', header, rest: bytes.subarray(lf + 1) };
}

function version1Line(line: string): ProxyHeader | undefined {
  // The receiver must ignore anything behind UNKNOWN (§2.1).
  if (/^PROXY UNKNOWN( |$)/.test(line)) return LOCAL;
  const [, family, from = '', to = '', fromPort, toPort] = V1_LINE.exec(line) ?? [];
  if (family === undefined || [from, to].some((text) => text.includes(':') !== (family === 'TCP6')))
    return undefined;
  const source = endpoint(from, Number(fromPort));
  const destination = endpoint(to, Number(toPort));
  return source && destination && { kind: 'proxied', source, destination };
}

function endpoint(text: string, port: number): Endpoint | undefined {
  const address = canonicalAddress(text);
  return address === undefined || port > 65_535 ? undefined : { address, port };
}

/** Octets of the addresses by the high half of the 14th octet: AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX. */
const ADDRESS_OCTETS = [0, 12, 36, 216] as const;
const STREAM = 1;

function version2(bytes: Buffer): ProxyHeaderResult {
  const [version, command] = halves(bytes[12] as number);
  const [family, transport] = halves(bytes[13] as number);
  const addressOctets = ADDRESS_OCTETS[family];
  const length = FIXED_V2 + bytes.readUInt16BE(14);
  if (version !== 2 || command > 1 || addressOctets === undefined || transport > 2 || length > MOST_V2)
    return refused('malformed');
  if (bytes.length < length) return MORE;
  const rest = bytes.subarray(length);
  // LOCAL: the receiver must discard all the rest of the header (§2.2).
  if (command === 0) return { kind: 'header', header: LOCAL, rest };
  if (FIXED_V2 + addressOctets > length) return refused('malformed');
  // What TLVs begin behind is known for known families only.
  const fault = family === 0 ? undefined : tlvFault(bytes.subarray(0, length), FIXED_V2 + addressOctets);
  if (fault !== undefined) return refused(fault);
  const isTcp = transport === STREAM && (family === 1 || family === 2);
  const header = isTcp ? addresses(bytes.subarray(FIXED_V2, FIXED_V2 + addressOctets)) : LOCAL;
  return { kind: 'header', header, rest };
}

function halves(octet: number): [high: number, low: number] {
  return [octet >> 4, octet & 0x0f];
}

/** Source and destination address, source and destination port. */
function addresses(block: Buffer): ProxyHeader {
  const size = (block.length - 4) / 2;
  const at = (address: number, port: number): Endpoint => ({
    address: addressText(block.subarray(address, address + size)),
    port: block.readUInt16BE(port),
  });
  return { kind: 'proxied', source: at(0, 2 * size), destination: at(size, 2 * size + 2) };
}

function addressText(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.');
  const groups = Array.from({ length: 8 }, (_, group) => octets.readUInt16BE(2 * group).toString(16));
  return canonicalAddress(groups.join(':')) as string;
}

/** Type (1 octet), length (2), value. All are skipped but the checksum, which is over the header with itself as zeros. */
function tlvFault(header: Buffer, start: number): ProxyHeaderFault | undefined {
  let checksum: { readonly at: number; readonly value: number } | undefined;
  for (let at = start; at < header.length; ) {
    if (at + 3 > header.length) return 'malformed';
    const value = at + 3;
    const end = value + header.readUInt16BE(at + 1);
    if (end > header.length) return 'malformed';
    if (header[at] === TLV_CRC32C) {
      if (end - value !== 4 || checksum !== undefined) return 'malformed';
      checksum = { at: value, value: header.readUInt32BE(value) };
    }
    at = end;
  }
  if (checksum === undefined) return undefined;
  const zeroed = Buffer.from(header).fill(0, checksum.at, checksum.at + 4);
  return crc32c(zeroed) === checksum.value ? undefined : 'checksum';
}
