// A fake IMAP server that does what a test's script says, right or wrong: for the upstreams that no real server can be made
// to be. What the script leaves out is answered as a plain server would, accepting every login.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Certificate } from './pki.ts';

export interface UpstreamConnection {
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
  readonly isTls: boolean;
}

/**
 * What to do about a command: text to be written (`$1` and on are the rule's groups), a function, or null: nothing, ever
 * (a server that stalls).
 */
export type Reaction =
  | string
  | null
  | ((connection: UpstreamConnection, match: RegExpExecArray) => void | Promise<void>);

export interface Script {
  /** Whole, with CR LF. null: none, ever. */
  readonly greeting?: string | null;
  /** Rules, tried in turn before the plain server's own. The pattern sees a command's line with its literals in it. */
  readonly on?: readonly (readonly [RegExp, Reaction])[];
  /** Capabilities before and after login; the second is the first unless told. */
  readonly capabilities?: string;
  readonly capabilitiesAfterLogin?: string;
  readonly tls?: 'implicit' | 'starttls' | 'none';
  /** Needed unless `tls` is `none`. */
  readonly certificate?: Certificate;
}

export interface ScriptedImapUpstream extends AsyncDisposable {
  readonly port: number;
  /** Every command line of every connection so far, literals included, without the last line end. */
  readonly lines: readonly string[];
  /** How many connections there have been, and how many are open. */
  readonly connections: { readonly total: number; readonly open: number };
  /** Changes the script for lines that come from now on. */
  setScript(script: Pick<Script, 'on' | 'greeting'>): void;
  /** Resets all connections. */
  dropAll(): void;
}

export async function startScriptedImapUpstream(script: Script = {}): Promise<ScriptedImapUpstream> {
  const tls = script.tls ?? 'none';
  let current: Pick<Script, 'on' | 'greeting'> = script;
  const lines: string[] = [];
  const open = new Set<Socket>();
  let total = 0;

  const before =
    script.capabilities ?? `IMAP4rev1 SASL-IR ID AUTH=PLAIN${tls === 'starttls' ? ' STARTTLS' : ''}`;
  const after = script.capabilitiesAfterLogin ?? before;

  const secure = (socket: Socket) =>
    new TLSSocket(socket, { isServer: true, cert: script.certificate?.cert, key: script.certificate?.key });

  const server = createServer((raw) => {
    total += 1;
    open.add(raw);
    raw.on('close', () => open.delete(raw)).on('error', () => {});
    new Dialogue(raw);
  });

  class Dialogue implements UpstreamConnection {
    readonly #raw: Socket;
    #socket: Socket;
    #buffered = Buffer.alloc(0);
    #wake = () => {};
    #isOver = false;
    #isLoggedIn = false;
    isTls = false;

    constructor(raw: Socket) {
      this.#raw = raw;
      this.#socket = raw;
      if (tls === 'implicit') this.#secure();
      else this.#listen();
      void this.#run();
    }

    write(data: string | Uint8Array): void {
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

    /** A command with its literals, or whatever line comes next. */
    async line(): Promise<string> {
      let line = '';
      for (;;) {
        const end = () => this.#buffered.indexOf('\r\n');
        await this.#until(() => end() !== -1);
        line += this.#take(end()).toString();
        this.#take(2);
        const literal = /\{(\d+)(\+?)\}$/.exec(line);
        if (!literal) break;
        if (literal[2] === '') this.write('+ go on\r\n');
        const length = Number(literal[1]);
        await this.#until(() => this.#buffered.length >= length);
        line += `\r\n${this.#take(length).toString()}`;
      }
      lines.push(line);
      return line;
    }

    #secure(): void {
      this.#socket.removeAllListeners('data');
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
        this.#buffered = Buffer.concat([this.#buffered, chunk]);
        this.#wake();
      });
    }

    #take(count: number): Buffer {
      const taken = this.#buffered.subarray(0, count);
      this.#buffered = this.#buffered.subarray(count);
      return taken;
    }

    async #until(done: () => boolean): Promise<void> {
      while (!done()) {
        if (this.#isOver) throw new ConnectionOver();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }

    async #run(): Promise<void> {
      try {
        const greeting =
          current.greeting === undefined ? `* OK [CAPABILITY ${before}] ready\r\n` : current.greeting;
        if (greeting !== null) this.write(greeting);
        for (;;) await this.#answer(await this.line());
      } catch (error) {
        if (!(error instanceof ConnectionOver)) throw error;
      }
    }

    async #answer(line: string): Promise<void> {
      for (const [pattern, reaction] of current.on ?? []) {
        const match = pattern.exec(line);
        if (match === null) continue;
        if (typeof reaction === 'function') await reaction(this, match);
        else if (reaction !== null) this.write(reaction.replace(/\$(\d)/g, (_, n) => match[Number(n)] ?? ''));
        return;
      }
      await this.#plainServer(line);
    }

    async #plainServer(line: string): Promise<void> {
      const [tag = '*', command = '', ...rest] = line.split(/\s/);
      switch (command.toUpperCase()) {
        case 'CAPABILITY':
          this.write(`* CAPABILITY ${this.#isLoggedIn ? after : before}\r\n${tag} OK done\r\n`);
          break;
        case 'STARTTLS':
          this.startTls(`${tag} OK begin TLS\r\n`);
          break;
        case 'ID':
          this.write(`* ID NIL\r\n${tag} OK done\r\n`);
          break;
        case 'AUTHENTICATE':
          if (rest.length < 2) {
            this.write('+ \r\n');
            await this.line();
          }
          this.#isLoggedIn = true;
          this.write(`${tag} OK [CAPABILITY ${after}] logged in\r\n`);
          break;
        case 'LOGIN':
          this.#isLoggedIn = true;
          this.write(`${tag} OK [CAPABILITY ${after}] logged in\r\n`);
          break;
        case 'LOGOUT':
          this.write(`* BYE see you\r\n${tag} OK done\r\n`);
          this.end();
          break;
        default:
          this.write(`${tag} OK done\r\n`);
      }
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
