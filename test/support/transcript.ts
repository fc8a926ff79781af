// A client that is nobody's idea of a protocol: it sends what the test says and expects what the test says, line by line,
// so that a test reads as the transcript that it is. When an expectation fails, the error shows the dialogue so far.

import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { PATIENCE } from './patience.ts';
import { mask } from './secrets-ledger.ts';

export interface ConnectOptions {
  readonly port: number;
  /** 127.0.0.1 unless told. */
  readonly host?: string;
  /** Starts TLS at once. */
  readonly tls?: boolean;
  /** PEM of the authority that the server's certificate must be from. */
  readonly ca?: string;
  /** `localhost` unless told. */
  readonly servername?: string;
  /** The client's own address, such as `127.0.0.5`. */
  readonly localAddress?: string;
  /** Milliseconds that an answer may take; PATIENCE unless told. */
  readonly patience?: number;
}

export interface Transcript extends AsyncDisposable {
  /** The socket that is in use: TLS or plain. */
  readonly socket: Socket;
  /** Sends it as it is: the test writes its own `\r\n`. Strings are sent as UTF-8. */
  send(data: string | Uint8Array): Promise<void>;
  /**
   * Takes the next line, which must fit. In a string, `…` stands for any text; the rest must be as it is. Gives the line
   * without its line end, or the match of a regular expression.
   */
  expect(line: string): Promise<string>;
  expect(line: RegExp): Promise<RegExpExecArray>;
  /** Takes lines up to the first that fits; gives all of them, that one included. */
  expectUntil(line: string | RegExp): Promise<string[]>;
  /** Takes exactly this many bytes. */
  bytes(count: number): Promise<Buffer>;
  /** Passes if nothing comes for this many milliseconds and the connection stays open. */
  quiet(milliseconds: number): Promise<void>;
  /** Starts TLS. Throws if the server has already sent something that was not expected: it could be an injection. */
  startTls(): Promise<void>;
  /** Waits for the server's end of the connection; throws if it sends anything before that. */
  closed(): Promise<void>;
  /** Sends our end, and can still receive. */
  end(): void;
  /** Resets the connection, as a client that crashes. */
  reset(): void;
  /** The dialogue so far, secrets masked. */
  text(): string;
}

/** Throws if there is no connection, or no TLS. */
export async function connect(options: ConnectOptions): Promise<Transcript> {
  const patience = options.patience ?? PATIENCE;
  const dialogue: string[] = [];
  let received = Buffer.alloc(0);
  let isOver = false;
  let problem: Error | undefined;
  let wake = () => {};
  let socket: Socket;

  const fail = (what: string): Error => {
    const rest = received.length > 0 ? `\nreceived and not expected yet:\n${received.toString()}` : '';
    const cause = problem ? ` (${problem.message})` : '';
    return new Error(mask(`${what}${cause}\n${dialogue.join('\n')}${rest}`));
  };

  const onData = (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    wake();
  };
  const onOver = () => {
    isOver = true;
    wake();
  };
  const onError = (error: Error) => {
    problem = error;
    onOver();
  };
  const attach = (stream: Socket) => {
    socket = stream;
    stream.on('error', onError).on('data', onData).on('end', onOver).on('close', onOver);
  };
  const detach = (stream: Socket) => {
    stream.off('data', onData).off('end', onOver).off('close', onOver);
  };

  /** Waits until `done`, the end of the connection, or the end of our patience. Gives whether it is done. */
  const until = async (done: () => boolean, milliseconds: number): Promise<boolean> => {
    const deadline = Date.now() + milliseconds;
    while (!done() && !isOver && Date.now() < deadline) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - Date.now());
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return done();
  };

  const nextLine = async (expected: string | RegExp): Promise<string> => {
    const hasLine = () => received.includes('\n');
    if (!(await until(hasLine, patience))) {
      throw fail(
        `expected ${expected}, and ${isOver ? 'the connection ended' : `nothing came for ${patience} ms`}`,
      );
    }
    const end = received.indexOf('\n') + 1;
    const raw = received.subarray(0, end).toString();
    received = received.subarray(end);
    dialogue.push(`S: ${raw.replace(/\r?\n$/, '')}`);
    if (!raw.endsWith('\r\n')) throw fail('a line ends in a bare LF');
    return raw.slice(0, -2);
  };

  const secure = (over: Socket): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const tls = connectTls({
        socket: over,
        servername: options.servername ?? 'localhost',
        ...(options.ca === undefined ? {} : { ca: options.ca }),
      });
      const ended = () => reject(new Error('the connection ended during the TLS handshake'));
      tls.once('secureConnect', () => {
        tls.off('error', reject).off('close', ended);
        dialogue.push(`-- ${tls.getProtocol()}`);
        resolve(tls);
      });
      tls.once('error', reject).once('close', ended);
    });

  const raw = await plain(options);
  raw.on('error', onError);
  attach(options.tls ? await secure(raw) : raw);

  const transcript = {
    get socket() {
      return socket;
    },
    async send(data: string | Uint8Array) {
      const shown = Buffer.from(data).toString();
      const lines = shown.length > 2000 ? [`(${shown.length} characters)`] : shown.split(/\r?\n/);
      if (lines.at(-1) === '') lines.pop();
      dialogue.push(...lines.map((line) => `C: ${line}`));
      await new Promise<void>((resolve) => socket.write(data, () => resolve()));
    },
    async expect(expected: string | RegExp): Promise<string | RegExpExecArray> {
      const line = await nextLine(expected);
      const match = asPattern(expected).exec(line);
      if (match === null) throw fail(`expected ${expected}`);
      return typeof expected === 'string' ? line : match;
    },
    async expectUntil(expected: string | RegExp) {
      const lines: string[] = [];
      do lines.push(await nextLine(expected));
      while (!asPattern(expected).test(lines.at(-1)!));
      return lines;
    },
    async bytes(count: number) {
      if (!(await until(() => received.length >= count, patience))) throw fail(`expected ${count} bytes`);
      const taken = received.subarray(0, count);
      received = received.subarray(count);
      dialogue.push(`S: (${count} bytes)`);
      return taken;
    },
    async quiet(milliseconds: number) {
      if (await until(() => received.length > 0, milliseconds)) throw fail('expected nothing');
      if (isOver) throw fail('expected nothing, and the connection ended');
    },
    async startTls() {
      if (received.length > 0) throw fail('the server sent something ahead of TLS');
      detach(socket);
      attach(await secure(socket));
    },
    async closed() {
      const isOverNow = await until(() => isOver, patience);
      if (received.length > 0) throw fail('expected the end of the connection');
      if (!isOverNow) throw fail(`the connection was not closed within ${patience} ms`);
      dialogue.push('-- closed');
    },
    end: () => void socket.end(),
    // Not the TLS socket over it: Node cannot reset that.
    reset: () => void raw.resetAndDestroy(),
    text: () => mask(dialogue.join('\n')),
    async [Symbol.asyncDispose]() {
      socket.destroy();
    },
  };
  return transcript as Transcript;
}

function address({ port, host = '127.0.0.1', localAddress }: ConnectOptions) {
  return { port, host, ...(localAddress === undefined ? {} : { localAddress }) };
}

function plain(options: ConnectOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ ...address(options), noDelay: true });
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

function asPattern(expected: string | RegExp): RegExp {
  if (typeof expected !== 'string') return expected;
  const parts = expected.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}
