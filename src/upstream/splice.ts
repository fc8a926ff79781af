// Joins two sockets after login: the bytes of each go to the other, untouched, until both have said all they had to.
//
// What a byte costs is decided here, so: the handlers are shared by all splices and find their state on the socket,
// nothing is allocated per chunk but what Node does itself (see spent-buffers.ts), and no timer is touched per chunk (see
// splice-sweep.ts). A source is paused while its destination has more than MOST_PENDING bytes to write, so a reader that
// stops costs a few hundred KiB and no more.

import type { Socket } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import { spentBuffers } from './spent-buffers.ts';
import { type SpliceSweep, sweepOf } from './splice-sweep.ts';

export type SpliceEndReason =
  | 'client_closed'
  | 'upstream_closed'
  | 'client_error'
  | 'upstream_error'
  /** No byte passed for as long as `idle` says. */
  | 'idle';

export interface SpliceResult<R extends string = never> {
  /** What came first; or, if `end` was called, what was given there. */
  readonly reason: SpliceEndReason | R;
  readonly bytesToUpstream: number;
  readonly bytesToClient: number;
}

export interface SpliceOptions<R extends string = never> {
  /** Milliseconds without a byte in either direction after which the session is ended; noticed within a second. */
  readonly idle: number;
  readonly clock: Clock;
  /** Called once: when both sockets are closed, or at once (then they are being destroyed) by `end`, idleness or failure. */
  readonly onEnd: (result: SpliceResult<R>) => void;
  /** What looks for idle splices; the one of `clock` if not given. */
  readonly sweep?: SpliceSweep;
}

export interface Splice<R extends string = never> {
  /** Bytes read from the client so far. */
  readonly bytesToUpstream: number;
  /** Bytes read from the upstream so far. */
  readonly bytesToClient: number;
  /** Destroys both sockets and calls `onEnd` with this reason before it returns. Does nothing after the end. */
  end(reason: R): void;
}

/** A session that one side has closed, and in which nothing moves any more, is ended after this many milliseconds. */
const HALF_CLOSED_MOST = 60_000;

/** Bytes that may wait in a socket's write queue before its source is paused. */
const MOST_PENDING = 65_536;

const HALF = Symbol('half of a splice');

interface SplicedSocket extends Socket {
  [HALF]?: Half;
}

interface Half {
  readonly side: 'client' | 'upstream';
  readonly socket: SplicedSocket;
  readonly splice: Joint;
  other: Half;
  /** Bytes read from this socket. */
  bytes: number;
  /** Not read from until the other's write queue is empty. */
  paused: boolean;
  /** Has sent its last byte (FIN, close_notify). */
  ended: boolean;
  closed: boolean;
}

/**
 * Joins `client` and `upstream`, which must not be in object mode, have no encoding set, no 'data' or 'readable' handler,
 * and `allowHalfOpen: true`. What is already in their read buffers goes first. Both belong to the splice from now on.
 */
export function splice<R extends string = never>(
  client: Socket,
  upstream: Socket,
  options: SpliceOptions<R>,
): Splice<R> {
  return new Joint(client, upstream, options as unknown as SpliceOptions<string>);
}

class Joint implements Splice<string> {
  readonly #client: Half;
  readonly #upstream: Half;
  readonly #options: SpliceOptions<string>;
  readonly #sweep: SpliceSweep;
  #reason: string | undefined;
  #done = false;
  #progress = 0;
  #progressAt: number;

