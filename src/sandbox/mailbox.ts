// The server behind Postern in the sandbox: the `hoodiecrow-imap` mailbox, in memory, on loopback. It has one account, which
// Postern logs in to for every user.

import { randomBytes } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import hoodiecrow from 'hoodiecrow-imap';
import { Secret } from '../lib/secret.ts';

export interface Mailbox extends AsyncDisposable {
  readonly port: number;
  readonly user: string;
  readonly password: Secret;
  /** Puts a message into INBOX. */
  deliver(message: Buffer): void;
}

/** STARTTLS is left out: its certificate has expired. */
const PLUGINS = ['ID', 'SASL-IR', 'AUTH-PLAIN', 'LITERALPLUS', 'NAMESPACE', 'ENABLE'].concat([
  'IDLE',
  'UIDPLUS',
  'MOVE',
  'UNSELECT',
  'SPECIAL-USE',
]);

/** Any free port of 127.0.0.1; some mail is there already. */
export async function startMailbox(): Promise<Mailbox> {
  const user = 'sandbox';
  const password = randomBytes(16).toString('hex');
  const server = hoodiecrow({
    plugins: PLUGINS,
    id: { name: 'hoodiecrow' },
    users: { [user]: { password } },
    storage: {
      INBOX: {
        messages: [message(1, 'Welcome'), message(2, 'Postern is in between'), message(3, 'No mail leaves')],
      },
      '': {
        separator: '/',
        folders: {
          Drafts: { 'special-use': '\\Drafts' },
          Sent: { 'special-use': '\\Sent' },
          Trash: { 'special-use': '\\Trash' },
        },
      },
    },
  });
  // Each connection is a listener of its own: with more than ten Node would warn of a leak.
  server.setMaxListeners(0);
  const open = new Set<Socket>();
  server.server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.server.address() as AddressInfo;
  return {
    port,
    user,
    password: new Secret(password),
    deliver: (message) => server.appendMessage('INBOX', [], new Date(), message.toString('latin1')),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function message(number: number, subject: string): { raw: string; flags: string[] } {
  const lines = [
    'From: The sandbox <sandbox@example.com>',
    'To: demo@example.com',
    `Subject: ${subject}`,
    `Message-ID: <${number}@sandbox.example.com>`,
    `Date: Thu, 0${number} Jan 2026 12:00:00 +0000`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'This mailbox lives in memory. Everyone at example.com shares it, and it is gone when the sandbox stops.',
    '',
  ];
  return { raw: lines.join('\r\n'), flags: [] };
}
