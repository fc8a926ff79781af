// One SMTP connection to an upstream, from its greeting to its end: commands and their replies in order, and data in between.
//
//   P: MAIL FROM:<…>          U: 250       one command at a time, or several at once where PIPELINING is offered (RFC 2920)
//   P: DATA                   U: 354
//   P: … CRLF . CRLF          U: 250       an answer before the end of the data is kept until then, if it is a refusal
//   U: 421 …                               at any time: it is closing (RFC 5321 §3.8); whoever waits hears it, others that it is gone

import type { Socket } from 'node:net';
import type { UpstreamAddress } from '../../upstream/address.ts';
import { ReplyReader, type SmtpReply } from './reply.ts';

export type GoneWhy = 'closed' | 'silent' | 'nonsense' | 'given_up';

/** The upstream's connection has ended, or it was silent for too long, or what it said is not SMTP. The message is for the log. */
export class UpstreamGoneError extends Error {
  override readonly name = 'UpstreamGoneError';
  readonly why: GoneWhy;
  /** Its last words, where it had some to say; untrusted, and not fit for a log as they are. */
  readonly words: string;

  constructor(why: GoneWhy, message: string, words = '') {
    super(message);
    this.why = why;
    this.words = words;
  }
}

const MINUTE = 60_000;
/** Milliseconds to wait for an answer, by command (RFC 5321 §4.5.3.2); what is not listed there has five minutes too. */
const DEADLINES: Readonly<Record<string, number>> = { DATA: 2 * MINUTE };
const COMMAND_DEADLINE = 5 * MINUTE;
/** For a block of the data to be taken. */
const BLOCK_DEADLINE = 3 * MINUTE;
/** From the end of the data to the answer: what was accepted and not said in time would be sent twice. */
const MESSAGE_DEADLINE = 10 * MINUTE;
const QUIT_DEADLINE = 3000;
/** Octets of a message that may wait in the socket's write queue. */
const MOST_PENDING = 65_536;

interface Waiting {
  readonly what: string;
  readonly deadline: number;
  readonly resolve: (reply: SmtpReply) => void;
  readonly reject: (error: UpstreamGoneError) => void;
}

