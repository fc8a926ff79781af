// Each business event is one log line and one metric, and what a peer sent cannot break out of its field.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printable } from '../../src/events/fields.ts';
import {
  createEvents,
  createMetrics,
  type LoginFacts,
  METRICS,
  type SessionFacts,
} from '../../src/events.ts';
import { UnavailableError } from '../../src/lib/errors.ts';
import { createLog } from '../../src/lib/log.ts';
import type { User } from '../../src/lib/user.ts';
import { parseMetrics } from '../support/metrics-text.ts';

const CONNECTION = { id: 'c1', listener: 'imaps', client: { address: '192.0.2.7', port: 40_000 } };
const LOGIN: LoginFacts = {
  protocol: 'imap',
  verdict: 'admitted',
  reason: 'none',
  user: 'alice@example.com' as User,
  passwordId: 'ap_1',
  tls: 'TLSv1.3',
  software: 'Outlook 14',
  upstream: 'dovecot',
  seconds: 0.0234567,
  answered: true,
};
const SESSION: SessionFacts = {
  id: 'c1',
  protocol: 'imap',
  user: 'alice@example.com' as User,
  passwordId: 'ap_1',
  upstream: 'dovecot',
  client: { address: '192.0.2.7', port: 40_000 },
};

function setUp(monotonic = () => 0) {
  let text = '';
  const log = createLog(
    'debug',
    new Writable({
      write(chunk, _encoding, done) {
        text += chunk;
        done();
      },
    }),
  );
  const metrics = createMetrics();
  const lines = () =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const value = async (name: string, labels?: Record<string, string>) =>
    parseMetrics((await metrics.render()).body).value(name, labels);
  return { events: createEvents({ log, metrics, clock: { monotonic } }), lines, value };
}

test('no two subjects have an event or a metric of the same name: one would hide the other', async () => {
  const folder = join(import.meta.dirname, '../../src/events');
  const { events } = setUp();
  const subjects = await Promise.all(readdirSync(folder).map((file) => import(join(folder, file))));
  const tools = { log: createLog('silent'), metrics: createMetrics(), isWorthWarning: () => true };
  const parts = subjects.flatMap((subject) => Object.entries<object | ((given: object) => object)>(subject));
  const made = parts.flatMap(([name, part]) =>
    name.endsWith('Events') && typeof part === 'function' ? Object.keys(part(tools)) : [],
  );
  const tables = parts.flatMap(([name, part]) => (name.endsWith('_METRICS') ? Object.keys(part) : []));
  expect(made.toSorted()).toEqual(Object.keys(events).toSorted());
  expect(tables.toSorted()).toEqual(Object.keys(METRICS).toSorted());
});

