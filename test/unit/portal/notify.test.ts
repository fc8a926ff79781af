// Mail to users about their app passwords, through a real SMTP server.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterEach, describe, expect, test } from 'vitest';
import { Secret } from '../../../src/lib/secret.ts';
import type { PasswordRecord } from '../../../src/passwords/record.ts';
import { deletedMail, type MailFacts } from '../../../src/portal/mail-text.ts';
import { MailNotify } from '../../../src/portal/notify.ts';
import type { MailTerms, PortalTerms } from '../../../src/portal/terms.ts';
import { createPki } from '../../support/pki.ts';
import { newRecord } from '../../support/records.ts';
import { ledger } from '../../support/secrets-ledger.ts';
import { alice, bob } from './harness.ts';

const PASSWORD = ledger('brombeer-wein-1712');

const record = (name: string): PasswordRecord => ({
  ...newRecord({ user: alice, name }),
  revokedAt: null,
  lastUsed: null,
  lastRefused: null,
});

const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
});

interface Received {
  readonly from: string;
  readonly to: string[];
  readonly text: string;
  readonly secure: boolean;
}

async function server(options: SMTPServerOptions = {}) {
  const received: Received[] = [];
  const smtp = new SMTPServer({
    authOptional: true,
    logger: false,
    async onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
      const { mailFrom, rcptTo } = session.envelope;
      received.push({
        from: mailFrom === false ? '' : mailFrom.address,
        to: rcptTo.map(({ address }) => address),
        text: Buffer.concat(chunks).toString(),
        secure: session.secure,
      });
      callback();
    },
    ...options,
  });
  smtp.on('error', () => {});
  smtp.listen(0, '127.0.0.1');
  await once(smtp.server, 'listening');
  cleanUp.push(() => new Promise((resolve) => smtp.close(() => resolve())));
  return { port: (smtp.server.address() as AddressInfo).port, received };
}

function notify(mail: Partial<MailTerms> | null, retries: readonly number[] = [20, 20]) {
  const results: string[] = [];
  const terms = {
    settings: { publicUrl: 'https://portal.example.com', help: 'Call 1234.' },
    mail:
      mail === null
        ? null
        : {
            from: 'postern@example.com',
            host: '127.0.0.1',
            port: 1,
            tls: 'none',
            login: null,
            ca: null,
            ...mail,
          },
  } as unknown as PortalTerms;
  const sender = new MailNotify({
    terms: () => terms,
    clock: { now: () => Date.UTC(2026, 0, 2, 3, 4), monotonic: () => 0 },
    events: { portalMail: (result, user, detail) => results.push(`${result} ${user} ${detail}`) },
    retries,
  });
  cleanUp.push(() => sender[Symbol.dispose]());
  return { sender, results };
}

const facts = { by: alice, from: '192.0.2.7' };

