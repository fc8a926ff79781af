// BER as LDAP uses it (RFC 4511 §5.1; X.690): definite lengths of at most four octets, tags of one octet, strings primitive. Pure,
// and bounded: nothing is allocated by a declared length, nothing recurses, nothing throws at bytes that a peer sent.
//
// Lengths may be longer than they need be (Windows writes 84 00 00 00 05), tags may not.

/** Tags of universal types. */
export const BER = {
  boolean: 0x01,
  integer: 0x02,
  octetString: 0x04,
  enumerated: 0x0a,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: its tag, and where it lies in the bytes that it was read from. */
export interface Element {
  readonly tag: number;
  /** Of its tag. */
  readonly at: number;
  /** Of its contents. */
  readonly start: number;
  /** Behind its contents. */
  readonly end: number;
}

/** Stands for a number that is well-formed and not one that LDAP has: negative, or over 2³¹ − 1 (maxInt, RFC 4511 §4.1.1). */
export const OUT_OF_RANGE = -1;

/** The most octets that tag and length take. */
export const MAX_HEADER = 6;

/** Octets of the length field at `at`, from its first octet; undefined if that is indefinite, or longer than four octets. */
export function lengthOctets(first: number): number | undefined {
  if (first < 0x80) return 1;
  return first > 0x80 && first <= 0x84 ? 1 + (first & 0x7f) : undefined;
}

/** The length that the `octets` octets at `at` say. */
export function lengthAt(bytes: Uint8Array, at: number, octets: number): number {
  const first = bytes[at] as number;
  if (octets === 1) return first;
  let length = 0;
  for (let n = 1; n < octets; n++) length = length * 256 + (bytes[at + n] as number);
  return length;
}

/** Reads elements one after the other between two places. Each method gives undefined for what is not there as it should be. */
export class BerReader {
  readonly bytes: Buffer;
  readonly end: number;
  #at: number;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.#at = start;
    this.end = end;
  }

  get atEnd(): boolean {
    return this.#at >= this.end;
  }

  /** The tag of the next element. */
  get tag(): number | undefined {
    return this.atEnd ? undefined : this.bytes[this.#at];
  }

  /** The next element, whole; with `tag`, only if it has that. */
  element(tag?: number): Element | undefined {
    const { bytes, end } = this;
    const at = this.#at;
    if (at + 2 > end) return undefined;
    const found = bytes[at] as number;
    if ((found & 0x1f) === 0x1f || (tag !== undefined && found !== tag)) return undefined;
    const octets = lengthOctets(bytes[at + 1] as number);
    if (octets === undefined) return undefined;
    const start = at + 1 + octets;
    if (start > end) return undefined;
    const length = lengthAt(bytes, at + 1, octets);
    if (length > end - start) return undefined;
    this.#at = start + length;
    return { tag: found, at, start, end: start + length };
  }

  /** A reader of what the next element holds. */
  inside(tag: number): BerReader | undefined {
    const element = this.element(tag);
    return element && new BerReader(this.bytes, element.start, element.end);
  }

  /** The contents of the next element: a view, not a copy. */
  octets(tag: number = BER.octetString): Buffer | undefined {
    const element = this.element(tag);
    return element && this.bytes.subarray(element.start, element.end);
  }

  /** A number from 0 to 2³¹ − 1, of at most four octets. */
  unsigned(tag: number = BER.integer): number | undefined {
    const octets = this.octets(tag);
    return octets && unsignedOf(octets);
  }

  /** The same, with OUT_OF_RANGE for every other number. */
  number(tag: number = BER.integer): number | undefined {
    const octets = this.octets(tag);
    if (octets === undefined || octets.length === 0) return undefined;
    return unsignedOf(octets) ?? OUT_OF_RANGE;
  }

  boolean(tag: number = BER.boolean): boolean | undefined {
    const octets = this.octets(tag);
    return octets?.length === 1 ? octets[0] !== 0 : undefined;
  }
}

/** INTEGER contents as a number from 0 to 2³¹ − 1; undefined for others, and for more than four octets. */
export function unsignedOf(octets: Uint8Array): number | undefined {
  if (octets.length === 0 || octets.length > 4 || (octets[0] as number) >= 0x80) return undefined;
  let value = 0;
  for (const octet of octets) value = value * 256 + octet;
  return value;
}

/** An element of these contents, which are joined. Text is written as UTF-8. */
export function encode(tag: number, ...contents: readonly (Uint8Array | string)[]): Buffer {
  const parts = contents.map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([encodeHeader(tag, length), ...parts]);
}

/** Tag and length alone. */
export function encodeHeader(tag: number, length: number): Buffer {
  if (length < 0x80) return Buffer.of(tag, length);
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Buffer.of(tag, 0x80 | octets.length, ...octets);
}

/** An INTEGER (or, by its tag, an ENUMERATED) from 0 to 2³¹ − 1. */
export function encodeUnsigned(value: number, tag: number = BER.integer): Buffer {
  const octets: number[] = [];
  let rest = value;
  do {
    octets.unshift(rest & 0xff);
    rest >>>= 8;
  } while (rest > 0);
  // A first bit that is set would say that it is negative.
  if ((octets[0] as number) >= 0x80) octets.unshift(0);
  return encode(tag, Uint8Array.from(octets));
}

export function encodeBoolean(value: boolean): Buffer {
  return Buffer.of(BER.boolean, 1, value ? 0xff : 0);
}
