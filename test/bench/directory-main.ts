// The one directory behind every contender of the case ldap: a process of its own that takes any Bind, and answers a search with one
// small entry, or as many with a picture as the base says (`ou=4000,ou=pictures,…`). It looks at as little as possible.

import { type AddressInfo, createServer, type Socket } from 'node:net';
import { encodeEntry, encodeResult } from '../../src/protocols/ldap/responses.ts';
import { encodeMessage, OP, readHead } from '../../src/protocols/ldap/wire.ts';

const SMALL = entry('warm0', {});
/** 2.5 KB, as small portraits are. */
const WITH_PICTURE = entry('warm0', { jpegPhoto: [Buffer.alloc(2500, 0xff)] });
const PICTURES = /ou=(\d+),ou=pictures/;
/** Octets that are written at a time. */
const BLOCK = 65_536;

function entry(uid: string, more: Record<string, Buffer[]>): Buffer {
  const attributes: Record<string, Buffer[]> = {
    objectClass: ['inetOrgPerson', 'organizationalPerson', 'person', 'top'].map((name) => Buffer.from(name)),
    uid: [Buffer.from(uid)],
    cn: [Buffer.from('Alice Example')],
    sn: [Buffer.from('Example')],
    givenName: [Buffer.from('Alice')],
    mail: [Buffer.from(`${uid}@example.com`)],
    telephoneNumber: [Buffer.from('+49 30 1234567')],
    ou: [Buffer.from('Sales')],
    ...more,
  };
  return encodeEntry({
    dn: `uid=${uid},ou=people,dc=example,dc=com`,
    attributes: Object.entries(attributes).map(([type, values]) => ({ type, values })),
  });
}

class Session {
  readonly #socket: Socket;
  #kept: Buffer | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', () => socket.destroy());
  }

  #onData(chunk: Buffer): void {
    const bytes = this.#kept === undefined ? chunk : Buffer.concat([this.#kept, chunk]);
    this.#kept = undefined;
    let at = 0;
    while (at < bytes.length) {
      const head = readHead(bytes, at);
      if (head === 'malformed') {
        this.#socket.destroy();
        return;
      }
      if (head === undefined || at + head.total > bytes.length) {
        this.#kept = bytes.subarray(at);
        return;
      }
      this.#answer(head.messageId, head.op, bytes.subarray(at, at + head.total));
      at += head.total;
    }
  }

  #answer(id: number, op: number, message: Buffer): void {
    switch (op) {
      case OP.bindRequest:
        this.#socket.write(encodeResult(id, OP.bindResponse, 0));
        return;
      case OP.searchRequest: {
        const pictures = PICTURES.exec(message.toString('latin1', 0, 100))?.[1];
        if (pictures !== undefined) void this.#give(id, Number(pictures));
        else
          this.#socket.write(
            Buffer.concat([encodeMessage(id, SMALL), encodeResult(id, OP.searchResultDone, 0)]),
          );
        return;
      }
      case OP.unbindRequest:
        this.#socket.end();
        return;
      case OP.extendedRequest:
        this.#socket.write(encodeResult(id, OP.extendedResponse, 2));
        return;
    }
  }

  async #give(id: number, count: number): Promise<void> {
    const one = encodeMessage(id, WITH_PICTURE);
    const many = Math.floor(BLOCK / one.length);
    const block = Buffer.concat(Array.from({ length: many }, () => one));
    for (let left = count; left > 0; left -= many) {
      const flows = this.#socket.write(left >= many ? block : block.subarray(0, left * one.length));
      if (!flows) await new Promise((resolve) => this.#socket.once('drain', resolve));
    }
    this.#socket.write(encodeResult(id, OP.searchResultDone, 0));
  }
}

const server = createServer({ noDelay: true }, (socket) => new Session(socket));
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.once('disconnect', () => process.exit());
