// Accepts connections on one address: limits, the deadline before login, a balancer's PROXY header, TLS from the first byte
// or by STARTTLS; then the protocol's dialogue has the connection. Protocols come in as a `ProtocolServer`.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Events } from '../events.ts';
import { canonicalAddress, NetworkSet } from '../lib/network.ts';
import type { SpokenProtocol } from '../lib/protocol.ts';
import { Acceptors } from './acceptors.ts';
import { helloIn } from './client-hello.ts';
import { Connection, type Interruption } from './connection.ts';
import { closeWith } from './goodbye.ts';
import type { ConnectionLimits } from './limits.ts';
import type { Place } from './place.ts';
import { readProxyHeader } from './proxy-header.ts';
import { type Endpoint, looksLikeProxyHeader } from './proxy-protocol.ts';
import { looksLikeTls, type ServerTls, startServerTls } from './tls.ts';

export interface ProtocolServer {
  /** Speaks the dialogue; settles when the connection is over or has become a session. Never rejects. */
  serve(connection: Connection): Promise<void>;
  /** What helps a client that speaks plaintext on a TLS port, judged by its first bytes; null: nothing does. */
  plaintextOnTlsPort(first: Buffer): string | Buffer | null;
}

export interface ListenerSettings {
  readonly name: string;
  readonly protocol: SpokenProtocol;
  readonly host: string;
  readonly port: number;
  /** `none`: passwords travel in clear, for closed networks. */
  readonly tls: 'implicit' | 'starttls' | 'none';
  /** Networks of balancers: every connection from there begins with a PROXY header, none from elsewhere does. */
  readonly proxyProtocol: readonly string[];
}

/** What a connection is served with. It keeps what was in force when it was accepted. */
export interface Terms {
  readonly serverTls: ServerTls;
  readonly protocols: Readonly<Record<SpokenProtocol, ProtocolServer>>;
  /** Milliseconds from accept to the end of the login. */
  readonly loginDeadline: number;
}

export interface ListenerDeps {
  readonly limits: ConnectionLimits;
  /** Asked for each connection that is accepted. */
  readonly terms: () => Terms;
  readonly events: Events;
  /** Milliseconds from accept to the end of a balancer's PROXY header. */
  readonly proxyHeaderDeadline: number;
  readonly newId: () => string;
}

/** What was in force when a connection was accepted. */
interface Accepted extends Omit<Terms, 'protocols'> {
  readonly listener: ListenerSettings;
  readonly protocol: ProtocolServer;
}

export class Listener {
  readonly #deps: ListenerDeps;
  readonly #acceptors: Acceptors;
  #settings: ListenerSettings;
  #balancers: NetworkSet;
  #port: number;
  #acceptFails = false;
  readonly #beforeLogin = new Set<Connection>();
  #isClosed = false;

