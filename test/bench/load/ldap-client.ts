// An LDAP client that is all about being cheap: of an answer, only the heads of its messages are looked at, and the last one's code.

import type { Socket } from 'node:net';
import { BER, encode, encodeBoolean, encodeUnsigned, lengthOctets } from '../../../src/protocols/ldap/ber.ts';
import { encodeMessage, OP, readHead } from '../../../src/protocols/ldap/wire.ts';
import type { Target } from './jobs.ts';
import { connectImplicit } from './tls.ts';

/** The code of a short LDAPResult: 0A 01 code, behind the operation's tag and length. */
const CODE = 4;
const EQUAL = 0xa3;

export class LdapClient {
  readonly #socket: Socket;
  #kept: Buffer | undefined;
  /** Octets of entries so far. */
  received = 0;
  /** Octets of a message that are still to come, and need not be looked at. */
  #toCome = 0;
  #lastId = 0;
  #resolve: ((code: number) => void) | undefined;
  #reject: ((error: Error) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the connection was closed')));
  }

  static connect(target: Target, from: string): LdapClient {
    return new LdapClient(connectImplicit(target, from));
  }

  async bind(dn: string, password: string): Promise<void> {
    const op = encode(OP.bindRequest, encodeUnsigned(3), encode(BER.octetString, dn), encode(0x80, password));
    this.#expectSuccess('the bind', await this.#ask(op));
  }

  /** `(uid=name)` below `base`. */
  async search(base: string, name: string): Promise<void> {
    const op = encode(
      OP.searchRequest,
      encode(BER.octetString, base),
      encodeUnsigned(2, BER.enumerated),
      encodeUnsigned(0, BER.enumerated),
      encodeUnsigned(0),
      encodeUnsigned(0),
      encodeBoolean(false),
      encode(EQUAL, encode(BER.octetString, 'uid'), encode(BER.octetString, name)),
      encode(BER.sequence),
    );
    this.#expectSuccess('the search', await this.#ask(op));
  }

  unbind(): void {
    this.#reject = undefined;
    this.#socket.end(encodeMessage(this.#lastId + 1, Buffer.of(OP.unbindRequest, 0)));
    // What the contender does behind an Unbind is its own matter, but it has to have got it.
    this.#socket.resume();
  }

  destroy(): void {
    this.#reject = undefined;
    this.#socket.destroy();
  }

  #ask(op: Buffer): Promise<number> {
    this.#lastId += 1;
    this.#socket.write(encodeMessage(this.#lastId, op));
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  #expectSuccess(what: string, code: number): void {
    if (code !== 0) throw new Error(`${what} was answered with ${code}`);
  }

  #onData(chunk: Buffer): void {
    this.received += chunk.length;
    let at = Math.min(chunk.length, this.#toCome);
    this.#toCome -= at;
    let bytes = chunk;
    if (this.#kept !== undefined) {
      bytes = Buffer.concat([this.#kept, chunk]);
      this.#kept = undefined;
    }
    while (at < bytes.length) {
      const head = readHead(bytes, at);
      if (head === 'malformed') {
        this.#fail(new Error('an answer is no LDAP'));
        return;
      }
      const isWhole = head !== undefined && at + head.total <= bytes.length;
      if (head === undefined || (head.op !== OP.searchResultEntry && !isWhole)) {
        this.#kept = bytes.subarray(at);
        return;
      }
      if (!isWhole) {
        this.#toCome = at + head.total - bytes.length;
        return;
      }
      if (head.op !== OP.searchResultEntry) this.#answered(bytes.subarray(at, at + head.total));
      at += head.total;
    }
  }

  #answered(message: Buffer): void {
    const id = 1 + lengthOctets(message[1] as number)!;
    const place = id + 2 + (message[id + 1] as number);
    const resolve = this.#resolve;
    this.#resolve = undefined;
    this.#reject = undefined;
    resolve?.(message[place + CODE] as number);
  }

  #fail(error: Error): void {
    const reject = this.#reject;
    this.#reject = undefined;
    this.#resolve = undefined;
    reject?.(error);
  }
}
