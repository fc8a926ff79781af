// The state of one dialogue before login, and how to talk in it. The commands get it as their first argument.

import type { Events } from '../../events.ts';
import type { Connection } from '../../listen/connection.ts';
import { closeWith } from '../../listen/goodbye.ts';
import type { AdmissionDeps } from '../admission.ts';
import type { OfferedCapabilities } from './capabilities.ts';
import { FrameReader } from './frame-reader.ts';
import { CLEAR_BOUNDS, CLIENT_BOUNDS, Framer } from './framer.ts';
import { GOODBYES, type Goodbye, preLoginCapabilities } from './replies.ts';
import type { ImapUpstream } from './upstream.ts';
import type { IdFields } from './wire.ts';

export interface ImapDeps extends AdmissionDeps {
  readonly upstreams: ReadonlyMap<string, ImapUpstream>;
  readonly capabilities: OfferedCapabilities;
  readonly events: Events;
  /** Failed attempts after which the connection is closed. */
  readonly attemptsPerConnection: number;
  /** Milliseconds without a byte in either direction that end a session. */
  readonly idle: number;
}

/** What follows a command: the next one, or nothing, since the connection is closed or has become a session. */
export type Next = 'go on' | 'over';

export class Dialogue {
  readonly connection: Connection;
  readonly deps: ImapDeps;
  reader: FrameReader;
  /** What the client's ID said before login, without what it may not say. */
  clientId: IdFields | undefined;
  failedAttempts = 0;
  /** As they were when the client came: it hears the same, however often it asks. */
  readonly #offered: string;

  constructor(connection: Connection, deps: ImapDeps) {
    this.connection = connection;
    this.deps = deps;
    this.#offered = deps.capabilities.offered();
    this.reader = this.#open();
  }

  get capabilities(): string {
    return preLoginCapabilities(this.connection, this.#offered);
  }

  /** Lines of text, each closed with CRLF. */
  write(...lines: string[]): void {
    this.connection.socket.write(`${lines.join('\r\n')}\r\n`);
  }

  reply(tag: string, text: string): Next {
    this.write(`${tag} ${text}`);
    return 'go on';
  }

  /** `* BYE` and the end of the connection. */
  goodbye(why: Goodbye): Next {
    return this.close(`* BYE ${GOODBYES[why]}`);
  }

  /** Some last lines, and the end of the connection. */
  close(...lines: string[]): Next {
    this.reader.detach();
    closeWith(this.connection.socket, `${lines.join('\r\n')}\r\n`);
    return 'over';
  }

  /** The client has said its last word. It still gets the answers that are on their way. */
  hangUp(): Next {
    this.reader.detach();
    closeWith(this.connection.socket, '');
    return 'over';
  }

  /** Closes without a word. */
  drop(): Next {
    this.reader.detach();
    this.connection.socket.destroy();
    return 'over';
  }

  /**
   * RFC 3501 §6.2.1: what came in clear behind STARTTLS is thrown away, and so is all that was learnt
   * (CVE-2021-33515, CVE-2014-3556).
   */
  async startTls(tag: string): Promise<void> {
    this.reader.detach();
    this.write(`${tag} OK Begin TLS negotiation now`);
    this.clientId = undefined;
    // Nobody reads during the handshake: a deadline that comes then destroys the connection.
    this.connection.onInterrupt = undefined;
    await this.connection.startTls();
    this.reader = this.#open();
  }

  #open(): FrameReader {
    const bounds = this.connection.mayLogIn ? CLIENT_BOUNDS : CLEAR_BOUNDS;
    const reader = new FrameReader(this.connection.socket, new Framer('announced', bounds));
    this.connection.onInterrupt = (why) => reader.interrupt(why);
    return reader;
  }
}
