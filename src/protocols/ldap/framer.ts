// Cuts a stream of bytes into LDAP messages (RFC 4511 §5.1: each is a BER SEQUENCE of definite length), whatever way they were
// split. A declared length is checked before anything is kept for it; a message that lies in one chunk is a view of that chunk,
// and another is copied once.

import { BER, lengthAt, lengthOctets, MAX_HEADER } from './ber.ts';

/** Octets of a message before Bind: many times a Bind, and little enough that every stranger that may connect can send as much. */
export const MOST_BEFORE_BIND = 65_536;

/** Octets of a message before TLS, where there is nothing to do but to turn it on and to read the root DSE. */
export const MOST_IN_CLEAR = 16_384;

/** Why there are no more messages, for ever: what comes is no SEQUENCE of definite length, or is longer than may be. */
export type FramingError = 'malformed' | 'too-large';

export class Framer {
  /** The most octets that a message may have, with its header. May be changed between messages. */
  limit: number;
  #error: FramingError | undefined;
  /** What was not given yet, oldest first; `#offset` octets of the first one were. */
  #chunks: Buffer[] = [];
  #offset = 0;
  #unread = 0;
  /** Octets of the message that is coming, 0: not known yet. */
  #total = 0;

  constructor(limit: number = MOST_BEFORE_BIND) {
    this.limit = limit;
  }

  /** Octets that were pushed and not given yet. */
  get unread(): number {
    return this.#unread;
  }

  push(chunk: Buffer): void {
    if (this.#error !== undefined || chunk.length === 0) return;
    this.#unread += chunk.length;
    // Joined with those before it that are no longer: an octet is copied a few times at most, however small the chunks are, and
    // they stay few.
    let last = chunk;
    for (let before = this.#chunks.at(-1); before !== undefined && before.length <= last.length; ) {
      this.#chunks.pop();
      const isFirst = this.#chunks.length === 0;
      last = Buffer.concat([isFirst ? before.subarray(this.#offset) : before, last]);
      if (isFirst) this.#offset = 0;
      before = this.#chunks.at(-1);
    }
    this.#chunks.push(last);
  }

  /** The next message, whole; undefined: more bytes are needed. After an error it is that error each time. */
  next(): Buffer | FramingError | undefined {
    if (this.#error !== undefined) return this.#error;
    if (this.#total === 0) this.#error = this.#readHeader();
    if (this.#error !== undefined) {
      this.clear();
      return this.#error;
    }
    if (this.#total === 0 || this.#unread < this.#total) return undefined;
    const message = this.#take(this.#total);
    this.#total = 0;
    return message;
  }

  /** What was pushed and not given, which is forgotten here. */
  takeRest(): Buffer {
    const rest = this.#unread === 0 ? Buffer.alloc(0) : this.#join();
    this.clear();
    return rest;
  }

  /** Forgets all that was not given. */
  clear(): void {
    this.#chunks = [];
    this.#offset = 0;
    this.#unread = 0;
    this.#total = 0;
  }

  /** Gives what is wrong with it, if anything is. */
  #readHeader(): FramingError | undefined {
    if (this.#unread === 0) return undefined;
    const header = this.#peek(Math.min(MAX_HEADER, this.#unread));
    if (header[0] !== BER.sequence) return 'malformed';
    if (header.length < 2) return undefined;
    const octets = lengthOctets(header[1] as number);
    if (octets === undefined) return 'malformed';
    if (header.length < 1 + octets) return undefined;
    const total = 1 + octets + lengthAt(header, 1, octets);
    if (total > this.limit) return 'too-large';
    this.#total = total;
    return undefined;
  }

  #peek(count: number): Buffer {
    const first = this.#chunks[0] as Buffer;
    if (first.length - this.#offset >= count) return first.subarray(this.#offset, this.#offset + count);
    return this.#join().subarray(0, count);
  }

  #take(count: number): Buffer {
    let first = this.#chunks[0] as Buffer;
    if (first.length - this.#offset < count) first = this.#join();
    const taken = first.subarray(this.#offset, this.#offset + count);
    this.#offset += count;
    this.#unread -= count;
    if (this.#offset === first.length) {
      this.#chunks.shift();
      this.#offset = 0;
    }
    return taken;
  }

  #join(): Buffer {
    const [first, ...others] = this.#chunks as [Buffer, ...Buffer[]];
    const joined = Buffer.concat([first.subarray(this.#offset), ...others]);
    this.#chunks = [joined];
    this.#offset = 0;
    return joined;
  }
}
