// An SMTP client that is all about being cheap. It waits for each answer, as programs that send mail do.

import type { Socket } from 'node:net';
import type { Target } from './jobs.ts';
import { connectImplicit } from './tls.ts';

const BLOCK = 65_536;
const messages = new Map<number, Buffer>();

export class SmtpClient {
  readonly #socket: Socket;
  #text = '';
  #resolve: ((line: string) => void) | undefined;
  #reject: ((error: Error) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      this.#look();
    });
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the connection was closed')));
  }

  /** Resolves when it is logged in. */
  static async connect(
    target: Target,
    { from, user, password }: { from: string; user: string; password: string },
  ): Promise<SmtpClient> {
    const client = new SmtpClient(connectImplicit(target, from));
    client.#expect('220', await client.#reply());
    await client.#command('EHLO client.example', '250');
    await client.#command(`AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString('base64')}`, '235');
    return client;
  }

  /** Resolves when it was taken. */
  async send(sender: string, octets: number): Promise<void> {
    await this.#command(`MAIL FROM:<${sender}>`, '250');
    await this.#command('RCPT TO:<bob@example.net>', '250');
    await this.#command('DATA', '354');
    const message = messageOf(octets);
    const taken = this.#reply();
    for (let at = 0; at < message.length; at += BLOCK) {
      const flows = this.#socket.write(message.subarray(at, at + BLOCK));
      if (!flows && at + BLOCK < message.length) {
        // Whoever closes in the middle of a message is heard by `taken`.
        await Promise.race([new Promise((resolve) => this.#socket.once('drain', resolve)), taken]);
      }
    }
    this.#expect('250', await taken);
  }

  async quit(): Promise<void> {
    await this.#command('QUIT', '221');
    this.destroy();
  }

  destroy(): void {
    this.#reject = undefined;
    this.#socket.destroy();
  }

  async #command(line: string, code: string): Promise<void> {
    this.#socket.write(`${line}\r\n`);
    this.#expect(code, await this.#reply());
  }

  #expect(code: string, line: string): void {
    if (!line.startsWith(code)) throw new Error(`${code} was expected, and not ${line}`);
  }

  /** The last line of the next reply. */
  #reply(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#look();
    });
  }

  #look(): void {
    for (;;) {
      const end = this.#text.indexOf('\r\n');
      const resolve = this.#resolve;
      if (end === -1 || resolve === undefined) return;
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      if (line[3] === '-') continue;
      this.#resolve = undefined;
      this.#reject = undefined;
      resolve(line);
    }
  }

  #fail(error: Error): void {
    const reject = this.#reject;
    this.#reject = undefined;
    this.#resolve = undefined;
    reject?.(error);
  }
}

/** With its end: a header, and lines of 76 characters as an attachment has them. */
function messageOf(octets: number): Buffer {
  let message = messages.get(octets);
  if (message === undefined) {
    const header = 'From: alice\r\nTo: bob@example.net\r\nSubject: a message\r\n\r\n';
    const line = `${'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg'.padEnd(76, 'A')}\r\n`;
    const lines = line.repeat(Math.ceil((octets - header.length) / line.length));
    message = Buffer.from(`${(header + lines).slice(0, octets - 2)}\r\n.\r\n`, 'latin1');
    messages.set(octets, message);
  }
  return message;
}
