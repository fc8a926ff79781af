// The state of one connection, and how to talk on it: messages are read one at a time, in order, and answered; while a Bind or a
// handshake is under way the others wait, unread beyond a bound.

import type { Events } from '../../events.ts';
import type { Connection } from '../../listen/connection.ts';
import { closeWith } from '../../listen/goodbye.ts';
import { spentBuffers } from '../../upstream/spent-buffers.ts';
import { type SpliceSweep, sweepOf } from '../../upstream/splice-sweep.ts';
import type { AdmissionDeps } from '../admission.ts';
import { Framer, MOST_BEFORE_BIND, MOST_IN_CLEAR } from './framer.ts';
import type { DirectoryFacts } from './learnt-root-dse.ts';
import type { Relay, RelayEnd } from './relay.ts';
import { type Goodbye, goodbyeNotice } from './replies.ts';
import type { DirectoryPolicy, LdapUpstream, openDirectory } from './upstream.ts';

export interface LdapDeps extends AdmissionDeps {
  readonly upstreams: ReadonlyMap<string, LdapUpstream>;
  readonly events: Events;
  /** What may be done, by `Admitted.route`. */
  readonly policies: readonly DirectoryPolicy[];
  /** What the directories say of themselves, for clients that are not bound. */
  readonly rootDse: DirectoryFacts;
  /** Whether a Bind with neither name nor password succeeds. It gives no right that there is not before Bind. */
  readonly anonymousBind: boolean;
  /** Octets of a client's message after Bind. */
  readonly maxMessage: number;
  /** Failed attempts after which the connection is closed. */
  readonly attemptsPerConnection: number;
  /** Milliseconds without a byte in either direction that end a session. */
  readonly idle: number;
  readonly openDirectory: typeof openDirectory;
}

/** Handles one message; a promise: the next one waits for it. */
export type Handler = (dialogue: Dialogue, message: Buffer) => Promise<void> | undefined;

/** Octets that may lie unread while a message is worked on. */
const HIGH_WATER = 65_536;
/** Octets of answers that a client may leave untaken before its requests are left unread: a stranger, and one that is bound. */
const MOST_UNTAKEN = { beforeBind: 16_384, bound: 262_144 } as const;

/** Milliseconds that answers may take to a client that has ended its side: most such clients are gone, and hear nothing. */
const HALF_CLOSED_MOST = 5000;

export class Dialogue {
  readonly connection: Connection;
  readonly deps: LdapDeps;
  /** The directory, as whom the client is bound; undefined: the client is anonymous. */
  bound: Relay | undefined;
  failedAttempts = 0;
  /** Requests before the first Bind that succeeded. */
  requests = 0;
  hasBound = false;
  isOver = false;
  /** Resolves when the connection is over. */
  readonly done: Promise<void>;
  readonly #handle: Handler;
  readonly #sweep: SpliceSweep;
  #framer: Framer;
  #isWorking = false;
  #isReading = false;
  #clientEnded = false;
  #interrupted: Goodbye | undefined;
  #finish: () => void = () => {};
  /** Octets read from the client, and what the sweep has seen last. */
  #received = 0;
  #progress = -1;
  #progressAt = 0;

  constructor(connection: Connection, deps: LdapDeps, handle: Handler) {
    this.connection = connection;
    this.deps = deps;
    this.#handle = handle;
    this.#framer = this.#newFramer();
    this.#sweep = sweepOf(deps.clock);
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
    connection.onInterrupt = (why) => this.#interrupt(why);
    this.#attach();
  }

  /** Whole messages of our own. They never come between the octets of a message that is being relayed. */
  write(messages: Buffer): void {
    if (this.isOver) return;
    if (this.bound?.isMidMessage === true) this.bound.writeLater(messages);
    else this.connection.socket.write(messages);
  }

  /** Notice of Disconnection, and the end; without a word if the client has half a message. */
  goodbye(why: Goodbye, reason: RelayEnd): void {
    this.close(goodbyeNotice(why), reason);
  }

  /** Some last words, and the end. */
  close(last: Buffer, reason: RelayEnd): void {
    if (this.isOver) return;
    const { socket } = this.connection;
    const isMidMessage = this.bound?.isMidMessage === true;
    this.#over(reason);
    if (isMidMessage) socket.destroy();
    else closeWith(socket, last);
  }

  /** Closes without a word. */
  drop(reason: RelayEnd = 'client_closed'): void {
    this.#over(reason);
    this.connection.socket.destroy();
  }

  /** A Bind has succeeded: from now on the connection may be idle for long. */
  loggedIn(): void {
    this.#framer.limit = this.deps.maxMessage;
    // Whoever has come so far goes on, as a session that drains.
    this.#interrupted = undefined;
    this.connection.loggedIn();
    if (this.hasBound) return;
    this.hasBound = true;
    this.#progressAt = this.deps.clock.monotonic();
    this.#sweep.add(this);
  }