export class UpstreamDialogue {
  readonly address: UpstreamAddress;
  /** Of the last EHLO. */
  extensions: ReadonlyMap<string, string> = new Map();
  readonly #socket: Socket;
  readonly #replies = new ReplyReader();
  readonly #waiting: Waiting[] = [];
  /** Runs for the first of those who wait. */
  #timer: NodeJS.Timeout | undefined;
  #inData = false;
  /** A refusal of the message before its end. */
  #early: SmtpReply | undefined;
  #gone: UpstreamGoneError | undefined;
  #onGone: ((error: Error) => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  readonly #onData = (chunk: Buffer) => {
    this.#replies.push(chunk);
    this.#deliver();
  };
  readonly #onEnd = () => this.#end('closed', 'it closed the connection');
  readonly #onError = (error: Error) => this.#end('closed', `the connection broke: ${codeOf(error)}`);
  readonly #onDrain = () => this.#wakeWriter?.();

  constructor(socket: Socket, address: UpstreamAddress) {
    this.#socket = socket;
    this.address = address;
    socket.on('error', this.#onError);
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onEnd);
    socket.on('drain', this.#onDrain);
    socket.resume();
  }

  /** The upstream's IP address. */
  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? '';
  }

  /** The reply to what needs no command: the greeting. */
  greeting(): Promise<SmtpReply> {
    return this.#wait('its greeting', COMMAND_DEADLINE);
  }

  /** `line` without CRLF; see `UpstreamSession`. */
  command(line: string, deadline?: number): Promise<SmtpReply> {
    const verb = line.split(' ', 1)[0]?.toUpperCase() ?? '';
    return this.secretCommand(line, verb, deadline);
  }

  /** A line that must not be told; `what` stands for it in errors. */
  secretCommand(line: string, what: string, deadline?: number): Promise<SmtpReply> {
    const reply = this.#wait(what, deadline ?? DEADLINES[what] ?? COMMAND_DEADLINE);
    if (this.#gone === undefined) this.#writeSoon(`${line}\r\n`);
    return reply;
  }

  /** Recipients that a client has sent in one go are in one write, too: those of one turn of the event loop. */
  #writeSoon(text: string): void {
    const socket = this.#socket;
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    socket.write(text);
  }

  write(chunk: Buffer): boolean {
    if (this.#gone !== undefined || this.#early !== undefined) return true;
    // What the kernel took at once leaves nothing pending, whatever write() says about a large chunk.
    return this.#socket.write(chunk) || this.#socket.writableLength < MOST_PENDING;
  }

  drained(): Promise<void> {
    if (this.#early !== undefined) return Promise.resolve();
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    if (!this.#socket.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.#end('silent', 'it takes no more of the message'), BLOCK_DEADLINE);
      this.#wakeWriter = () => {
        clearTimeout(late);
        this.#wakeWriter = undefined;
        if (this.#gone !== undefined && this.#early === undefined) reject(this.#gone);
        else resolve();
      };
    });
  }

  endData(tail: Buffer): Promise<SmtpReply> {
    this.#inData = false;
    const early = this.#early;
    if (early !== undefined) {
      // The end of the data would be taken for the end of a message that is refused already, or for commands.
      this.destroy();
      return Promise.resolve(early);
    }
    const reply = this.#wait('the message', MESSAGE_DEADLINE);
    if (this.#gone === undefined) this.#socket.write(tail);
    return reply;
  }

  onGone(call: (error: Error) => void): void {
    if (this.#gone === undefined) this.#onGone = call;
    else if (this.#gone.why !== 'given_up') call(this.#gone);
  }

  quit(): void {
    if (this.#gone !== undefined) return;
    if (this.#inData || this.#waiting.length > 0) {
      this.destroy();
      return;
    }
    this.#leave(new UpstreamGoneError('given_up', 'it was left'));
    this.#socket.end('QUIT\r\n');
    // It says 221 and closes. That it does is not worth a timer that outlives it, nor a process that waits for it.
    this.#socket.resume();
    const late = setTimeout(() => this.#socket.destroy(), QUIT_DEADLINE).unref();
    const over = () => {
      clearTimeout(late);
      this.#socket.destroy();
    };
    this.#socket.once('end', over);
    this.#socket.once('close', over);
  }

  destroy(): void {
    this.#leave(new UpstreamGoneError('given_up', 'it was left'));
    this.#socket.destroy();
  }

  /** Ends it as if the upstream had gone, for whoever waits: a deadline, or a client that is gone. */
  fail(why: GoneWhy, message: string): void {
    this.#end(why, message);
  }

  /**
   * Lets go of the socket for TLS. What has come already is thrown away: nobody knows who wrote it (CVE-2021-33515). Throws
   * UpstreamGoneError if it is gone already, such as for a reply behind the one to STARTTLS.
   */
  letGo(): Socket {
    if (this.#gone !== undefined) throw this.#gone;
    this.#detach();
    this.#socket.pause();
    return this.#socket;
  }

  #wait(what: string, deadline: number): Promise<SmtpReply> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ what, deadline, resolve, reject });
      if (this.#waiting.length === 1) this.#arm();
    });
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const first = this.#waiting[0];
    if (first === undefined) return;
    this.#timer = setTimeout(() => this.#end('silent', `it does not answer ${first.what}`), first.deadline);
  }

  #deliver(): void {
    while (this.#gone === undefined) {
      const reply = this.#replies.next();
      if (reply === undefined) break;
      this.#take(reply);
    }
    const { nonsense } = this.#replies;
    if (nonsense !== undefined) this.#end('nonsense', nonsense);
  }

  #take(reply: SmtpReply): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      this.#arm();
      this.#inData = waiting.what === 'DATA' && reply.code === 354;
      waiting.resolve(reply);
      if (reply.code === 421) this.#end('closed', `it said 421 to ${waiting.what}`);
    } else if (this.#inData && reply.code >= 400) {
      this.#early = reply;
      if (reply.code === 421) this.#end('closed', 'it said 421 in the middle of a message');
      else this.#wakeWriter?.();
    } else if (reply.code === 421) {
      this.#end('closed', 'it said 421');
    } else {
      this.#end('nonsense', `it sent a reply (${reply.code}) that nobody asked for`);
    }
  }

  #end(why: GoneWhy, message: string): void {
    if (this.#gone !== undefined) return;
    const error = new UpstreamGoneError(why, message);
    // Whoever writes a message that is refused already is to hear that, and not that it is gone.
    const call = this.#early === undefined ? this.#onGone : undefined;
    this.#leave(error);
    this.#socket.destroy();
    call?.(error);
  }

  #leave(error: UpstreamGoneError): void {
    if (this.#gone !== undefined) return;
    this.#gone = error;
    this.#onGone = undefined;
    this.#detach();
    this.#wakeWriter?.();
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #detach(): void {
    clearTimeout(this.#timer);
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('close', this.#onEnd);
    this.#socket.off('drain', this.#onDrain);
    // Whoever has the socket next has a handler of errors; a destroyed one can still report one.
    this.#socket.on('error', ignoreError);
    this.#socket.off('error', this.#onError);
  }
}

function ignoreError(): void {}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.name;
}