  constructor(settings: ListenerSettings, deps: ListenerDeps) {
    this.#settings = settings;
    this.#port = settings.port;
    this.#deps = deps;
    this.#balancers = new NetworkSet(settings.proxyProtocol);
    this.#acceptors = new Acceptors(
      (socket) => this.#accept(socket),
      (error) => this.#acceptFailed(error),
    );
  }

  get settings(): ListenerSettings {
    return this.#settings;
  }

  /** The one that it listens on, also if the settings say any. */
  get port(): number {
    return this.#port;
  }

  /** Other settings for connections that are accepted from now on. The address is the same. */
  configure(settings: ListenerSettings): void {
    this.#settings = settings;
    this.#balancers = new NetworkSet(settings.proxyProtocol);
  }

  /** Resolves once it listens; rejects with Node's error (EADDRINUSE, EACCES). */
  async listen(): Promise<void> {
    this.#port = await this.#acceptors.listen(this.#settings);
  }

  /** Accepts no more. Dialogues and sessions go on. */
  retire(): void {
    this.#acceptors.close();
  }

  /** Accepts no more, and asks every dialogue that waits for its client to say goodbye. Sessions go on. */
  close(): void {
    this.retire();
    this.#isClosed = true;
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
    if (!this.#acceptFails) this.#deps.events.acceptFailed(this.#settings.name, error);
    this.#acceptFails = true;
  }

  #accept(socket: Socket): void {
    this.#acceptFails = false;
    socket.on('error', ignoreError);
    const { events, limits, terms } = this.#deps;
    const listener = this.#settings;
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
      events.connectionRejected({ listener: listener.name, address, bound: place });
      socket.destroy();
      return;
    }
    events.connectionOpened(listener.name);
    const { serverTls, loginDeadline, protocols } = terms();
    const accepted = { serverTls, loginDeadline, listener, protocol: protocols[listener.protocol] };
    const connection = this.#connection(socket, { client: peer, destination: local, place }, accepted);
    void this.#run(connection, accepted, fromBalancer ? place : undefined);
  }

  #connection(
    socket: Socket,
    { client, destination, place }: { client: Endpoint; destination: Endpoint; place: Place },
    { listener, serverTls, loginDeadline }: Accepted,
  ): Connection {
    const { events, newId } = this.#deps;
    const loggedIn = () => {
      clearTimeout(deadline);
      this.#beforeLogin.delete(connection);
      place.loggedIn();
    };
    const wait = () => setTimeout(() => interrupt(connection, 'deadline'), loginDeadline);
    const loggedOut = () => {
      if (socket.destroyed || connection.socket.destroyed) return;
      clearTimeout(deadline);
      deadline = wait();
      this.#beforeLogin.add(connection);
      place.loggedOut();
      if (this.#isClosed) interrupt(connection, 'shutdown');
    };
    const connection = new Connection({
      id: newId(),
      listener: listener.name,
      client,
      destination,
      socket,
      tlsMode: listener.tls,
      secure: (plain) => this.#secure(plain, listener, serverTls),
      place,
      loggedIn,
      loggedOut,
    });
    let deadline = wait();
    place.onGivenWay = (bound) => {
      events.connectionRejected({ listener: listener.name, address: connection.client.address, bound });
      connection.socket.destroy();
    };
    this.#beforeLogin.add(connection);
    socket.once('close', () => {
      loggedIn();
      place.leave();
      events.connectionClosed(listener.name);
    });
    return connection;
  }

  async #secure(socket: Socket, listener: ListenerSettings, tls: ServerTls): Promise<TLSSocket> {
    const secured = await startServerTls(socket, tls.context);
    this.#deps.events.tlsStarted(listener.name, secured.getProtocol() ?? 'unknown');
    return secured;
  }

  /** `unnamed`: the connection's place, if a balancer has yet to name the client that it is for. */
  async #run(
    connection: Connection,
    { listener, protocol }: Accepted,
    unnamed: Place | undefined,
  ): Promise<void> {
    const { events } = this.#deps;
    if (unnamed !== undefined && !(await this.#learnClient(connection, unnamed))) return;
    if (listener.tls === 'implicit') {
      const started = await this.#startImplicitTls(connection, protocol);
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

  async #startImplicitTls(connection: Connection, protocol: ProtocolServer): Promise<boolean> {
    const { events } = this.#deps;
    const { socket } = connection;
    const first = await firstBytes(socket, helloIn);
    if (first === undefined) {
      socket.destroy();
      return false;
    }
    if (looksLikeProxyHeader(first) === 'yes') {
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
    if (helloIn(first) === 'whole') connection.heard();
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

  /** Looks on while the dialogue reads: the first octets tell. */
  #noticeMistakesOnPlainPort(connection: Connection): void {
    const { events } = this.#deps;
    const { socket } = connection;
    let first: Buffer = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      first = Buffer.concat([first, chunk]);
      const proxyHeader = looksLikeProxyHeader(first);
      if (proxyHeader === 'perhaps') return;
      socket.off('data', onData);
      if (looksLikeTls(first)) events.tlsMistake(connection, 'tls_on_starttls_port');
      else if (proxyHeader === 'yes') events.proxyHeaderRefused(connection, unwanted(connection));
      else return;
      socket.destroy();
    };
    socket.on('data', onData);
  }
}

function interrupt(connection: Connection, why: Interruption): void {
  const { onInterrupt } = connection;
  connection.onInterrupt = undefined;
  if (onInterrupt === undefined) connection.socket.destroy();
  else onInterrupt(why);
}

/** What the client says first, until `look` needs no more of it; undefined: it has gone before. */
function firstBytes(socket: Socket, look: (bytes: Buffer) => string): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    let first: Buffer = Buffer.alloc(0);
    const done = (bytes?: Buffer) => {
      socket.pause();
      socket.off('data', onData);
      socket.off('end', ended);
      socket.off('close', ended);
      resolve(bytes);
    };
    const onData = (chunk: Buffer) => {
      first = first.length === 0 ? chunk : Buffer.concat([first, chunk]);
      if (look(first) !== 'more') done(first);
    };
    const ended = () => done(undefined);
    socket.on('data', onData);
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
