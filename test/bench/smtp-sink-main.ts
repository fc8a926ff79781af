// The one SMTP server behind every contender of the case smtp: a process of its own that takes whatever it gets, throws it away, and
// looks at as little of it as possible. It believes whoever connects what XCLIENT says.

import { type AddressInfo, createServer, type Socket } from 'node:net';

const EXTENSIONS = [
  'sink.example',
  'PIPELINING',
  'SIZE 52428800',
  '8BITMIME',
  'ENHANCEDSTATUSCODES',
  'XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT',
];
const EHLO = EXTENSIONS.map((line, i) => `250${i === EXTENSIONS.length - 1 ? ' ' : '-'}${line}\r\n`).join('');
const END = Buffer.from('\r\n.\r\n');

class Session {
  readonly #socket: Socket;
  #text = '';
  #isInData = false;
  /** The last octets of the data so far. */
  #tail: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => (this.#isInData ? this.#onMessage(chunk) : this.#onText(chunk)));
    socket.on('error', () => socket.destroy());
    socket.write('220 sink.example ESMTP\r\n');
  }

  /** Clients wait for the answer to a message, so its end is the end of what has come. */
  #onMessage(chunk: Buffer): void {
    this.#tail =
      chunk.length >= END.length
        ? chunk.subarray(-END.length)
        : Buffer.concat([this.#tail, chunk]).subarray(-END.length);
    if (!this.#tail.equals(END)) return;
    this.#isInData = false;
    this.#tail = Buffer.alloc(0);
    this.#socket.write('250 2.0.0 Ok: queued as 4W1XyZ0Abc\r\n');
  }

  #onText(chunk: Buffer): void {
    this.#text += chunk.toString('latin1');
    let answers = '';
    for (let end = this.#text.indexOf('\r\n'); end !== -1; end = this.#text.indexOf('\r\n')) {
      answers += this.#answer(this.#text.slice(0, 4).toUpperCase());
      this.#text = this.#text.slice(end + 2);
    }
    if (answers !== '') this.#socket.write(answers);
  }

  #answer(verb: string): string {
    switch (verb) {
      case 'EHLO':
        return EHLO;
      case 'HELO':
        return '250 sink.example\r\n';
      case 'XCLI':
        return '220 sink.example ESMTP\r\n';
      case 'DATA':
        this.#isInData = true;
        return '354 End data with <CR><LF>.<CR><LF>\r\n';
      case 'QUIT':
        this.#socket.end('221 2.0.0 Bye\r\n');
        return '';
      default:
        return '250 2.1.0 Ok\r\n';
    }
  }
}

const server = createServer({ noDelay: true }, (socket) => new Session(socket));
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.once('disconnect', () => process.exit());
