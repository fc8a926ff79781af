// How the generator's clients do TLS: 1.3, whatever the certificate.

import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { Target } from './jobs.ts';

const contexts = new Map<string, SecureContext>();

export function tlsOptions({ groups = 'X25519' }: Target, { session }: { session?: Buffer | undefined }) {
  let secureContext = contexts.get(groups);
  if (secureContext === undefined) {
    secureContext = createSecureContext({ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ecdhCurve: groups });
    contexts.set(groups, secureContext);
  }
  // What the server's certificate is good for is not what is measured.
  return { secureContext, rejectUnauthorized: false, ...(session === undefined ? {} : { session }) };
}

/** TLS from the first byte. What is written before the handshake is over waits for it. */
export function connectImplicit(target: Target, from: string): TLSSocket {
  const where = { host: '127.0.0.1', port: target.port, localAddress: from };
  const socket = connect({ ...where, ...tlsOptions(target, {}) });
  socket.setNoDelay(true);
  return socket;
}
