// Accepts connections on one address: limits, the deadline before login, a balancer's PROXY header, TLS from the first byte
// or by STARTTLS; then the protocol's dialogue has the connection. Protocols come in as a `ProtocolServer`.

import { createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Events } from '../events.ts';
import { canonicalAddress, NetworkSet } from '../lib/network.ts';
import { Connection, type Interruption } from './connection.ts';
import { closeWith } from './goodbye.ts';
import type { ConnectionLimits, Place } from './limits.ts';
import { readProxyHeader } from './proxy-header.ts';
import { type Endpoint, looksLikeProxyHeader } from './proxy-protocol.ts';
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
  /** Networks of balancers: every connection from there begins with a PROXY header, none from elsewhere does. */
  readonly proxyProtocol: readonly string[];
}

export interface ListenerDeps {
  readonly limits: ConnectionLimits;
  /** Asked at each handshake, so that a new certificate serves new connections. */
  readonly serverTls: () => ServerTls;
  readonly protocol: ProtocolServer;
  readonly events: Events;
  /** Milliseconds from accept to the end of the login. */
  readonly loginDeadline: number;
  /** Milliseconds from accept to the end of a balancer's PROXY header. */
  readonly proxyHeaderDeadline: number;
  readonly newId: () => string;
}

export class Listener {
  readonly settings: ListenerSettings;
  readonly #deps: ListenerDeps;
  readonly #server: Server;
  readonly #balancers: NetworkSet;
  #acceptFails = false;
  readonly #beforeLogin = new Set<Connection>();

  constructor(settings: ListenerSettings, deps: ListenerDeps) {
    this.settings = settings;
    this.#deps = deps;
    this.#balancers = new NetworkSet(settings.proxyProtocol);
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
        this.#server.on('error', (error) => this.#acceptFailed(error));
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

  /** Out of file descriptors, say. It can come for each of a thousand connections: one line until one is accepted again. */
  #acceptFailed(error: Error): void {
    if (!this.#acceptFails) this.#deps.events.acceptFailed(this.settings.name, error);
    this.#acceptFails = true;
  }

  #accept(socket: Socket): void {
    this.#acceptFails = false;
    socket.on('error', ignoreError);
    const { events, limits } = this.#deps;
    const peer = endpoint(socket.remoteAddress, socket.remotePort);
    const local = endpoint(socket.localAddress, socket.localPort);
    // A client that reset the connection before we got to it has no address any more.
    if (peer === undefined || local === undefined) {
      socket.destroy();
      return;
    }
    const { address } = peer;
    const fromBalancer = !this.#balancers.isEmpty && this.#balancers.has(address);
    const place = fromBalancer ? limits.enterUnnamed() : limits.enter(address);
    if (typeof place === 'string') {
      events.connectionRejected({ listener: this.settings.name, address, bound: place });
      socket.destroy();
      return;
    }
    events.connectionOpened(this.settings.name);
    void this.#run(this.#connection(socket, peer, local, place), fromBalancer ? place : undefined);
  }

  #connection(socket: Socket, client: Endpoint, destination: Endpoint, place: Place): Connection {
    const { events, loginDeadline, newId, serverTls } = this.#deps;
    const loggedIn = () => {
      clearTimeout(deadline);
      this.#beforeLogin.delete(connection);
      place.loggedIn();
    };
    const connection = new Connection({
      id: newId(),
      listener: this.settings.name,
      client,
      destination,
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

  /** `unnamed`: the connection's place, if a balancer has yet to name the client that it is for. */
  async #run(connection: Connection, unnamed: Place | undefined): Promise<void> {
    const { events, protocol } = this.#deps;
    if (unnamed !== undefined && !(await this.#learnClient(connection, unnamed))) return;
    if (this.settings.tls === 'implicit') {
      const started = await this.#startImplicitTls(connection);
      if (!started) return;
    } else {
      this.#noticeMistakesOnPlainPort(connection);
    }
    try {
      await protocol.serve(connection);
    } catch (error) {
      events.internalError('dialogue', error);
      connection.socket.destroy();
    }
  }

  async #learnClient(connection: Connection, place: Place): Promise<boolean> {
    const { events, proxyHeaderDeadline } = this.#deps;
    const { socket } = connection;
    const header = await readProxyHeader(socket, proxyHeaderDeadline);
    if (typeof header === 'string') {
      events.proxyHeaderRefused(connection, header);
      socket.destroy();
      return false;
    }
    connection.proxied(header);
    const { client, isHealthCheck, listener } = connection;
    if (!isHealthCheck && !place.name(client.address)) {
      events.connectionRejected({ listener, address: client.address, bound: 'perNetwork' });
      socket.destroy();
    }
    return !socket.destroyed;
  }

  async #startImplicitTls(connection: Connection): Promise<boolean> {
    const { events, protocol } = this.#deps;
    const { socket } = connection;
    const first = await firstBytes(socket);
    if (first === undefined) {
      socket.destroy();
      return false;
    }
    if (looksLikeProxyHeader(first)) {
      events.proxyHeaderRefused(connection, unwanted(connection));
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

  #noticeMistakesOnPlainPort(connection: Connection): void {
    const { events } = this.#deps;
    const { socket } = connection;
    socket.once('data', (first: Buffer) => {
      if (looksLikeTls(first)) events.tlsMistake(connection, 'tls_on_starttls_port');
      else if (looksLikeProxyHeader(first)) events.proxyHeaderRefused(connection, unwanted(connection));
      else return;
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
    // Reading a PROXY header has left it paused.
    socket.resume();
  });
}

/** Why a PROXY header should not be where it is. */
function unwanted({ balancer }: Connection): 'untrusted' | 'second' {
  return balancer === null ? 'untrusted' : 'second';
}

function endpoint(address = '', port = 0): Endpoint | undefined {
  const canonical = canonicalAddress(address);
  return canonical === undefined ? undefined : { address: canonical, port };
}

function ignoreError(): void {
  // 'close' follows and is handled; the handler is here so that no error is ever without one.
}
