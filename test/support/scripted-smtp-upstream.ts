// A fake SMTP server that does what a test's script says, right or wrong: for the upstreams that no real server can be made to
// be. What the script leaves out is answered as a plain server would, taking every login, sender, recipient and message. It records
// every byte.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Certificate } from './pki.ts';

export interface SmtpUpstreamConnection {
  /** Writes this, as it is. */
  write(data: string | Uint8Array): void;
  /** Ends the connection in good order. */
  end(): void;
  /** Resets it. */
  drop(): void;
  /** Answers STARTTLS: writes `answer` and `injected` (plaintext behind it) in one segment, and starts TLS. */
  startTls(answer: string, injected?: string): void;
  /** The next line that the client sends, for dialogues of several steps. */
  line(): Promise<string>;
  /** Reads no more, so that what the client writes piles up. */
  stopReading(): void;
  readonly isTls: boolean;
}

/**
 * What to do about a command: text to be written, a function, or null: nothing, ever (a server that stalls). The end of a message
 * is met by rules as the line `<message>`.
 */
export type SmtpReaction =
  | string
  | null
  | ((connection: SmtpUpstreamConnection, match: RegExpExecArray) => void | Promise<void>);

export interface SmtpScript {
  /** Whole, with CR LF. null: none, ever. */
  readonly greeting?: string | null;
  /** Rules, tried in turn before the plain server's own. The pattern sees a command line. */
  readonly on?: readonly (readonly [RegExp, SmtpReaction])[];
  /** What EHLO says, STARTTLS aside. */
  readonly extensions?: readonly string[];
  readonly tls?: 'implicit' | 'starttls' | 'none';
  /** Needed unless `tls` is `none`. */
  readonly certificate?: Certificate;
}

export interface ReceivedMessage {
  /** The MAIL and RCPT commands, whole. */
  readonly envelope: readonly string[];
  /** As it went over the wire: dots stuffed, without the end of data. */
  readonly data: Buffer;
}

export interface ScriptedSmtpUpstream extends AsyncDisposable {
  readonly port: number;
  /** Every command line of every connection so far, without its CRLF; what is within messages is not there. */
  readonly lines: readonly string[];
  /** Every message whose end has come, whatever was answered. */
  readonly messages: readonly ReceivedMessage[];
  readonly connections: { readonly total: number; readonly open: number };
  /** Changes the script for lines that come from now on. */
  setScript(script: Pick<SmtpScript, 'on' | 'greeting' | 'extensions'>): void;
  /** Resets all connections. */
  dropAll(): void;
}

export const USUAL_EXTENSIONS = [
  'PIPELINING',
  'SIZE 10240000',
  'AUTH PLAIN LOGIN',
  'XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT',
  'ENHANCEDSTATUSCODES',
  '8BITMIME',
  'DSN',
  'SMTPUTF8',
] as const;

const END_OF_DATA = Buffer.from('\r\n.\r\n');

