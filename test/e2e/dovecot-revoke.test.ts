// What the command line changes, the running program honours: at once for logins, and soon for live sessions (how soon is in
// test/unit/store/processes.test.ts).

import { afterAll, beforeAll, expect, test } from 'vitest';
import { curl } from '../support/mail-clients.ts';
import { type Chain, startPosternBeforeDovecot } from '../support/postern-before-dovecot.ts';
import { connect, type Transcript } from '../support/transcript.ts';

let chain: Chain;
beforeAll(async () => {
  chain = await startPosternBeforeDovecot();
});
afterAll(() => chain?.[Symbol.asyncDispose]());

const LOGIN_DENIED = 67;

/** A session that has selected INBOX and waits in IDLE. */
async function idleSession(user: string, password: string): Promise<Transcript> {
  const c = await connect({ port: chain.postern.ports.imaps, tls: true, ca: chain.pki.ca.cert });
  await c.expect('* OK [CAPABILITY …');
  await c.send(`a LOGIN ${user} "${password}"\r\nb SELECT INBOX\r\nc IDLE\r\n`);
  await c.expectUntil('a OK …');
  await c.expectUntil('b OK …');
  await c.expect('+ idling');
  return c;
}

test('revoking an app password ends its sessions, and those only', async () => {
  const phone = await chain.postern.createPassword('alice@example.com');
  const laptop = await chain.postern.createPassword('alice@example.com');
  await using lost = await idleSession('alice@example.com', phone.password);
  await using kept = await idleSession('alice@example.com', laptop.password);

  await chain.postern.revoke(phone.id);
  await lost.closed();
  await kept.quiet(1000);
  await kept.send('DONE\r\nd LOGOUT\r\n');
  await kept.expectUntil('d OK …');
});

test('a revoked app password does not log in again, not even while it is remembered', async () => {
  const made = await chain.postern.createPassword('carol@example.com');
  const direct = chain.direct('carol@example.com');
  const account = { ...direct, port: chain.postern.ports.imaps, password: made.password };
  expect((await curl(account, '', '--request', 'NOOP')).code).toBe(0);
  await chain.postern.revoke(made.id);
  expect((await curl(account, '', '--request', 'NOOP')).code).toBe(LOGIN_DENIED);
});

test('disabling a user ends all sessions of that user; enabling lets new ones in', async () => {
  const { password } = await chain.postern.createPassword('dave@example.com');
  await using one = await idleSession('dave@example.com', password);
  await using two = await idleSession('dave@example.com', password);
  const account = { ...chain.direct('dave@example.com'), port: chain.postern.ports.imaps, password };

  expect((await chain.postern.cli(['user', 'disable', 'dave@example.com'])).code).toBe(0);
  await Promise.all([one.closed(), two.closed()]);
  expect((await curl(account, '', '--request', 'NOOP')).code).toBe(LOGIN_DENIED);

  expect((await chain.postern.cli(['user', 'enable', 'dave@example.com'])).code).toBe(0);
  expect((await curl(account, '', '--request', 'NOOP')).code).toBe(0);
});

test('sessions list shows a session, sessions end ends it, and the app password stays good', async () => {
  const { id, password } = await chain.postern.createPassword('erin@example.com');
  await using session = await idleSession('erin@example.com', password);
  const list = await chain.postern.cli(['sessions', 'list', '--user', 'erin@example.com', '--json']);
  const [entry, ...others] = JSON.parse(list.stdout);
  expect(others).toEqual([]);
  expect(entry).toMatchObject({ user: 'erin@example.com', protocol: 'imap', passwordId: id });

  expect((await chain.postern.cli(['sessions', 'end', entry.id])).code).toBe(0);
  await session.closed();
  await using again = await idleSession('erin@example.com', password);
  await again.quiet(50);
});
