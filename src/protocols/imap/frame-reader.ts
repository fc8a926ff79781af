// Frames of one socket, pulled one at a time. The socket flows, so that a peer that goes is noticed at once; it is paused
// when more is unread than a dialogue needs.

import type { Socket } from 'node:net';
import type { Frame, Framer } from './framer.ts';

/** Why no more frames come. */
export type Ended = { readonly kind: 'ended'; readonly why: 'closed' | 'deadline' | 'shutdown' };

/** Octets that may lie unread before the peer has to wait. */
const HIGH_WATER = 16_384;

export class FrameReader {
  readonly #framer: Framer;
  readonly #socket: Socket;
  #ended: Ended | undefined;
  #wake: (() => void) | undefined;
  readonly #onData = (chunk: Buffer) => {
    this.#framer.push(chunk);
    if (this.#framer.unread > HIGH_WATER && this.#wake === undefined) this.#socket.pause();
    this.#awaken();
  };
  readonly #onEnd = () => this.interrupt('closed');

  constructor(socket: Socket, framer: Framer) {
    this.#socket = socket;
    this.#framer = framer;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onEnd);
    socket.resume();
  }

  /** The next command or response. Frames that came before the end are given before it. */
  command(): Promise<Frame | Ended> {
    return this.#next(() => this.#framer.command());
  }

  /** The next line, whatever it ends in, of at most so many octets. */
  textLine(octets: number): Promise<Frame | Ended> {
    return this.#next(() => this.#framer.textLine(octets));
  }

  /** For the literal that the last frame announced. */
  accept(): void {
    this.#framer.accept();
  }

  refuse(): void {
    this.#framer.refuse();
  }

  /** Ends the waiting for a frame, now or at the next call. */
  interrupt(why: Ended['why']): void {
    this.#ended ??= { kind: 'ended', why };
    this.#awaken();
  }

  /** Lets go of the socket, which is paused, and gives what was not read. */
  detach(): Buffer {
    this.#socket.pause();
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('close', this.#onEnd);
    return this.#framer.takeRest();
  }

  async #next(read: () => Frame | undefined): Promise<Frame | Ended> {
    for (;;) {
      // A deadline does not wait until a peer that keeps talking has been heard out.
      if (this.#ended !== undefined && this.#ended.why !== 'closed') return this.#ended;
      const frame = read();
      if (frame !== undefined) return frame;
      if (this.#ended !== undefined) return this.#ended;
      this.#socket.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #awaken(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