export async function startScriptedSmtpUpstream(script: SmtpScript = {}): Promise<ScriptedSmtpUpstream> {
  const tls = script.tls ?? 'none';
  let current: Pick<SmtpScript, 'on' | 'greeting' | 'extensions'> = script;
  const lines: string[] = [];
  const messages: ReceivedMessage[] = [];
  const open = new Set<Socket>();
  let total = 0;

  const secure = (socket: Socket) =>
    new TLSSocket(socket, { isServer: true, cert: script.certificate?.cert, key: script.certificate?.key });

  const server = createServer((raw) => {
    total += 1;
    open.add(raw);
    raw.on('close', () => open.delete(raw)).on('error', () => {});
    new Dialogue(raw);
  });

  class Dialogue implements SmtpUpstreamConnection {
    readonly #raw: Socket;
    #socket: Socket;
    #chunks: Buffer[] = [];
    #wake = () => {};
    #isOver = false;
    #envelope: string[] = [];
    /** What was answered to the last line. */
    #said = '';
    isTls = false;

    constructor(raw: Socket) {
      this.#raw = raw;
      this.#socket = raw;
      if (tls === 'implicit') this.#secure();
      else this.#listen();
      void this.#run();
    }

    write(data: string | Uint8Array): void {
      this.#said += Buffer.from(data).toString('latin1', 0, 10);
      if (this.#socket.writable) this.#socket.write(data);
    }

    end(): void {
      this.#socket.end();
    }

    drop(): void {
      // Not the TLS socket over it: Node cannot reset that.
      this.#raw.resetAndDestroy();
    }

    startTls(answer: string, injected = ''): void {
      this.write(answer + injected);
      this.#secure();
    }

    async line(): Promise<string> {
      const line = (await this.#upTo(Buffer.from('\r\n'))).toString();
      lines.push(line);
      return line;
    }

    stopReading(): void {
      this.#socket.pause();
    }

    #secure(): void {
      this.#socket.removeAllListeners('data');
      this.#chunks = [];
      this.#socket = secure(this.#socket);
      this.isTls = true;
      this.#listen();
    }

    #listen(): void {
      const over = () => {
        this.#isOver = true;
        this.#wake();
      };
      this.#socket.on('error', over).on('close', over).on('end', over);
      this.#socket.on('data', (chunk: Buffer) => {
        this.#chunks.push(chunk);
        this.#wake();
      });
    }

    /** What comes before `end`, which is taken too. */
    async #upTo(end: Buffer): Promise<Buffer> {
      const taken: Buffer[] = [];
      let tail = Buffer.alloc(0);
      for (;;) {
        for (let chunk = this.#chunks.shift(); chunk !== undefined; chunk = this.#chunks.shift()) {
          // `end` may lie across chunks.
          const window = Buffer.concat([tail, chunk]);
          const at = window.indexOf(end);
          taken.push(chunk);
          if (at !== -1) {
            const rest = window.subarray(at + end.length);
            if (rest.length > 0) this.#chunks.unshift(rest);
            const all = Buffer.concat(taken);
            return all.subarray(0, all.length - rest.length - end.length);
          }
          tail = window.subarray(Math.max(0, window.length - end.length + 1));
        }
        if (this.#isOver) throw new ConnectionOver();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }

    async #run(): Promise<void> {
      try {
        const greeting =
          current.greeting === undefined ? '220 script.example ESMTP ready\r\n' : current.greeting;
        if (greeting !== null) this.write(greeting);
        for (;;) await this.#answer(await this.line());
      } catch (error) {
        if (!(error instanceof ConnectionOver)) throw error;
      }
    }

    async #answer(line: string): Promise<void> {
      if (/^(MAIL|RCPT) /i.test(line)) this.#envelope.push(line);
      if (/^(RSET|EHLO|HELO)\b/i.test(line)) this.#envelope = [];
      this.#said = '';
      if (!(await this.#byScript(line))) await this.#plainServer(line);
      if (/^DATA$/i.test(line) && this.#said.startsWith('354')) await this.#message();
    }

    async #byScript(line: string): Promise<boolean> {
      for (const [pattern, reaction] of current.on ?? []) {
        const match = pattern.exec(line);
        if (match === null) continue;
        if (typeof reaction === 'function') await reaction(this, match);
        else if (reaction !== null) this.write(reaction);
        return true;
      }
      return false;
    }

    async #message(): Promise<void> {
      // The CR LF of the DATA command counts for an empty message.
      this.#chunks.unshift(Buffer.from('\r\n'));
      const data = (await this.#upTo(END_OF_DATA)).subarray(2);
      messages.push({ envelope: this.#envelope, data });
      this.#envelope = [];
      if (!(await this.#byScript('<message>'))) this.write(`250 2.0.0 queued as ${messages.length}\r\n`);
    }

    async #plainServer(line: string): Promise<void> {
      const [verb = '', argument = ''] = line.split(' ');
      switch (verb.toUpperCase()) {
        case 'EHLO': {
          const starttls = tls === 'starttls' && !this.isTls ? ['STARTTLS'] : [];
          const said = ['script.example', ...(current.extensions ?? USUAL_EXTENSIONS), ...starttls];
          this.write(said.map((one, i) => `250${i === said.length - 1 ? ' ' : '-'}${one}\r\n`).join(''));
          break;
        }
        case 'STARTTLS':
          this.startTls('220 2.0.0 begin TLS\r\n');
          break;
        case 'XCLIENT':
          this.write('220 script.example ESMTP again\r\n');
          break;
        case 'AUTH':
          if (argument.toUpperCase() === 'PLAIN' && line.split(' ').length > 2)
            this.write('235 2.7.0 hello\r\n');
          else
            await this.#challenges(
              argument.toUpperCase() === 'PLAIN' ? [''] : ['VXNlcm5hbWU6', 'UGFzc3dvcmQ6'],
            );
          break;
        case 'DATA':
          this.write('354 go on\r\n');
          break;
        case 'QUIT':
          this.write('221 2.0.0 bye\r\n');
          this.end();
          break;
        default:
          this.write('250 2.0.0 ok\r\n');
      }
    }

    async #challenges(prompts: readonly string[]): Promise<void> {
      for (const prompt of prompts) {
        this.write(`334 ${prompt}\r\n`);
        await this.line();
      }
      this.write('235 2.7.0 hello\r\n');
    }
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const dropAll = () => {
    for (const socket of open) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    lines,
    messages,
    get connections() {
      return { total, open: open.size };
    },
    setScript: (next) => {
      current = next;
    },
    dropAll,
    async [Symbol.asyncDispose]() {
      dropAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class ConnectionOver extends Error {}