describe('login', () => {
  test('one line and one count', async () => {
    const { events, lines, value } = setUp();
    events.login(CONNECTION, LOGIN);
    expect(lines()).toHaveLength(1);
    expect(lines()[0]).toMatchObject({
      event: 'login',
      level: 'info',
      session: 'c1',
      listener: 'imaps',
      client: '192.0.2.7',
      clientPort: 40_000,
      ...LOGIN,
      seconds: 0.023,
    });
    expect(
      await value('postern_logins_total', { protocol: 'imap', verdict: 'admitted', reason: 'none' }),
    ).toBe(1);
    expect(await value('postern_login_seconds_sum', { protocol: 'imap' })).toBeCloseTo(0.0234567);
  });

  test('only an admitted one is timed: a refusal takes as long as the config says', async () => {
    const { events, value } = setUp();
    events.login(CONNECTION, { ...LOGIN, verdict: 'refused', reason: 'revoked', seconds: 2 });
    expect(await value('postern_logins_total', { verdict: 'refused', reason: 'revoked' })).toBe(1);
    expect(await value('postern_login_seconds_count')).toBe(0);
  });

  test('what the client calls itself is made fit for a line', () => {
    const { events, lines } = setUp();
    events.login(CONNECTION, { ...LOGIN, software: `\u001b[31mOut\r\nlook\u202e\0${'x'.repeat(1000)}` });
    expect(lines()).toHaveLength(1);
    expect(lines()[0]?.software).toMatch(/^\?\[31mOut\?\?look\?\?x+$/);
    expect(String(lines()[0]?.software)).toHaveLength(200);
  });
});

describe('session', () => {
  test('counted while it lives, and one line at its end', async () => {
    const { events, lines, value } = setUp();
    events.sessionStarted(SESSION);
    events.sessionStarted({ ...SESSION, id: 'c2' });
    expect(await value('postern_sessions', { protocol: 'imap' })).toBe(2);
    expect(lines()).toHaveLength(0);
    events.sessionEnded(SESSION, {
      reason: 'revoked',
      bytesToUpstream: 7,
      bytesToClient: 11,
      seconds: 1.23456,
    });
    expect(await value('postern_sessions', { protocol: 'imap' })).toBe(1);
    expect(await value('postern_session_bytes_total', { protocol: 'imap', direction: 'to_upstream' })).toBe(
      7,
    );
    expect(await value('postern_session_bytes_total', { protocol: 'imap', direction: 'to_client' })).toBe(11);
    expect(await value('postern_sessions_ended_total', { reason: 'revoked' })).toBe(1);
    expect(lines()).toMatchObject([
      {
        event: 'session',
        session: 'c1',
        client: '192.0.2.7',
        reason: 'revoked',
        seconds: 1.235,
        user: SESSION.user,
      },
    ]);
  });
});

describe('the store', () => {
  test('an outage of reading or writing is told once, and so is its end', async () => {
    const { events, lines, value } = setUp();
    const up = (operation: string) => value('postern_store_up', { operation });
    expect([await up('read'), await up('write')]).toEqual([1, 1]);
    events.storeChanged('write', new Error('gone', { cause: new Error('disk I/O') }));
    expect([await up('read'), await up('write')]).toEqual([1, 0]);
    events.storeChanged('write', null);
    expect([await up('read'), await up('write')]).toEqual([1, 1]);
    expect(lines()).toMatchObject([
      { event: 'store_unavailable', level: 'error', operation: 'write', error: 'gone: disk I/O' },
      { event: 'store_recovered', level: 'info', operation: 'write' },
    ]);
  });

  test("a call's failure is for debugging, unless it is a bug", () => {
    const { events, lines } = setUp();
    events.storeFailed('login', new UnavailableError('gone'));
    events.storeFailed('login', new Error('no such column'));
    events.storeFailed('login', 'not even an error');
    expect(lines()).toMatchObject([
      { event: 'store_call_failed', level: 'debug', during: 'login', error: 'gone' },
      { event: 'internal_error', level: 'error', where: 'login', error: 'no such column' },
      { event: 'internal_error', level: 'error', where: 'login' },
    ]);
  });
});

test('an upstream: up, down, up', async () => {
  const { events, lines, value } = setUp();
  const up = () => value('postern_upstream_up', { upstream: 'dovecot' });
  events.upstreamUp('dovecot', true);
  expect(await up()).toBe(1);
  events.upstreamUp('dovecot', false);
  expect(await up()).toBe(0);
  events.upstreamUp('dovecot', true);
  expect(await up()).toBe(1);
  events.upstreamConnected('dovecot', 0.01);
  expect(await value('postern_upstream_connect_seconds_count', { upstream: 'dovecot' })).toBe(1);
  expect(lines()).toEqual([]);
  events.upstreamFailed('dovecot', '192.0.2.1:993', 'certificate\r\nhas expired');
  expect(lines()).toMatchObject([{ event: 'upstream_failed', detail: 'certificate??has expired' }]);
});

test('a mistake of ours is said to be one, with where it happened', () => {
  const { events, lines } = setUp();
  events.internalError('gate', new TypeError('undefined is not a function'));
  expect(lines()).toMatchObject([
    { event: 'internal_error', level: 'error', where: 'gate', error: 'undefined is not a function' },
  ]);
  expect(lines()[0]?.stack).toMatch(/events\.test\.ts/);
});

describe('printable', () => {
  test('nothing that moves a cursor or ends a line, at most 200 characters; the rest stays', () => {
    expect(printable(null)).toBeNull();
    expect(printable('Müller’s Gerät 日本')).toBe('Müller’s Gerät 日本');
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const shown = printable(text) ?? '';
        expect(shown.length).toBeLessThanOrEqual(200);
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        expect(printable(shown)).toBe(shown);
      }),
    );
  });

  test('a megabyte is quick', () => {
    // Of this process alone: the machine has other work, too.
    const start = process.cpuUsage();
    expect(printable('\0'.repeat(1_000_000))).toBe('?'.repeat(200));
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(1000);
  });
});

test('what anybody can cause without a login warns 20 times in 10 s, and is counted and at debug beyond that', async () => {
  let now = 0;
  const { events, lines, value } = setUp(() => now);
  const warnings = () => lines().filter(({ level }) => level === 'warn').length;
  for (let i = 0; i < 100; i++) events.tlsMistake(CONNECTION, 'plaintext_on_tls_port');
  for (let i = 0; i < 100; i++) events.proxyHeaderRefused(CONNECTION, 'untrusted');
  expect(warnings()).toBe(40);
  expect(lines()).toHaveLength(200);
  expect(
    await value('postern_tls_failures_total', { listener: 'imaps', kind: 'plaintext_on_tls_port' }),
  ).toBe(100);
  events.tlsMistake(CONNECTION, 'http');
  events.tlsMistake({ ...CONNECTION, listener: 'imap' }, 'plaintext_on_tls_port');
  expect(warnings()).toBe(42);
  now += 10_000;
  events.tlsMistake(CONNECTION, 'plaintext_on_tls_port');
  expect(warnings()).toBe(43);
});

