// Postern's upstream side before a real Postfix: what XCLIENT makes Postfix believe, by its own log.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { openSmtpUpstream, type SmtpLogin, type SmtpUpstream } from '../../src/protocols/smtp/upstream.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { type Postfix, startPostfix } from '../support/postfix.ts';

/** As long as Postfix takes: 255 octets in xtext. */
const LONGEST = `${'ü'.repeat(20)}@${'d'.repeat(60)}.${'e'.repeat(60)}.example`;

let pki: Pki;
let postfix: Postfix;
beforeAll(async () => {
  pki = await createPki();
  postfix = await startPostfix({ certificate: await pki.issue() });
});
afterAll(async () => {
  await postfix?.[Symbol.asyncDispose]();
  pki?.[Symbol.dispose]();
});

const target = (more: Partial<SmtpUpstream> = {}): SmtpUpstream => ({
  name: 'postfix',
  addresses: [{ host: 'localhost', port: postfix.port }],
  tls: 'starttls',
  ca: pki.ca.cert,
  serverName: null,
  fingerprint: null,
  connectDeadline: 10_000,
  loginDeadline: 10_000,
  sendClientAddress: 'secure',
  login: { method: 'xclient' },
  onConnected: () => {},
  onFailed: () => {},
  ...more,
});

const facts = (more: Partial<SmtpLogin> = {}): SmtpLogin => ({
  user: 'alice@example.com',
  client: { address: '203.0.113.5', port: 50_123 },
  destination: { address: '127.0.0.1', port: 587 },
  sessionId: 's-1',
  hostname: 'mail.example.com',
  helo: 'laptop',
  signal: new AbortController().signal,
  clock: systemClock,
  ...more,
});

/** Sends one message; gives the answers' codes, and the queue id. */
async function send(login: Partial<SmtpLogin>, more: Partial<SmtpUpstream> = {}, subject = 'hello') {
  const session = await openSmtpUpstream(target(more), facts(login));
  const mail = await session.command('MAIL FROM:<alice@example.com>');
  const rcpt = await session.command('RCPT TO:<bob@example.org>');
  const data = await session.command('DATA');
  session.write(Buffer.from(`Subject: ${subject}\r\n\r\n`));
  const answer = await session.endData(Buffer.from('..dot\r\n.\r\n'));
  session.quit();
  expect([mail, rcpt, data, answer].map(({ code }) => code)).toEqual([250, 250, 354, 250]);
  return /queued as (\w+)/.exec(answer.lines[0]!)![1]!;
}

describe('XCLIENT', () => {
  test.each<[string, Partial<SmtpLogin>, Partial<SmtpUpstream>, string]>([
    [
      'the client’s address, and the user as sasl_username',
      {},
      {},
      'client=unknown[203.0.113.5], sasl_method=XCLIENT, sasl_username=alice@example.com',
    ],
    [
      'an IPv6 client, a user that needs xtext',
      { client: { address: '2001:db8::5', port: 1 }, user: 'a+b@example.com' },
      {},
      // It knows IPv4 alone.
      'client=unknown[unknown], sasl_method=XCLIENT, sasl_username=a+b@example.com',
    ],
    [
      'the longest user',
      { user: LONGEST, helo: 'é'.repeat(200) },
      {},
      `client=unknown[203.0.113.5], sasl_method=XCLIENT, sasl_username=${LONGEST}`,
    ],
    [
      'the user alone, where the address is not told',
      { user: 'quiet@example.com' },
      { sendClientAddress: 'never' },
      'client=unknown[127.0.0.1], sasl_method=XCLIENT, sasl_username=quiet@example.com',
    ],
    [
      'a client that lies in its HELO',
      { helo: 'x LOGIN=root@example.com\r\nXCLIENT LOGIN=root', user: 'liar@example.com' },
      {},
      'client=unknown[203.0.113.5], sasl_method=XCLIENT, sasl_username=liar@example.com',
    ],
  ])('%s', async (_, login, more, logged) => {
    const id = await send(login, more);
    const line = await postfix.logged(new RegExp(`${id}: client=.*`));
    expect(line[0]).toContain(`${id}: ${logged}`);
    await expect.poll(() => postfix.sink.messages.length).toBeGreaterThan(0);
  });
});

test('a Postfix that does not believe Postern is not used, and says why not', async () => {
  await using strict = await startPostfix({ certificate: await pki.issue(), xclientHosts: '192.0.2.1' });
  const opening = openSmtpUpstream(
    target({ addresses: [{ host: 'localhost', port: strict.port }] }),
    facts(),
  );
  await expect(opening).rejects.toMatchObject({
    reason: 'upstream_protocol',
    message: expect.stringContaining('smtpd_authorized_xclient_hosts'),
  });
  await strict.logged(/disconnect from unknown\[127\.0\.0\.1\] ehlo=2 starttls=1/);
  expect(strict.log()).not.toMatch(/ mail=| auth=/);
});
