// The one IMAP server behind every contender: a process of its own that knows what the bench needs and as little else as
// possible. It takes any login. Beyond IMAP it knows three commands that make bytes flow:
//
//   tag GIVE n      n bytes, then "tag OK"
//   tag TAKE n      "+ go ahead", then n bytes from the client, then "tag OK"
//   tag ECHO text   "* text", then "tag OK"
//
// Its capabilities before login are those of a Dovecot, so that a proxy that tells an upstream about its client (IMAP ID) does so.

import { type AddressInfo, createServer, type Socket } from 'node:net';

const BEFORE_LOGIN = 'IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN';
const AFTER_LOGIN = 'IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ UIDPLUS';
const GREETING = `* OK [CAPABILITY ${BEFORE_LOGIN}] ready\r\n`;
const BLOCK = Buffer.alloc(65_536, 'x');
const LITERAL = /\{(\d+)(\+?)\}$/;

class Session {
  readonly #socket: Socket;
  #text = '';
  /** Bytes of a TAKE that are still to come. */
  #toTake = 0;
  #tag = '';
  #isLoggedIn = false;
  /** A command whose literals are still to come. */
  #begun = '';
  /** Octets of a literal that are still to come. */
  #literal = 0;
  /** The tag of an AUTHENTICATE that waits for its message. */
  #waiting: string | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', () => socket.destroy());
    socket.write(GREETING);
  }

  #onData(chunk: Buffer): void {
    if (this.#toTake > 0) {
      this.#toTake -= chunk.length;
      if (this.#toTake <= 0) this.#socket.write(`${this.#tag} OK taken\r\n`);
      return;
    }
    this.#text += chunk.toString('latin1');
    for (;;) {
      if (this.#literal > 0) {
        if (this.#text.length < this.#literal) return;
        this.#begun += this.#text.slice(0, this.#literal);
        this.#text = this.#text.slice(this.#literal);
        this.#literal = 0;
      }
      const end = this.#text.indexOf('\r\n');
      if (end === -1) return;
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      this.#onLine(line);
    }
  }

  #onLine(line: string): void {
    if (this.#waiting !== undefined) {
      this.#loggedIn(this.#waiting);
      this.#waiting = undefined;
      return;
    }
    const literal = this.#isLoggedIn ? null : LITERAL.exec(line);
    if (literal !== null) {
      this.#begun += line;
      this.#literal = Number(literal[1]);
      if (literal[2] === '') this.#socket.write('+ OK\r\n');
      return;
    }
    const command = this.#begun + line;
    this.#begun = '';
    const [tag = '', name = '', argument = ''] = command.split(' ', 3);
    switch (name.toUpperCase()) {
      case 'NOOP':
        this.#socket.write(`${tag} OK done\r\n`);
        return;
      case 'ECHO':
        this.#socket.write(`* ${argument}\r\n${tag} OK done\r\n`);
        return;
      case 'CAPABILITY':
        this.#socket.write(
          `* CAPABILITY ${this.#isLoggedIn ? AFTER_LOGIN : BEFORE_LOGIN}\r\n${tag} OK done\r\n`,
        );
        return;
      case 'ID':
        this.#socket.write(`* ID NIL\r\n${tag} OK done\r\n`);
        return;
      case 'LOGIN':
        this.#loggedIn(tag);
        return;
      case 'AUTHENTICATE':
        if (command.split(' ').length > 3) this.#loggedIn(tag);
        else {
          this.#waiting = tag;
          this.#socket.write('+ \r\n');
        }
        return;
      case 'LOGOUT':
        this.#socket.end(`* BYE bye\r\n${tag} OK done\r\n`);
        return;
      case 'GIVE':
        void this.#give(tag, Number(argument));
        return;
      case 'TAKE':
        this.#tag = tag;
        this.#toTake = Number(argument);
        this.#socket.write('+ go ahead\r\n');
        return;
      default:
        this.#socket.write(`${tag} BAD unknown\r\n`);
    }
  }

  #loggedIn(tag: string): void {
    this.#isLoggedIn = true;
    this.#socket.write(`${tag} OK [CAPABILITY ${AFTER_LOGIN}] logged in\r\n`);
  }

  async #give(tag: string, bytes: number): Promise<void> {
    for (let left = bytes; left > 0; left -= BLOCK.length) {
      const flows = this.#socket.write(left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left));
      if (!flows) await new Promise((resolve) => this.#socket.once('drain', resolve));
    }
    this.#socket.write(`${tag} OK given\r\n`);
  }
}

const server = createServer({ noDelay: true }, (socket) => new Session(socket));
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.once('disconnect', () => process.exit());