  /** As before the first Bind: messages are bounded more tightly, and the next Bind has a deadline. */
  anonymous(): void {
    if (this.isOver) return;
    this.bound = undefined;
    this.#framer.limit = MOST_BEFORE_BIND;
    this.connection.onInterrupt = (why) => this.#interrupt(why);
    this.connection.loggedOut();
  }

  /**
   * RFC 4511 §4.14: after `answer`. What came in clear behind the request is thrown away (CVE-2021-33515).
   */
  async startTls(answer: Buffer): Promise<void> {
    const { connection } = this;
    this.#detach();
    this.#framer.clear();
    // Nobody reads during the handshake: a deadline that comes then destroys the connection.
    connection.onInterrupt = undefined;
    connection.socket.write(answer);
    try {
      await connection.startTls();
    } catch (error) {
      this.deps.events.tlsFailed(connection, error);
      this.drop();
      return;
    }
    connection.onInterrupt = (why) => this.#interrupt(why);
    this.#framer = this.#newFramer();
    this.#attach();
  }

  /** Goes on reading, if it had to wait for that. */
  resume(): void {
    if (this.#isWorking || this.#isReading || this.isOver) return;
    this.#isReading = true;
    try {
      this.#read();
    } catch (error) {
      this.deps.events.internalError('dialogue', error);
      this.drop('client_error');
    }
    this.#isReading = false;
  }

  /** Called by the sweep. */
  check(now: number): void {
    const { socket } = this.connection;
    const { bound } = this;
    const waiting = socket.writableLength + (bound?.socket.writableLength ?? 0);
    const progress = this.#received + (bound?.bytesToClient ?? 0) - waiting;
    // A Bind that waits for the end of an answer that does not come on (bind.ts) is no progress.
    if (progress !== this.#progress || (this.#isWorking && bound === undefined)) {
      this.#progress = progress;
      this.#progressAt = now;
    } else if (this.#clientEnded && now - this.#progressAt >= HALF_CLOSED_MOST) {
      this.close(Buffer.alloc(0), 'client_closed');
    } else if (now - this.#progressAt >= this.deps.idle) {
      this.goodbye('idle', 'idle');
    }
  }

  #newFramer(): Framer {
    return new Framer(this.connection.mayLogIn ? MOST_BEFORE_BIND : MOST_IN_CLEAR);
  }

  #read(): void {
    const { socket } = this.connection;
    while (!this.isOver && this.#interrupted === undefined) {
      if (!this.#mayRead()) {
        // What is written may be taken at once, and then no 'drain' comes.
        this.bound?.flush();
        if (!this.#mayRead()) {
          socket.pause();
          return;
        }
      }
      const message = this.#framer.next();
      if (message === undefined) {
        if (this.#clientEnded) this.#hangUp();
        else if (socket.isPaused()) socket.resume();
        break;
      }
      if (typeof message === 'string') {
        this.goodbye(message === 'malformed' ? 'malformed' : 'tooLarge', 'client_error');
        return;
      }
      const work = this.#handle(this, message);
      if (work !== undefined) {
        void this.#await(work);
        break;
      }
    }
    if (this.#interrupted !== undefined) this.goodbye(this.#interrupted, 'client_closed');
    this.bound?.flush();
  }

  async #await(work: Promise<void>): Promise<void> {
    this.#isWorking = true;
    try {
      await work;
    } catch (error) {
      this.deps.events.internalError('dialogue', error);
      this.drop('client_error');
    }
    this.#isWorking = false;
    this.resume();
  }

  #mayRead(): boolean {
    const { bound } = this;
    const most = bound === undefined ? MOST_UNTAKEN.beforeBind : MOST_UNTAKEN.bound;
    return this.connection.socket.writableLength < most && (bound?.mayTake ?? true);
  }

  /** The client has said its last word: it still gets the answers that it waits for. */
  #hangUp(): void {
    if (this.bound?.isAnswering !== true) this.close(Buffer.alloc(0), 'client_closed');
  }

  #interrupt(why: Goodbye): void {
    this.#interrupted ??= why;
    this.resume();
  }

  #over(reason: RelayEnd): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#sweep.delete(this);
    this.#detach();
    this.#framer.clear();
    this.bound?.end(reason);
    this.bound = undefined;
    this.connection.onInterrupt = undefined;
    this.#finish();
  }

  readonly #onData = (chunk: Buffer) => {
    this.#received += chunk.length;
    this.bound?.received(chunk.length);
    this.#framer.push(chunk);
    if (this.#isWorking && this.#framer.unread > HIGH_WATER) this.connection.socket.pause();
    this.resume();
    spentBuffers.add(chunk.length);
  };
  readonly #onEnd = () => {
    this.#clientEnded = true;
    this.resume();
  };
  readonly #onClose = () => this.drop(this.connection.socket.errored ? 'client_error' : 'client_closed');
  readonly #onDrain = () => {
    this.bound?.clientDrained();
    this.resume();
  };

  #attach(): void {
    const { socket } = this.connection;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    socket.on('drain', this.#onDrain);
    socket.resume();
  }

  #detach(): void {
    const { socket } = this.connection;
    socket.pause();
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onClose);
    socket.off('drain', this.#onDrain);
  }
}
