// What a client sends, pulled line by line, or as it comes while it sends a message. The socket flows, so that a client that
// goes is noticed at once; it is paused when more is unread than a dialogue needs.

import type { Socket } from 'node:net';

/** Why no more comes. */
export type Ended<R extends string> = { readonly kind: 'ended'; readonly why: R | 'closed' };
export type Line =
  | { readonly kind: 'line'; readonly bytes: Buffer }
  /** It has been skipped. */
  | { readonly kind: 'too long' }
  /** There is no end to it. */
  | { readonly kind: 'endless' };
export type Data = { readonly kind: 'data'; readonly bytes: Buffer };

/** Octets that may lie unread before the client has to wait. */
const HIGH_WATER = 16_384;
/** Octets of a line that are skipped in the hope for its end. */
const MOST_SKIPPED = 65_536;

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);
const TOO_LONG: Line = { kind: 'too long' };
const ENDLESS: Line = { kind: 'endless' };

export class LineReader<R extends string> {
  readonly #socket: Socket;
  /** Octets of a line, without its end. */
  readonly #longest: number;
  #unread: Buffer = NOTHING;
  /** Octets of `#unread` that are known to hold no LF. */
  #searched = 0;
  #skipped = 0;
  #ended: Ended<R> | undefined;
  #wake: (() => void) | undefined;
  /** Octets received so far. */
  received = 0;
  /** Called with each piece that comes. */
  onHeard: (() => void) | undefined;
  readonly #onData = (chunk: Buffer) => {
    this.received += chunk.length;
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    if (this.#wake === undefined && this.#unread.length > HIGH_WATER) this.#socket.pause();
    this.onHeard?.();
    this.#awaken();
  };
  readonly #onEnd = () => this.interrupt('closed');

  constructor(socket: Socket, longest: number) {
    this.#socket = socket;
    this.#longest = longest;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onEnd);
    socket.resume();
  }

  /** Why no more comes; what has come before is still to be read. */
  get ended(): Ended<R> | undefined {
    return this.#ended;
  }

  get isWaiting(): boolean {
    return this.#wake !== undefined;
  }

  /** Whether the next line is there already: then its sender does not wait for an answer. */
  hasLine(): boolean {
    return this.#skipped === 0 && this.#lineEnd() !== -1;
  }

  /** Whether anything is there already. */
  get hasUnread(): boolean {
    return this.#unread.length > 0;
  }

  /** The next line, without its end (CR LF, or LF alone). Lines that came before the end of the connection are given before it. */
  async line(): Promise<Line | Ended<R>> {
    for (;;) {
      // A deadline does not wait until a client that keeps talking has been heard out.
      if (this.#ended !== undefined && this.#ended.why !== 'closed') return this.#ended;
      const line = this.#takeLine();
      if (line !== undefined) return line;
      if (this.#ended !== undefined) return this.#ended;
      await this.#more();
    }
  }

  /** Whatever comes next. */
  async data(): Promise<Data | Ended<R>> {
    for (;;) {
      if (this.#ended !== undefined && this.#ended.why !== 'closed') return this.#ended;
      const bytes = this.#unread;
      if (bytes.length > 0) {
        this.#unread = NOTHING;
        this.#searched = 0;
        return { kind: 'data', bytes };
      }
      if (this.#ended !== undefined) return this.#ended;
      await this.#more();
    }
  }

  /** Gives back what came behind the end of the data. */
  putBack(bytes: Buffer): void {
    this.#unread = this.#unread.length === 0 ? bytes : Buffer.concat([bytes, this.#unread]);
    this.#searched = 0;
  }

  /** Ends the waiting, now or at the next call. */
  interrupt(why: R | 'closed'): void {
    this.#ended ??= { kind: 'ended', why };
    this.#awaken();
  }

  /** Lets go of the socket, which is paused. What was not read is gone. */
  detach(): void {
    this.#socket.pause();
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('close', this.#onEnd);
    this.#unread = NOTHING;
    this.#awaken();
  }

  #lineEnd(): number {
    const end = this.#unread.indexOf(LF, this.#searched);
    if (end === -1) this.#searched = this.#unread.length;
    return end;
  }

  #takeLine(): Line | undefined {
    const end = this.#lineEnd();
    if (end === -1) {
      if (this.#unread.length <= this.#longest + 1 && this.#skipped === 0) return undefined;
      this.#skipped += this.#unread.length;
      this.#unread = NOTHING;
      this.#searched = 0;
      return this.#skipped > MOST_SKIPPED ? ENDLESS : undefined;
    }
    const unread = this.#unread;
    this.#unread = rest(unread, end + 1);
    this.#searched = 0;
    if (this.#skipped > 0) {
      this.#skipped = 0;
      return TOO_LONG;
    }
    const bytes = unread.subarray(0, end > 0 && unread[end - 1] === CR ? end - 1 : end);
    return bytes.length > this.#longest ? TOO_LONG : { kind: 'line', bytes };
  }

  #more(): Promise<void> {
    this.#socket.resume();
    return new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  #awaken(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** What comes from there on. A few octets must not keep all that came with them. */
function rest(bytes: Buffer, from: number): Buffer {
  const left = bytes.length - from;
  if (left === 0) return NOTHING;
  return left * 2 < bytes.buffer.byteLength ? copy(bytes.subarray(from)) : bytes.subarray(from);
}

/** In memory of its own, not in a pool's. */
function copy(bytes: Buffer): Buffer {
  const copied = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copied);
  return copied;
}
