// The mail server behind Postern in the sandbox: `smtp-server`, on loopback. Whatever it is sent, to whomever, lands in the one
// mailbox; no mail leaves. It has one account, which Postern logs in to for every user.

import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import { Secret } from '../lib/secret.ts';

export interface MailServer extends AsyncDisposable {
  readonly port: number;
  readonly user: string;
  readonly password: Secret;
}

/** Octets of a message. */
const MAX_MESSAGE = 25_000_000;

/** Any free port of 127.0.0.1. */
export async function startMailServer(deliver: (message: Buffer) => void): Promise<MailServer> {
  const user = 'sandbox';
  const password = randomBytes(16).toString('hex');
  const server = new SMTPServer({
    banner: 'the sandbox',
    size: MAX_MESSAGE,
    authMethods: ['PLAIN'],
    // Postern is on the same machine.
    allowInsecureAuth: true,
    hideSTARTTLS: true,
    disableReverseLookup: true,
    closeTimeout: 1000,
    onAuth({ username, password: given }, _session, answer) {
      if (username === user && given === password) answer(null, { user });
      else answer(new Error('Wrong user or password'));
    },
    onData(stream, _session, answer) {
      buffer(stream).then((message) => {
        if (stream.sizeExceeded) {
          answer(Object.assign(new Error('Message is too big'), { responseCode: 552 }));
          return;
        }
        deliver(message);
        answer();
      }, answer);
    },
  });
  // A client that resets its connection is none of the sandbox's business.
  server.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.server.address() as AddressInfo).port,
    user,
    password: new Secret(password),
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(resolve)),
  };
}
