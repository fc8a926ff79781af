// The connections of an HTTP server, bounded as those of mail clients are (limits.ts): who has not sent a whole header is silent, and
// gives way to others; who waits for an answer never does. What of a body is still to come, and an answer that is not read, is talk.

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { canonicalAddress } from '../lib/network.ts';
import { ConnectionLimits } from './limits.ts';
import type { Place } from './place.ts';

export interface HttpConnections {
  readonly most: number;
  /** From one network, unless that is a proxy's. */
  readonly perNetwork: number;
  /** Whether an address speaks for many clients. */
  readonly isProxy?: (address: string) => boolean;
  /** One was closed, because there are too many. */
  readonly onRejected?: () => void;
}

/** To be called before the server has another listener for requests. */
export function limitConnections(
  server: Server | TlsServer,
  { most, perNetwork, isProxy = () => false, onRejected = () => {} }: HttpConnections,
): void {
  const limits = new ConnectionLimits({ connections: most, beforeLogin: most, perNetwork });
  const places = new Map<string, Place>();
  server.on('connection', (socket: Socket) => {
    const address = canonicalAddress(socket.remoteAddress ?? '');
    const place = address === undefined || isProxy(address) ? limits.enterUnnamed() : limits.enter(address);
    if (typeof place === 'string') {
      onRejected();
      socket.destroy();
      return;
    }
    place.onGivenWay = () => {
      onRejected();
      socket.destroy();
    };
    const ends = endsOf(socket);
    places.set(ends, place);
    socket.once('close', () => {
      if (places.get(ends) === place) places.delete(ends);
      place.leave();
    });
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    // With TLS it is another object than the one that was accepted.
    const place = places.get(endsOf(request.socket));
    if (place === undefined) return;
    place.heard();
    const isAnswered = () => place.attempting(false);
    if (hasBody(request)) request.once('end', () => place.attempting(!response.writableEnded));
    else place.attempting(true);
    // All of the answer has been given to the connection, whether the client takes it or not.
    response.once('prefinish', isAnswered);
    response.once('close', isAnswered);
  });
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** RFC 9112 §6.3. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