describe('submission', () => {
  const MESSAGE = {
    outcome: 'accepted',
    code: 250,
    enhancedCode: '2.0.0',
    queueId: '4XyZ',
    size: 1234,
    recipients: 2,
    seconds: 0.0123456,
  } as const;

  test('a message: one line, its counts, and what it measured only if it was accepted', async () => {
    const { events, lines, value } = setUp();
    events.message({ ...SESSION, protocol: 'smtp' }, MESSAGE);
    events.message({ ...SESSION, protocol: 'smtp' }, { ...MESSAGE, outcome: 'unknown', queueId: null });
    expect(lines()[0]).toEqual(
      expect.objectContaining({
        event: 'message',
        level: 'info',
        session: 'c1',
        client: '192.0.2.7',
        user: 'alice@example.com',
        passwordId: 'ap_1',
        ...MESSAGE,
        seconds: 0.012,
      }),
    );
    expect(await value('postern_messages_total', { upstream: 'dovecot', outcome: 'accepted' })).toBe(1);
    expect(await value('postern_messages_total', { upstream: 'dovecot', outcome: 'unknown' })).toBe(1);
    expect(await value('postern_message_recipients_total', { upstream: 'dovecot' })).toBe(2);
    expect(await value('postern_message_bytes_sum')).toBe(1234);
    expect(await value('postern_message_seconds_count', { upstream: 'dovecot' })).toBe(1);
  });

  test('refusals: a warning for what is news, and a bound on them; the sender cannot break out of its field', () => {
    const { events, lines } = setUp();
    events.submissionRefused(SESSION, { reason: 'sender', sender: 'x\u2028y', isNews: true });
    events.submissionRefused(SESSION, { reason: 'recipients', sender: null, isNews: false });
    for (let n = 0; n < 100; n++)
      events.submissionRefused(SESSION, { reason: 'sender', sender: 'x', isNews: true });
    const [first, second] = lines();
    expect(first).toMatchObject({ event: 'submission_refused', level: 'warn', sender: 'x?y' });
    expect(second).toMatchObject({ level: 'debug', reason: 'recipients' });
    expect(second).not.toHaveProperty('sender');
    expect(lines().filter(({ level }) => level === 'warn')).toHaveLength(20);
  });
});

describe('the portal', () => {
  test('an audit record is a line with what it says, and no word of it breaks out of its field', () => {
    const { events, lines } = setUp();
    const user = 'alice@example.com' as User;
    const facts = { by: user, user, action: 'renamed', from: '192.0.2.7', passwordId: 'ap_1' };
    events.audited({ id: 'au_1', ...facts, name: 'a\nb', detail: 'x'.repeat(500) });
    expect(lines()).toEqual([
      expect.objectContaining({ event: 'audit', audit: 'au_1', level: 'info', ...facts, name: 'a?b' }),
    ]);
    expect(lines()[0]?.detail).toHaveLength(200);
  });

  test('failed sign-ins and rejected requests are counted, and warned of within a ration', async () => {
    const { events, lines, value } = setUp();
    for (let n = 0; n < 50; n++) {
      events.portalSignIn('failed', 'why\u0000');
      events.portalRejected('csrf');
    }
    events.portalSignIn('signed_in', null);
    const warned = (event: string) => lines().filter((line) => line.event === event && line.level === 'warn');
    expect(warned('portal_sign_in')).toHaveLength(20);
    expect(warned('portal_sign_in')[0]).toMatchObject({ result: 'failed', detail: 'why?' });
    expect(warned('portal_rejected')).toHaveLength(20);
    expect(await value('postern_portal_sign_ins_total', { result: 'failed' })).toBe(50);
    expect(await value('postern_portal_sign_ins_total', { result: 'signed_in' })).toBe(1);
    expect(await value('postern_portal_rejected_total', { reason: 'csrf' })).toBe(50);
  });

  test('mail that was sent is told, and mail that was not is warned of', async () => {
    const { events, lines, value } = setUp();
    events.portalMail('sent', 'alice@example.com' as User, null);
    events.portalMail('failed', 'alice@example.com' as User, 'status 550');
    expect(lines().map(({ level, result, detail }) => ({ level, result, detail }))).toEqual([
      { level: 'info', result: 'sent', detail: null },
      { level: 'warn', result: 'failed', detail: 'status 550' },
    ]);
    expect(await value('postern_portal_mail_total', { result: 'failed' })).toBe(1);
  });
});
