// The portal's listening server: how many connections there may be, how long they may take, and what headers every answer has.

import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Events } from '../events.ts';
import { limitConnections } from '../listen/http-connections.ts';
import { PORTAL_CONNECTIONS, type PortalTerms } from './terms.ts';

const MOST_CONNECTIONS_PER_NETWORK = 60;
const MOST_HEADER = 16_384;
/**
 * Milliseconds. `idle`: in which nothing comes and nothing goes, such as an answer that is not read; a sign-in waits for four answers of
 * the provider at most, of `oidc.timeout` each, which is 30 s at most.
 */
const DEADLINES = { headers: 5_000, request: 10_000, keepAlive: 5_000, idle: 130_000, check: 1_000 };

/** A server that bounds connections, by network too unless they come from a trusted proxy. */
export function httpServer(
  { certificate }: Pick<PortalTerms, 'certificate'>,
  events: Pick<Events, 'portalRejected'>,
  isProxy: (address: string) => boolean,
  deadlines: Readonly<typeof DEADLINES> = DEADLINES,
): Server | TlsServer {
  const options = { connectionsCheckingInterval: deadlines.check, maxHeaderSize: MOST_HEADER };
  const server =
    certificate === null
      ? createServer(options)
      : createTlsServer({ ...options, ...certificate, handshakeTimeout: deadlines.headers });
  // Fastify sets none of these on a server that it did not make.
  server.headersTimeout = deadlines.headers;
  server.requestTimeout = deadlines.request;
  server.keepAliveTimeout = deadlines.keepAlive;
  server.timeout = deadlines.idle;
  limitConnections(server, {
    most: PORTAL_CONNECTIONS,
    perNetwork: MOST_CONNECTIONS_PER_NETWORK,
    isProxy,
    onRejected: () => events.portalRejected('connections'),
  });
  return server;
}

/** For @fastify/helmet. */
export function securityHeaders(publicUrl: string) {
  const isSecure = publicUrl.startsWith('https:');
  return {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        manifestSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    frameguard: { action: 'deny' },
    // Not no-referrer: browsers would then send `Origin: null` with our own forms, and Origin is what tells them from others'.
    referrerPolicy: { policy: 'same-origin' },
    strictTransportSecurity: isSecure ? { maxAge: 31_536_000, includeSubDomains: false } : false,
    crossOriginOpenerPolicy: { policy: 'same-origin' },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    crossOriginEmbedderPolicy: true,
  } as const;
}
