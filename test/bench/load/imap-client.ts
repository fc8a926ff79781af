// An IMAP client that is all about being cheap: one line of the answer is looked for, nothing is parsed.

import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import type { Target } from './jobs.ts';
import { tlsOptions } from './tls.ts';

export interface ConnectOptions {
  /** Own address, so that limits for each network are met as by clients of many networks. */
  readonly from: string;
  /** A TLS session to resume. */
  readonly session?: Buffer | undefined;
  readonly onSession?: (session: Buffer) => void;
}

export class ImapClient {
  readonly socket: Socket;
  #text = '';
  #looksFor = '';
  #resolve: ((line: string) => void) | undefined;
  #reject: ((error: Error) => void) | undefined;
  #tags = 0;
  /** While bytes are counted instead of being read. */
  #toCount = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the connection was closed')));
  }

  /** Resolves when the greeting has come, over TLS unless the target's is `none`. */
  static async connect(target: Target, options: ConnectOptions): Promise<ImapClient> {
    const where = { host: '127.0.0.1', port: target.port, localAddress: options.from };
    if (target.tls === 'implicit') {
      const socket = connectTls({ ...where, ...tlsOptions(target, options) });
      listenForSession(socket, options);
      socket.setNoDelay(true);
      const client = new ImapClient(socket);
      await client.#line('* OK');
      return client;
    }
    const tcp = connectTcp({ ...where, noDelay: true });
    const clear = new ImapClient(tcp);
    await clear.#line('* OK');
    if (target.tls === 'none') return clear;
    await clear.command('STARTTLS');
    tcp.removeAllListeners('data');
    const socket = connectTls({ socket: tcp, ...tlsOptions(target, options) });
    listenForSession(socket, options);
    const client = new ImapClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      client.#reject = reject;
    });
    return client;
  }

  get isResumed(): boolean {
    return this.socket instanceof TLSSocket && this.socket.isSessionReused();
  }

  async login(user: string, password: string): Promise<void> {
    const answer = await this.command(`LOGIN ${user} ${password}`);
    if (!/^t\d+ OK/.test(answer)) throw new Error(`the login was answered with ${answer}`);
  }

  /** Resolves with the tagged line. */
  command(text: string): Promise<string> {
    this.#tags += 1;
    const tag = `t${this.#tags}`;
    this.socket.write(`${tag} ${text}\r\n`);
    return this.#line(tag);
  }

  /** Resolves when the server has answered and closed. */
  async logout(): Promise<void> {
    await this.command('LOGOUT');
    this.destroy();
  }

  async download(bytes: number): Promise<void> {
    this.#toCount = bytes;
    await this.command(`GIVE ${bytes}`);
  }

  async upload(bytes: number): Promise<void> {
    const block = Buffer.alloc(65_536, 'y');
    this.#tags += 1;
    const tag = `t${this.#tags}`;
    this.socket.write(`${tag} TAKE ${bytes}\r\n`);
    await this.#line('+');
    const taken = this.#line(tag);
    for (let left = bytes; left > 0; left -= block.length) {
      const flows = this.socket.write(left >= block.length ? block : block.subarray(0, left));
      if (!flows) await new Promise((resolve) => this.socket.once('drain', resolve));
    }
    await taken;
  }

  destroy(): void {
    this.#reject = undefined;
    this.socket.destroy();
  }

  /** The next line that begins so; others are passed over. */
  #line(beginning: string): Promise<string> {
    this.#looksFor = beginning;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#look();
    });
  }

  #onData(chunk: Buffer): void {
    if (this.#toCount > 0) {
      this.#toCount -= chunk.length;
      if (this.#toCount >= 0) return;
      this.#text = chunk.toString('latin1', chunk.length + this.#toCount);
      this.#toCount = 0;
    } else {
      this.#text += chunk.toString('latin1');
    }
    this.#look();
  }

  #look(): void {
    for (;;) {
      const end = this.#text.indexOf('\r\n');
      if (end === -1) return;
      const line = this.#text.slice(0, end);
      const resolve = this.#resolve;
      if (resolve === undefined) return;
      this.#text = this.#text.slice(end + 2);
      if (!line.startsWith(this.#looksFor)) continue;
      this.#resolve = undefined;
      this.#reject = undefined;
      resolve(line);
      return;
    }
  }

  #fail(error: Error): void {
    const reject = this.#reject;
    this.#reject = undefined;
    this.#resolve = undefined;
    reject?.(error);
  }
}

function listenForSession(socket: TLSSocket, { onSession }: ConnectOptions): void {
  if (onSession !== undefined) socket.once('session', onSession);
}
