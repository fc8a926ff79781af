// Accepts connections on one address: limits, the deadline before login, TLS from the first byte or by STARTTLS; then
// the protocol's dialogue has the connection. Protocols come in as a `ProtocolServer`.

import { createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Events } from '../events.ts';
import { canonicalAddress } from '../lib/network.ts';
import { Connection, type Interruption } from './connection.ts';
import { closeWith } from './goodbye.ts';
import type { ConnectionLimits, Place } from './limits.ts';
import { looksLikeTls, type ServerTls, startServerTls } from './tls.ts';

export interface ProtocolServer {
  /** Speaks the dialogue; settles when the connection is over or has become a session. Never rejects. */
  serve(connection: Connection): Promise<void>;
  /** What helps a client that speaks plaintext on a TLS port, judged by its first bytes; null: nothing does. */
  plaintextOnTlsPort(first: Buffer): string | null;
}

export interface ListenerSettings {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tls: 'implicit' | 'starttls';
}

export interface ListenerDeps {
  readonly limits: ConnectionLimits;
  /** Asked at each handshake, so that a new certificate serves new connections. */
  readonly serverTls: () => ServerTls;
  readonly protocol: ProtocolServer;
  readonly events: Events;
  /** Milliseconds from accept to the end of the login. */
  readonly loginDeadline: number;
  readonly newId: () => string;
}

export class Listener {
  readonly settings: ListenerSettings;
  readonly #deps: ListenerDeps;
  readonly #server: Server;
  readonly #beforeLogin = new Set<Connection>();

  constructor(settings: ListenerSettings, deps: ListenerDeps) {
    this.settings = settings;
    this.#deps = deps;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) =>
      this.#accept(socket),
    );
  }

  /** Resolves with the port once it listens; rejects with Node's error (EADDRINUSE, EACCES). */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: this.settings.host, port: this.settings.port, backlog: 1024 }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.#deps.events.acceptFailed(this.settings.name, error));
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : this.settings.port);
      });
    });
  }

  /** Accepts no more, and asks every dialogue that waits for its client to say goodbye. Sessions go on. */
  close(): void {
    this.#server.close();
    for (const connection of this.#beforeLogin) interrupt(connection, 'shutdown');
  }

  /** Connections that have not logged in. */
  get beforeLogin(): number {
    return this.#beforeLogin.size;
  }

  /** Drops every connection that has not logged in. */
  dropBeforeLogin(): void {
    for (const connection of this.#beforeLogin) connection.socket.destroy();
  }

  #accept(socket: Socket): void {
    socket.on('error', ignoreError);
    const { events, limits } = this.#deps;
    const address = canonicalAddress(socket.remoteAddress ?? '');
    // A client that reset the connection before we got to it has no address any more.
    if (address === undefined) {
      socket.destroy();
      return;
    }
    const place = limits.enter(address);
    if (typeof place === 'string') {
      events.connectionRejected({ listener: this.settings.name, address, bound: place });
      socket.destroy();
      return;
    }
    events.connectionOpened(this.settings.name);
    void this.#run(this.#connection(socket, address, place));
  }

  #connection(socket: Socket, address: string, place: Place): Connection {
    const { events, loginDeadline, newId, serverTls } = this.#deps;
    const loggedIn = () => {
      clearTimeout(deadline);
      this.#beforeLogin.delete(connection);
      place.loggedIn();
    };
    const connection = new Connection({
      id: newId(),
      listener: this.settings.name,
      client: { address, port: socket.remotePort ?? 0 },
      socket,
      secure: (plain) => this.#secure(plain, serverTls()),
      loggedIn,
    });
    const deadline = setTimeout(() => interrupt(connection, 'deadline'), loginDeadline);
    this.#beforeLogin.add(connection);
    socket.once('close', () => {
      loggedIn();
      place.leave();
      events.connectionClosed(this.settings.name);
    });
    return connection;
  }

  async #secure(socket: Socket, tls: ServerTls): Promise<TLSSocket> {
    const secured = await startServerTls(socket, tls.context);
    this.#deps.events.tlsStarted(this.settings.name, secured.getProtocol() ?? 'unknown');
    return secured;
  }

  async #run(connection: Connection): Promise<void> {
    const { events, protocol } = this.#deps;
    if (this.settings.tls === 'implicit') {
      const started = await this.#startImplicitTls(connection);
      if (!started) return;
    } else {
      this.#noticeTlsOnPlainPort(connection);
    }
    try {
      await protocol.serve(connection);
    } catch (error) {
      events.internalError('dialogue', error);
      connection.socket.destroy();
    }
  }

  async #startImplicitTls(connection: Connection): Promise<boolean> {
    const { events, protocol } = this.#deps;
    const { socket } = connection;
    const first = await firstBytes(socket);
    if (first === undefined) {
      socket.destroy();
      return false;
    }
    if (!looksLikeTls(first)) {
      events.tlsMistake(connection, 'plaintext_on_tls_port');
      const answer = protocol.plaintextOnTlsPort(first);
      if (answer === null) socket.destroy();
      else closeWith(socket, answer);
      return false;
    }
    socket.unshift(first);
    try {
      await connection.startTls();
      return true;
    } catch (error) {
      events.tlsFailed(connection, error);
      socket.destroy();
      return false;
    }
  }

  #noticeTlsOnPlainPort(connection: Connection): void {
    const { socket } = connection;
    socket.once('data', (first: Buffer) => {
      if (!looksLikeTls(first)) return;
      this.#deps.events.tlsMistake(connection, 'tls_on_starttls_port');
      socket.destroy();
    });
  }
}

function interrupt(connection: Connection, why: Interruption): void {
  const { onInterrupt } = connection;
  connection.onInterrupt = undefined;
  if (onInterrupt === undefined) connection.socket.destroy();
  else onInterrupt(why);
}

function firstBytes(socket: Socket): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const done = (chunk?: Buffer) => {
      socket.pause();
      socket.off('data', done);
      socket.off('end', ended);
      socket.off('close', ended);
      resolve(chunk);
    };
    const ended = () => done(undefined);
    socket.on('data', done);
    socket.on('end', ended);
    socket.on('close', ended);
  });
}

function ignoreError(): void {
  // 'close' follows and is handled; the handler is here so that no error is ever without one.
}