describe('mail', () => {
  test('tells of an app password that was made: which, when, from where', async () => {
    const { port, received } = await server();
    const { sender, results } = notify({ port });
    sender.created(record("Dad's laptop"), facts);
    await expect.poll(() => results).toEqual(['sent alice@example.com null']);
    expect(received[0]).toMatchObject({ from: 'postern@example.com', to: ['alice@example.com'] });
    const { text = '' } = received[0] ?? {};
    expect(text).toMatch(/^Subject: A new app password was made for your account\r$/m);
    expect(text).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(text).toContain("Name:  Dad's laptop");
    expect(text).toContain('2026-01-02 03:04 UTC');
    expect(text).toContain('192.0.2.7');
    expect(text).toContain('https://portal.example.com/');
    expect(text).toContain('Call 1234.');
    expect(text).not.toContain('administrator');
  });

  test('tells of those that an admin deleted, in one message', async () => {
    const { port, received } = await server();
    const { sender, results } = notify({ port });
    sender.deleted([record('Phone'), record('Scanner')], { by: bob, from: '192.0.2.8' });
    sender.deleted([], facts);
    await expect.poll(() => results).toEqual(['sent alice@example.com null']);
    expect(received[0]?.text).toMatch(/These 2 app passwords of alice@example\.com were deleted/);
    expect(received[0]?.text).toContain('bob@example.com, an administrator');
  });

  test('a name cannot become a header or a second message', async () => {
    const { port, received } = await server();
    const { sender, results } = notify({ port });
    sender.created(record('.\r\n.\r\nBcc: eve@example.com'), facts);
    await expect.poll(() => results).toEqual(['sent alice@example.com null']);
    expect(received).toHaveLength(1);
    expect(received[0]?.to).toEqual(['alice@example.com']);
    const [head = ''] = (received[0]?.text ?? '').split('\r\n\r\n');
    expect(head).not.toMatch(/eve/);
  });

  test('logs in over TLS, with the authorities of the config', async () => {
    using pki = await createPki();
    const { cert, key } = await pki.issue();
    const seen: unknown[] = [];
    const { port, received } = await server({
      cert,
      key,
      authOptional: false,
      onAuth({ username, password }, _session, callback) {
        seen.push(username, password === PASSWORD);
        callback(null, { user: 'postern' });
      },
    });
    const login = { user: 'postern', password: new Secret(PASSWORD) };
    const { sender, results } = notify({ port, tls: 'starttls', login, ca: pki.ca.cert });
    sender.created(record('Phone'), facts);
    await expect.poll(() => results).toEqual(['sent alice@example.com null']);
    expect(seen).toEqual(['postern', true]);
    expect(received[0]?.secure).toBe(true);
    // And to nobody whose certificate is not trusted.
    const stranger = notify({ port, tls: 'starttls', login }, []);
    stranger.sender.created(record('Phone'), facts);
    await expect.poll(() => stranger.results).toHaveLength(1);
    expect(stranger.results[0]).toMatch(/^failed alice@example\.com /);
    expect(received).toHaveLength(1);
  });

  test('is tried again when the server is busy, and given up after so many tries', async () => {
    let busy = 2;
    const { port, received } = await server({
      onMailFrom(_address, _session, callback) {
        if (busy-- > 0) callback(Object.assign(new Error('later'), { responseCode: 451 }));
        else callback();
      },
    });
    const { sender, results } = notify({ port });
    sender.created(record('Phone'), facts);
    await expect.poll(() => results.at(-1)).toBe('sent alice@example.com null');
    expect(results.slice(0, 2)).toEqual(Array(2).fill('retried alice@example.com status 451'));
    expect(received).toHaveLength(1);
    busy = 100;
    sender.created(record('Scanner'), facts);
    await expect.poll(() => results.at(-1)).toBe('failed alice@example.com status 451');
    expect(received).toHaveLength(1);
  });

  test('is not tried again when the server says never', async () => {
    const { port } = await server({
      onRcptTo(_address, _session, callback) {
        callback(Object.assign(new Error('no such user'), { responseCode: 550 }));
      },
    });
    const { sender, results } = notify({ port });
    sender.created(record('Phone'), facts);
    await expect.poll(() => results).toEqual(['failed alice@example.com status 550']);
  });

  test('nobody waits for a server that is not there, and a thousand messages are the most that wait', async () => {
    const { sender, results } = notify({ port: 1 }, [60_000]);
    for (let n = 0; n < 1500; n++) sender.created(record(`Phone ${n}`), facts);
    // All in one turn of the event loop: nothing was waited for.
    expect(results.filter((result) => result.startsWith('dropped')).length).toBeGreaterThanOrEqual(499);
    await expect.poll(() => results.some((result) => result.startsWith('retried'))).toBe(true);
  });

  test('is not sent when it is not configured', async () => {
    const { sender, results } = notify(null);
    sender.created(record('Phone'), facts);
    sender.deleted([record('Phone')], facts);
    expect(results).toEqual([]);
  });
});

test('one that was deleted, in the singular', () => {
  const at = Date.UTC(2026, 0, 2);
  const portal = 'https://portal.example.com';
  const written: MailFacts = { ...facts, at, portal, help: null };
  const { subject, text } = deletedMail([record('Phone')], alice, written);
  expect(subject).toBe('An app password of your account was deleted');
  expect(text).toContain('This app password of alice@example.com was deleted:');
});
