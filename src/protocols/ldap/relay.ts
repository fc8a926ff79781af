// A client joined to its directory: requests go up as they came, answers come down as they came, for as long as one Bind lasts.
//
//   C: 02 search "ou=people"        →  the same bytes, or with one control more (RFC 4370)         operations.ts
//   U: 02 entry, entry, …, done     →  whole runs of a chunk in one write; a message's head is all that is looked at
//   U: 02 entry of the root DSE     →  held until it is whole, corrected                           root-dse.ts
//   U: 00 Notice of Disconnection   →  passed on, and the end (RFC 4511 §4.4.1)
//   U: 99 which nobody asked for    →  the end
//
// Answers are paused while the client has more than MOST_PENDING octets to take, requests while the directory has.

import type { Socket } from 'node:net';
import type { Events } from '../../events.ts';
import type { Clock } from '../../lib/clock.ts';
import { closeWith } from '../../listen/goodbye.ts';
import type { EndReason, LiveSession } from '../../sessions/live-sessions.ts';
import { spentBuffers } from '../../upstream/spent-buffers.ts';
import type { SpliceEndReason } from '../../upstream/splice.ts';
import type { Goodbye } from './replies.ts';
import { readResult } from './responses.ts';
import { correctRootDse, type Offer } from './root-dse.ts';
import type { Directory, DirectoryPolicy } from './upstream.ts';
import { type Envelope, type Head, OID, OP, readEnvelope, readHead } from './wire.ts';

export type RelayEnd = SpliceEndReason | EndReason;

/** What is waited for under a message id. */
export type Pending = 'answer' | 'root DSE';

/** The client's side, as a relay needs it: `Dialogue`. */
export interface RelayClient {
  readonly connection: { readonly socket: Socket };
  /** Reads on, if it had to wait for us. */
  resume(): void;
  /** Ends everything, this relay too: with a notice, or with these last words. */
  goodbye(why: Goodbye, reason: RelayEnd): void;
  close(last: Buffer, reason: RelayEnd): void;
}

export interface RelayOptions {
  readonly live: LiveSession;
  readonly directory: Directory;
  readonly policy: DirectoryPolicy;
  /** Who am I's answer (RFC 4532, RFC 4513 §5.2.1.8). */
  readonly authorizationId: string;
  /** Whether every request is on behalf of the user, by one of `controls`. */
  readonly isProxied: boolean;
  /** Added to every request that the directory is to carry out, but Cancel: one control or more, encoded; null: none. */
  readonly controls: Buffer | null;
  readonly offer: Offer;
  readonly events: Pick<Events, 'sessionStarted' | 'sessionEnded' | 'upstreamRefusedPostern'>;
  readonly clock: Clock;
}

/** Octets that may wait in a socket's write queue before its source is paused. */
const MOST_PENDING = 65_536;
/** Operations under way at a time. */
const MOST_OUTSTANDING = 1000;
/** Ids of abandoned operations whose answers may still come. */
const MOST_ABANDONED = 256;
/** Octets of a message that is held until it is whole. */
const MOST_HELD = 1_048_576;

/** Responses that more of the same operation follow, and those that end it. */
const CONTINUING: ReadonlySet<number> = new Set([
  OP.searchResultEntry,
  OP.searchResultReference,
  OP.intermediateResponse,
]);
const FINAL: ReadonlySet<number> = new Set([
  OP.searchResultDone,
  OP.modifyResponse,
  OP.addResponse,
  OP.delResponse,
  OP.modifyDnResponse,
  OP.compareResponse,
  OP.extendedResponse,
]);

export class Relay {
  readonly socket: Socket;
  readonly policy: DirectoryPolicy;
  readonly authorizationId: string;
  readonly isProxied: boolean;
  readonly controls: Buffer | null;
  readonly #client: RelayClient;
  readonly #options: RelayOptions;
  readonly #startedAt: number;
  readonly #outstanding = new Map<number, Pending>();
  readonly #abandoned = new Set<number>();
  #isOver = false;
  #bytesToUpstream = 0;
  #bytesToClient = 0;
  /** Requests that go up in one write: adjacent views of one chunk become one. */
  #up: Buffer[] = [];
  #upLength = 0;
  /** The beginning of a message that cannot be passed on yet. */
  #kept: Buffer | undefined;
  /** Octets of a message whose beginning the client has. */
  #toCome = 0;
  /** Our own messages that wait for its end. */
  #later: Buffer[] = [];
  #laterLength = 0;
  #boundary: (() => void) | undefined;

