// The state of one SMTP dialogue, and how to talk in it. The commands get it as their first argument.
//
// Answers are gathered, and written when the client has to be waited for: one write for a group of pipelined commands
// (RFC 2920 §3.2). Answers that the upstream still owes keep their places among them.

import type { Events } from '../../events.ts';
import type { Connection, Interruption } from '../../listen/connection.ts';
import { closeWith } from '../../listen/goodbye.ts';
import type { EndReason } from '../../sessions/live-sessions.ts';
import type { AdmissionDeps } from '../admission.ts';
import { MAX_SASL_OCTETS } from '../sasl.ts';
import type { OfferedExtensions } from './extensions.ts';
import { LineReader } from './line-reader.ts';
import type { SubmissionPolicy } from './policy.ts';
import type { Quotas } from './quotas.ts';
import { GOODBYES, type Goodbye, REPLIES } from './replies.ts';
import type { Submission } from './submission.ts';
import type { SmtpUpstream } from './upstream.ts';

export interface SmtpDeps extends AdmissionDeps {
  /** The name that Postern goes by, in its greeting and in its own EHLO. */
  readonly hostname: string;
  readonly upstreams: ReadonlyMap<string, SmtpUpstream>;
  readonly events: Events;
  /** Failed attempts after which the connection is closed. */
  readonly attemptsPerConnection: number;
  /** Milliseconds without a byte in either direction that end a session. */
  readonly idle: number;
  /** By the route's place in the config. */
  readonly policies: ReadonlyMap<number, SubmissionPolicy>;
  readonly quotas: Quotas;
  /** What may be advertised before login, and who learns from a session what its upstream offers. */
  readonly extensions: OfferedExtensions;
  /** Names of the listeners that say `AUTH=` too, for clients from before RFC 2554. */
  readonly authEquals: ReadonlySet<string>;
}

/** What follows a command: the next one, or nothing, since the connection is closed. */
export type Next = 'go on' | 'over';

/** Why a dialogue is broken off from our side. */
export type Break = Interruption | EndReason | 'idle' | 'wrong_end';

/** Commands that cannot be followed, after which the connection is closed; clients in the wild need none. */
const MAX_ERRORS = 20;
/** Octets of answers that a client may leave unread before it is not read from either. */
const MOST_PENDING = 65_536;
/** Answers that the upstream may owe at a time. */
const MOST_OWED = 100;
/** A line is read up to here: an AUTH command with its initial response, or an answer to a challenge. */
const LONGEST_LINE = MAX_SASL_OCTETS + 64;

export class Dialogue {
  readonly connection: Connection;
  readonly deps: SmtpDeps;
  reader: LineReader<Break>;
  /** What the client called itself; null if it has not yet. */
  helo: string | null = null;
  failedAttempts = 0;
  /** Set once logged in. */
  submission: Submission | undefined;
  /** Octets written so far. */
  sent = 0;
  #errors = 0;
  #out = '';
  #owed: Promise<string>[] = [];
  #unblock: (() => void) | undefined;

  constructor(connection: Connection, deps: SmtpDeps) {
    this.connection = connection;
    this.deps = deps;
    this.reader = this.#open();
  }

  /** One answer, without its last line end. */
  reply(text: string): Next {
    this.#out += `${text}\r\n`;
    return 'go on';
  }

  /** An answer to what is no proper command; after too many, goodbye. */
  replyError(text: string): Next {
    this.#errors++;
    if (this.#errors < MAX_ERRORS) return this.reply(text);
    this.reply(text);
    return this.goodbye('errors');
  }

  /** The client has done something useful. */
  forgiveErrors(): void {
    this.#errors = 0;
  }

  /** An answer that is still to come. Never rejects. */
  owe(answer: Promise<string>): void {
    this.#owed.push(answer);
  }

  /** Whether answers have to be written although the client waits for none yet. */
  get holdsTooMuch(): boolean {
    return this.#owed.length >= MOST_OWED || this.#out.length > MOST_PENDING;
  }

  /** Waits for all answers that are owed. To be called before anything else is answered. */
  async settle(): Promise<void> {
    const owed = this.#owed;
    if (owed.length === 0) return;
    this.#owed = [];
    for (const answer of owed) this.reply(await answer);
  }

  /** Writes what there is, and waits for a client that does not read. */
  async flush(): Promise<void> {
    const { socket } = this.connection;
    if (this.#out !== '') {
      this.sent += Buffer.byteLength(this.#out);
      socket.write(this.#out);
      this.#out = '';
    }
    if (socket.writableLength > MOST_PENDING) await this.#drained();
  }

  /** True while only the client can bring the dialogue on. */
  get isWaitingForClient(): boolean {
    return this.reader.isWaiting || this.#unblock !== undefined;
  }

  /** Ends the dialogue from our side, as soon as it waits for the client. */
  break(why: Break): void {
    this.reader.interrupt(why);
    this.#unblock?.();
  }

  /** Some last words, and the end of the connection. */
  goodbye(why: Goodbye): Next {
    return this.close(GOODBYES[why]);
  }

  close(text: string): Next {
    this.reply(text);
    return this.hangUp();
  }

  /** The client still gets the answers that are on their way. */
  hangUp(): Next {
    this.reader.detach();
    this.sent += Buffer.byteLength(this.#out);
    closeWith(this.connection.socket, this.#out);
    this.#out = '';
    return 'over';
  }

  /** Closes without a word. */
  drop(): Next {
    this.reader.detach();
    this.connection.socket.destroy();
    return 'over';
  }

  /**
   * RFC 3207 §4.2: what came in clear behind STARTTLS is thrown away, and so is all that was learnt
   * (CVE-2021-33515, CVE-2014-3556).
   */
  async startTls(): Promise<void> {
    this.reader.detach();
    this.reply(REPLIES.startTls);
    await this.flush();
    this.helo = null;
    // Nobody reads during the handshake: a deadline that comes then destroys the connection.
    this.connection.onInterrupt = undefined;
    await this.connection.startTls();
    this.reader = this.#open();
  }

  #open(): LineReader<Break> {
    const reader = new LineReader<Break>(this.connection.socket, LONGEST_LINE);
    this.connection.onInterrupt = (why) => this.break(why);
    return reader;
  }

  #drained(): Promise<void> {
    const { socket } = this.connection;
    if (socket.destroyed || this.reader.ended !== undefined) return Promise.resolve();
    return new Promise<void>((resolve) => {
      const done = () => {
        this.#unblock = undefined;
        socket.off('drain', done);
        socket.off('close', done);
        resolve();
      };
      this.#unblock = done;
      socket.on('drain', done);
      socket.on('close', done);
    });
  }
}
