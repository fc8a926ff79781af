// One client's connection, from accept until its session has taken it over.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Place } from './place.ts';
import type { Endpoint, ProxyHeader } from './proxy-protocol.ts';

export interface TlsFacts {
  /** `TLSv1.2`, `TLSv1.3` */
  readonly version: string;
  readonly cipher: string;
}

/** Why a dialogue is broken off by the listener. */
export type Interruption = 'deadline' | 'shutdown';

export class Connection {
  /** Names the connection in every log line, and the session after it. */
  readonly id: string;
  /** The listener's name in the config. */
  readonly listener: string;
  /** Where the client is: the peer, or whom a balancer speaks for. */
  client: Endpoint;
  /** What the client has connected to: us, or the balancer. */
  destination: Endpoint;
  /** The balancer's address, if there is one in between. */
  balancer: string | null = null;
  /** How the listener's clients get TLS; `none`: not at all, and they may log in without. */
  readonly tlsMode: 'implicit' | 'starttls' | 'none';
  /** A balancer's own connection, or one of a client that it cannot name: nobody can log in on it. */
  isHealthCheck = false;
  /** An attempt to log in has failed on it. */
  hasFailed = false;
  socket: Socket;
  tls: TlsFacts | null = null;
  /** Called at most once; set by the dialogue that is under way. */
  onInterrupt: ((why: Interruption) => void) | undefined;
  #secure: ((socket: Socket) => Promise<TLSSocket>) | undefined;
  readonly #place: Pick<Place, 'heard' | 'attempting'>;
  readonly #loggedIn: () => void;
  readonly #loggedOut: () => void;

  constructor(options: {
    id: string;
    listener: string;
    client: Endpoint;
    destination: Endpoint;
    socket: Socket;
    tlsMode?: Connection['tlsMode'];
    secure: (socket: Socket) => Promise<TLSSocket>;
    place: Pick<Place, 'heard' | 'attempting'>;
    loggedIn: () => void;
    loggedOut: () => void;
  }) {
    this.id = options.id;
    this.listener = options.listener;
    this.client = options.client;
    this.destination = options.destination;
    this.socket = options.socket;
    this.tlsMode = options.tlsMode ?? 'starttls';
    this.#secure = options.secure;
    this.#place = options.place;
    this.#loggedIn = options.loggedIn;
    this.#loggedOut = options.loggedOut;
  }

  /** The peer is a trusted balancer: from now on the connection is that of whom its header names. */
  proxied(header: ProxyHeader): void {
    this.balancer = this.client.address;
    if (header.kind === 'local') {
      this.isHealthCheck = true;
      return;
    }
    this.client = header.source;
    this.destination = header.destination;
  }

  /** Whether a password may be said on it now. */
  get mayLogIn(): boolean {
    return this.tls !== null || this.tlsMode === 'none';
  }

  /**
   * Replaces the socket by its TLS form. The caller has detached from the plain one and thrown away what it had read
   * from it (STARTTLS; RFC 3501 §6.2.1), or put back what it had only looked at (implicit TLS).
   */
  async startTls(): Promise<void> {
    const secure = this.#secure;
    if (secure === undefined) throw new Error('TLS is on already');
    this.#secure = undefined;
    const secured = await secure(this.socket);
    this.socket = secured;
    this.tls = { version: secured.getProtocol() ?? 'unknown', cipher: secured.getCipher().name };
  }

  /** The client has said a whole line, message or ClientHello: it does not give way to the next one that comes (limits.ts). */
  heard(): void {
    this.#place.heard();
  }

  /** Its login is under way, and may take as long as it takes; or has failed. */
  attempting(isUnderWay: boolean): void {
    this.#place.attempting(isUnderWay);
  }

  /** The wait before login is over: its deadline and its place among those that wait are given back. */
  loggedIn(): void {
    this.onInterrupt = undefined;
    this.#loggedIn();
  }

  /** It is nobody's again (LDAP): it has a deadline and a place among those that wait, as at first. `onInterrupt` is set. */
  loggedOut(): void {
    this.#loggedOut();
  }
}