  constructor(client: RelayClient, options: RelayOptions) {
    this.#client = client;
    this.#options = options;
    this.socket = options.directory.socket;
    this.policy = options.policy;
    this.authorizationId = options.authorizationId;
    this.isProxied = options.isProxied;
    this.controls = options.controls;
    this.#startedAt = options.clock.monotonic();
  }

  /** Octets of answers so far. */
  get bytesToClient(): number {
    return this.#bytesToClient;
  }

  /** Whether the client has the beginning of a message, and not its end. */
  get isMidMessage(): boolean {
    return this.#toCome > 0;
  }

  /** Whether answers are to come. */
  get isAnswering(): boolean {
    return this.#toCome > 0 || this.#outstanding.size > 0;
  }

  get isFull(): boolean {
    return this.#outstanding.size >= MOST_OUTSTANDING;
  }

  /** Whether the next request may be read. */
  get mayTake(): boolean {
    return this.socket.writableLength + this.#upLength < MOST_PENDING && this.#laterLength < MOST_PENDING;
  }

  /** The client has its answer to the Bind: the two are joined. */
  start(): void {
    const { live, directory, events } = this.#options;
    const { socket } = this;
    socket.on('data', this.#onData);
    socket.on('drain', this.#onDrain);
    socket.on('end', this.#onGone);
    socket.on('close', this.#onGone);
    events.sessionStarted(live.info);
    live.joined();
    live.onEnd((reason) => this.#client.goodbye(GOODBYE_FOR[reason], reason));
    if (this.#isOver) return;
    if (directory.rest.length > 0) this.#onData(directory.rest);
    if (socket.readableEnded || socket.destroyed) this.#onGone();
    else if (!this.#isOver) socket.resume();
  }

  isOutstanding(messageId: number): boolean {
    return this.#outstanding.has(messageId);
  }

  /** A request that is answered. */
  request(messageId: number, bytes: Buffer, pending: Pending): void {
    this.#abandoned.delete(messageId);
    this.#outstanding.set(messageId, pending);
    this.send(bytes);
  }

  /** Whether there is such an operation: its answers may still come, and need not. */
  abandon(messageId: number): boolean {
    if (!this.#outstanding.delete(messageId)) return false;
    this.#abandoned.add(messageId);
    if (this.#abandoned.size > MOST_ABANDONED) {
      for (const oldest of this.#abandoned) {
        this.#abandoned.delete(oldest);
        break;
      }
    }
    return true;
  }

  /** Goes up with the next `flush`. */
  send(bytes: Buffer): void {
    const last = this.#up.at(-1);
    this.#upLength += bytes.length;
    if (
      last !== undefined &&
      last.buffer === bytes.buffer &&
      last.byteOffset + last.length === bytes.byteOffset
    ) {
      this.#up[this.#up.length - 1] = Buffer.from(
        bytes.buffer as ArrayBuffer,
        last.byteOffset,
        last.length + bytes.length,
      );
    } else {
      this.#up.push(bytes);
    }
  }

  flush(): void {
    if (this.#up.length === 0) return;
    const up = this.#up;
    this.#up = [];
    this.#upLength = 0;
    this.socket.write(up.length === 1 ? (up[0] as Buffer) : Buffer.concat(up));
  }

  received(octets: number): void {
    this.#bytesToUpstream += octets;
  }

  /** Our own messages, behind the one that the client has the beginning of. */
  writeLater(messages: Buffer): void {
    this.#later.push(messages);
    this.#laterLength += messages.length;
  }

  clientDrained(): void {
    if (!this.#isOver) this.socket.resume();
  }

  /** Resolves when the client has no half message any more, or everything is over. */
  boundary(): Promise<void> {
    if (this.#isOver || !this.isMidMessage) return Promise.resolve();
    return new Promise((resolve) => {
      this.#boundary = resolve;
    });
  }

  /** The Bind is over: what was under way is abandoned; `last` goes up before that. The client's side is the dialogue's to close. */
  end(reason: RelayEnd, last?: Buffer): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { socket } = this;
    socket.off('data', this.#onData);
    socket.off('drain', this.#onDrain);
    socket.off('end', this.#onGone);
    socket.off('close', this.#onGone);
    if (last === undefined) socket.destroy();
    else closeWith(socket, last);
    this.#kept = undefined;
    this.#boundary?.();
    const { live, events, clock } = this.#options;
    live.leave();
    events.sessionEnded(live.info, {
      reason,
      bytesToUpstream: this.#bytesToUpstream,
      bytesToClient: this.#bytesToClient,
      seconds: (clock.monotonic() - this.#startedAt) / 1000,
    });
  }

  readonly #onData = (chunk: Buffer) => {
    this.#bytesToClient += chunk.length;
    this.#relay(this.#kept === undefined ? chunk : Buffer.concat([this.#kept, chunk]));
    spentBuffers.add(chunk.length);
    if (this.#isOver) return;
    const client = this.#client.connection.socket;
    if (client.writableLength >= MOST_PENDING) this.socket.pause();
    if (!this.isMidMessage) this.#atBoundary();
  };

  readonly #onDrain = () => this.#client.resume();

  readonly #onGone = () => this.#client.goodbye('upstreamGone', 'upstream_closed');

  #relay(bytes: Buffer): void {
    this.#kept = undefined;
    const client = this.#client.connection.socket;
    // What lies between `from` and `at` is passed on as it is.
    let from = 0;
    let at = Math.min(this.#toCome, bytes.length);
    this.#toCome -= at;
    const pass = () => {
      if (at > from) client.write(from === 0 && at === bytes.length ? bytes : bytes.subarray(from, at));
      from = at;
    };
    while (at < bytes.length) {
      const head = readHead(bytes, at);
      if (head === undefined) break;
      const course = head === 'malformed' ? head : this.#course(head);
      if (head === 'malformed' || course === 'malformed' || course === 'unasked') {
        pass();
        this.#fault(course === 'unasked' ? 'it answered what nobody asked' : 'it sent no LDAP message');
        return;
      }
      const end = at + head.total;
      if (course === 'hold') {
        if (head.total > MOST_HELD) {
          pass();
          this.#fault('it sent a message too large to be looked into');
          return;
        }
        if (end > bytes.length) break;
        pass();
        if (!this.#inspect(bytes.subarray(at, end))) return;
        at = end;
        from = end;
        continue;
      }
      if (course === 'last') {
        this.#outstanding.delete(head.messageId);
        this.#abandoned.delete(head.messageId);
      }
      at = Math.min(end, bytes.length);
      this.#toCome = end - at;
    }
    const rest = at < bytes.length ? bytes.subarray(at) : undefined;
    pass();
    // A copy, unless it is most of the chunk: a few octets would keep all of it in memory.
    if (rest !== undefined) this.#kept = rest.length < 1024 ? Buffer.from(rest) : rest;
  }

  /** What to do with a message. Has no effect, so that it can be asked again when more of it is there. */
  #course({ messageId, op }: Head): 'pass' | 'last' | 'hold' | 'malformed' | 'unasked' {
    if (messageId === 0) return op === OP.extendedResponse ? 'hold' : 'unasked';
    const pending = this.#outstanding.get(messageId);
    if (pending === undefined && !this.#abandoned.has(messageId)) return 'unasked';
    if (pending === 'root DSE' && op === OP.searchResultEntry) return 'hold';
    if (CONTINUING.has(op)) return 'pass';
    return FINAL.has(op) ? 'last' : 'malformed';
  }

  /** A message that was held, and is whole. False: that was the end. */
  #inspect(bytes: Buffer): boolean {
    const envelope = readEnvelope(bytes);
    const passed = envelope && (envelope.messageId === 0 ? bytes : this.#corrected(envelope));
    if (passed === undefined) {
      this.#fault('it sent no LDAP message');
      return false;
    }
    if (envelope?.messageId === 0 && readResult(envelope)?.oid === OID.noticeOfDisconnection) {
      this.#client.close(bytes, 'upstream_closed');
      return false;
    }
    this.#client.connection.socket.write(passed);
    return true;
  }

  #corrected(envelope: Envelope): Buffer | undefined {
    return correctRootDse(envelope, this.#options.offer);
  }

  #atBoundary(): void {
    if (this.#later.length > 0) {
      this.#client.connection.socket.write(Buffer.concat(this.#later));
      this.#later = [];
      this.#laterLength = 0;
    }
    const boundary = this.#boundary;
    this.#boundary = undefined;
    boundary?.();
    // It may wait for the last answer, or for room.
    this.#client.resume();
  }

  #fault(what: string): void {
    const { events, live } = this.#options;
    const { id: session, user } = live.info;
    events.upstreamRefusedPostern(live.info.upstream, 'upstream_protocol', what, { session, user });
    this.#client.goodbye('upstreamFault', 'upstream_error');
  }
}

const GOODBYE_FOR = {
  revoked: 'revoked',
  expired: 'revoked',
  user_disabled: 'revoked',
  admin: 'ended',
  shutdown: 'shutdown',
} as const satisfies Record<EndReason, string>;