  constructor(client: Socket, upstream: Socket, options: SpliceOptions<string>) {
    this.#options = options;
    this.#client = half('client', client, this);
    this.#upstream = half('upstream', upstream, this);
    this.#client.other = this.#upstream;
    this.#upstream.other = this.#client;
    this.#progressAt = options.clock.monotonic();
    this.#sweep = options.sweep ?? sweepOf(options.clock);
    this.#sweep.add(this);
    attach(this.#client);
    attach(this.#upstream);
    if (isOver(client) || isOver(upstream)) process.nextTick(catchUp, this.#client, this.#upstream);
  }

  get bytesToUpstream(): number {
    return this.#client.bytes;
  }

  get bytesToClient(): number {
    return this.#upstream.bytes;
  }

  end(reason: string): void {
    if (this.#done) return;
    this.#reason = reason;
    this.#abandon();
  }

  /** Called by the sweep. */
  check(now: number): void {
    const client = this.#client;
    const upstream = this.#upstream;
    const progress =
      client.bytes + upstream.bytes - client.socket.writableLength - upstream.socket.writableLength;
    if (progress !== this.#progress) {
      this.#progress = progress;
      this.#progressAt = now;
      return;
    }
    const most = client.ended || upstream.ended ? HALF_CLOSED_MOST : this.#options.idle;
    if (now - this.#progressAt < most) return;
    this.#reason ??= 'idle';
    this.#abandon();
  }

  sideEnded(half: Half): void {
    half.ended = true;
    this.#reason ??= `${half.side}_closed`;
    this.#progressAt = this.#options.clock.monotonic();
    half.other.socket.end();
  }

  sideFailed(half: Half): void {
    this.#reason ??= `${half.side}_error`;
  }

  sideClosed(half: Half): void {
    half.closed = true;
    this.#reason ??= `${half.side}_closed`;
    if (half.other.closed) this.#finish();
    // All that this side had to say was said: the other may still have some of it to write.
    else if (half.ended) half.other.socket.destroySoon();
    else this.#abandon();
  }

  #abandon(): void {
    this.#client.socket.destroy();
    this.#upstream.socket.destroy();
    this.#finish();
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.#sweep.delete(this);
    detach(this.#client.socket);
    detach(this.#upstream.socket);
    this.#options.onEnd({
      reason: this.#reason as SpliceEndReason,
      bytesToUpstream: this.bytesToUpstream,
      bytesToClient: this.bytesToClient,
    });
  }
}

function half(side: 'client' | 'upstream', socket: Socket, splice: Joint): Half {
  if (socket.readableEncoding !== null || socket.readableObjectMode) {
    throw new TypeError(`cannot splice: the ${side} socket does not give bytes`);
  }
  // `other` is set as soon as both halves are there.
  const made = {
    side,
    socket,
    splice,
    bytes: 0,
    paused: false,
    ended: false,
    closed: false,
  } as unknown as Half;
  made.socket[HALF] = made;
  return made;
}

function attach({ socket }: Half): void {
  socket.on('error', onError);
  socket.on('close', onClose);
  socket.on('end', onEnd);
  socket.on('drain', onDrain);
  socket.on('data', onData);
  socket.resume();
}

function detach(socket: SplicedSocket): void {
  // Before the other handler goes: a socket that is being destroyed can still report an error.
  socket.on('error', ignore);
  socket.off('error', onError);
  socket.off('close', onClose);
  socket.off('end', onEnd);
  socket.off('drain', onDrain);
  socket.off('data', onData);
  delete socket[HALF];
}

function ignore(): void {}

/** Events that were over before the splice began do not come again. */
const isOver = (socket: Socket) => socket.readableEnded || socket.destroyed;

function catchUp(...halves: Half[]): void {
  for (const { socket, ended } of halves) if (socket.readableEnded && !ended) onEnd.call(socket);
  for (const { socket, closed } of halves) {
    if (socket.errored) onError.call(socket);
    if (socket.closed && !closed) onClose.call(socket);
  }
}

function onData(this: SplicedSocket, chunk: Buffer): void {
  const from = this[HALF];
  if (from === undefined) return;
  from.bytes += chunk.length;
  const to = from.other.socket;
  if (to.destroyed) return;
  // A write that the kernel took at once leaves nothing pending, whatever write() says about a large chunk.
  if (!to.write(chunk) && to.writableLength >= MOST_PENDING) {
    from.paused = true;
    this.pause();
  }
  spentBuffers.add(chunk.length);
}

function onDrain(this: SplicedSocket): void {
  const from = this[HALF]?.other;
  if (from === undefined || !from.paused) return;
  from.paused = false;
  from.socket.resume();
}

function onEnd(this: SplicedSocket): void {
  const half = this[HALF];
  half?.splice.sideEnded(half);
}

function onError(this: SplicedSocket): void {
  const half = this[HALF];
  half?.splice.sideFailed(half);
}

function onClose(this: SplicedSocket): void {
  const half = this[HALF];
  half?.splice.sideClosed(half);
}
