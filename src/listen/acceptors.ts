// Listens on one address, with several sockets where the system can share a port among them (SO_REUSEPORT, socket(7)).
//
// Node takes one connection from a listening socket in each turn of its event loop (measured with Node 24.21, libuv 1.52). When a
// flood makes turns long, the connections of others wait in the kernel's queue for seconds, although there is time to take them:
// several sockets give as many in a turn.

import { createServer, type Server, type Socket } from 'node:net';

const SOCKETS = 4;
/**
 * Connections that the kernel holds for each socket while we are busy; it takes net.core.somaxconn if that is less. Past it a
 * client is not heard, and tries again a second later (RFC 6298 §2.1).
 */
const BACKLOG = 4096;
/**
 * Milliseconds of silence before the kernel asks a client whether it is still there; ten times, a second apart, then the connection is
 * closed. The NAT before a phone forgets it without a word, and the sessions that it has left there would be as many as a user may
 * have (`limits.perUser`). No more often: Dovecot says something to a client in IDLE as often as that, and each time wakes a phone.
 */
const KEEP_ALIVE_AFTER = 120_000;

export class Acceptors {
  readonly #onConnection: (socket: Socket) => void;
  readonly #onError: (error: Error) => void;
  #servers: Server[] = [];

  /** `onError`: a connection could not be taken, for want of file descriptors, say. */
  constructor(onConnection: (socket: Socket) => void, onError: (error: Error) => void) {
    this.#onConnection = onConnection;
    this.#onError = onError;
  }

  /** Gives the port; rejects with Node's error (EADDRINUSE, EACCES). */
  async listen({ host, port }: { host: string; port: number }): Promise<number> {
    // First one that does not share: were the port in use by another Postern, the system would share it without a word.
    const alone = await this.#open({ host, port });
    const got = portOf(alone, port);
    this.#servers = (await this.#share(alone, host, got)) ?? [await this.#open({ host, port: got })];
    return got;
  }

  /** Takes no more connections. */
  close(): void {
    for (const server of this.#servers) server.close();
  }

  /** Replaces the one by several; undefined, and none is left, where the system cannot do that. */
  async #share(alone: Server, host: string, port: number): Promise<Server[] | undefined> {
    await new Promise((resolve) => alone.close(resolve));
    const servers: Server[] = [];
    try {
      for (let i = 0; i < SOCKETS; i++) servers.push(await this.#open({ host, port, reusePort: true }));
      return servers;
    } catch {
      for (const server of servers) server.close();
      return undefined;
    }
  }

  #open(where: { host: string; port: number; reusePort?: boolean }): Promise<Server> {
    const options = {
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_AFTER,
    };
    const server = createServer(options, this.#onConnection);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ ...where, backlog: BACKLOG }, () => {
        server.off('error', reject);
        server.on('error', this.#onError);
        resolve(server);
      });
    });
  }
}

function portOf(server: Server, wanted: number): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : wanted;
}
