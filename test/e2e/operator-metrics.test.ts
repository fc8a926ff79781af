// What the operator watches, through the real program: the metrics that dashboards and alerts go by, and the log.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Program, startProgram } from '../support/program-before-script.ts';

const ALICE = 'alice@example.com';
let program: Program;
let password = '';
let born: string[] = [];

beforeAll(async () => {
  program = await startProgram();
  born = await series();
  ({ password } = await program.make(ALICE));
});
afterAll(async () => {
  const after = await series();
  await program?.[Symbol.asyncDispose]();
  expect(after, 'nothing is counted that was not there at 0').toEqual(born);
});

const metricsText = async () =>
  (await fetch(`http://127.0.0.1:${program.postern.ports.admin}/metrics`)).text();
/** Names and labels of all that is ours. */
const series = async () =>
  (await metricsText())
    .split('\n')
    .flatMap((line) => /^postern_\S+(\{.*\})?(?= )/.exec(line)?.[0] ?? [])
    .sort();
const value = async (name: string, labels?: Record<string, string>) =>
  (await program.postern.metrics()).value(name, labels);
/** Log lines are written a moment after what they tell of: see `logged`. */
const lines = (event: string) => program.postern.events().filter((line) => line.event === event);

/** Waits until the metric has that value. */
const becomes = (expected: number, name: string, labels?: Record<string, string>) =>
  expect.poll(() => value(name, labels), { interval: 20 }).toBe(expected);

/** The line number `count` about that event, which comes within 5 s and is the last one. */
async function logged(event: string, count: number): Promise<Record<string, unknown>> {
  await expect.poll(() => lines(event).length, { interval: 20 }).toBe(count);
  return lines(event)[count - 1] ?? {};
}

/** What must not change under a dashboard: name, type, labels. */
const CORE = [
  ['postern_logins_total', 'counter', ['protocol', 'verdict', 'reason']],
  ['postern_login_seconds', 'histogram', ['protocol']],
  ['postern_password_verifications_total', 'counter', ['result']],
  ['postern_verification_queue_length', 'gauge', []],
  ['postern_sessions', 'gauge', ['protocol']],
  ['postern_session_bytes_total', 'counter', ['protocol', 'direction']],
  ['postern_connections', 'gauge', ['listener']],
  ['postern_tls_connections_total', 'counter', ['listener', 'version']],
  ['postern_upstream_up', 'gauge', ['upstream']],
  ['postern_upstream_connect_seconds', 'histogram', ['upstream']],
  ['postern_throttle_degraded', 'gauge', []],
  ['postern_config_last_reload_successful', 'gauge', []],
  ['postern_tls_certificate_expiry_timestamp_seconds', 'gauge', []],
  ['postern_build_info', 'gauge', ['version', 'node']],
] as const;

describe('after one session', () => {
  let text = '';
  beforeAll(async () => {
    expect(await program.login(ALICE, password)).toBe('OK');
    do text = await metricsText();
    while (!text.includes('postern_session_bytes_total{'));
  });

  test.each(CORE)('%s is a %s with labels %j', (name, type, labels) => {
    expect(text).toContain(`# TYPE ${name} ${type}\n`);
    const sample = new RegExp(`^${name}(_bucket|_sum|_count)?(\\{.*\\})? \\S+$`, 'm');
    const [, , given = ''] = sample.exec(text) ?? [];
    const names = [...given.matchAll(/(\w+)="/g)].map(([, label]) => label).filter((label) => label !== 'le');
    expect(text).toMatch(sample);
    expect(names.toSorted()).toEqual([...labels].toSorted());
  });

  test('no label has a user, an address or an id', () => {
    const ours = text.split('\n').filter((line) => line.startsWith('postern_'));
    expect(ours.length).toBeGreaterThan(30);
    for (const line of ours) expect(line).not.toMatch(/alice|example\.com|127\.0\.0\.1|ap_/);
  });

  test('the process itself is there too', () => {
    expect(text).toMatch(/^process_resident_memory_bytes \d/m);
    expect(text).toMatch(/^nodejs_eventloop_lag_seconds /m);
  });

  test('what never changes', async () => {
    expect(await value('postern_build_info', { node: process.version })).toBe(1);
    expect(await value('postern_config_last_reload_successful')).toBe(1);
    expect(await value('postern_throttle_degraded')).toBe(0);
    expect(await value('postern_verification_queue_length')).toBe(0);
    const days =
      ((await value('postern_tls_certificate_expiry_timestamp_seconds')) - Date.now() / 1000) / 86_400;
    expect(days).toBeGreaterThan(29);
    expect(days).toBeLessThan(31);
  });
});

test('connections and TLS', async () => {
  const tls = await value('postern_tls_connections_total', { listener: 'imaps', version: 'TLSv1.3' });
  await becomes(0, 'postern_connections', { listener: 'imaps' });
  {
    await using _one = await program.client();
    await using _other = await program.client();
    await becomes(2, 'postern_connections', { listener: 'imaps' });
    expect(await value('postern_connections', { listener: 'imap' })).toBe(0);
  }
  await becomes(0, 'postern_connections', { listener: 'imaps' });
  await becomes(tls + 2, 'postern_tls_connections_total', { listener: 'imaps', version: 'TLSv1.3' });
});

test('a session: counted while it lives, its bytes when it ends, and one line for it', async () => {
  const before = {
    up: await value('postern_session_bytes_total', { direction: 'to_upstream' }),
    down: await value('postern_session_bytes_total', { direction: 'to_client' }),
    ended: await value('postern_sessions_ended_total', { protocol: 'imap' }),
    lines: lines('session').length,
  };
  const client = await program.client();
  await client.send(`a LOGIN ${ALICE} ${password}\r\n`);
  await client.expectUntil('a OK …');
  await becomes(1, 'postern_sessions', { protocol: 'imap' });
  await client.send('b NOOP\r\n');
  await client.expect('b OK done');
  await client.send('c LOGOUT\r\n');
  await client.expectUntil('c OK done');
  await client.closed();
  await client[Symbol.asyncDispose]();
  await becomes(0, 'postern_sessions', { protocol: 'imap' });
  const up = 'b NOOP\r\nc LOGOUT\r\n'.length;
  const down = 'b OK done\r\n* BYE see you\r\nc OK done\r\n'.length;
  expect(await value('postern_session_bytes_total', { direction: 'to_upstream' })).toBe(before.up + up);
  expect(await value('postern_session_bytes_total', { direction: 'to_client' })).toBe(before.down + down);
  expect(await value('postern_sessions_ended_total', { protocol: 'imap' })).toBe(before.ended + 1);
  expect(await logged('session', before.lines + 1)).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    event: 'session',
    session: expect.stringMatching(/^[\w-]{12}$/),
    client: '127.0.0.1',
    clientPort: expect.any(Number),
    protocol: 'imap',
    user: ALICE,
    passwordId: expect.stringMatching(/^ap_/),
    upstream: 'script',
    reason: 'upstream_closed',
    bytesToUpstream: up,
    bytesToClient: down,
    seconds: expect.any(Number),
    msg: 'session ended: upstream_closed',
  });
});

describe('one login event for each attempt', () => {
  const attempts = [
    ['admitted', 'none', () => [ALICE, password]],
    ['refused', 'bad_credentials', () => [ALICE, 'aaaa bbbb cccc dddd']],
    ['refused', 'bad_credentials', () => ['nobody@example.com', 'aaaa bbbb cccc dddd']],
    ['refused', 'not_an_app_password', () => [ALICE, 'Summer2024!']],
    ['refused', 'empty_password', () => [ALICE, '']],
    [
      'refused',
      'no_route',
      async () => ['bob@elsewhere.example', (await program.make('bob@elsewhere.example')).password],
    ],
    [
      'refused',
      'wrong_protocol',
      async () => [ALICE, (await program.make(ALICE, { scope: ['smtp'] })).password],
    ],
    [
      'refused',
      'wrong_network',
      async () => [ALICE, (await program.make(ALICE, { networks: ['192.0.2.0/24'] })).password],
    ],
  ] as const;

  test.each(attempts)('%s %s', async (verdict, reason, typed) => {
    const [user = '', secret = ''] = await typed();
    const labels = { protocol: 'imap', verdict, reason };
    const before = { count: await value('postern_logins_total', labels), lines: lines('login').length };
    const seconds = await value('postern_login_seconds_count', { protocol: 'imap' });
    await program.login(user, secret);
    expect(await value('postern_logins_total', labels)).toBe(before.count + 1);
    expect(await value('postern_login_seconds_count', { protocol: 'imap' })).toBe(
      seconds + (verdict === 'admitted' ? 1 : 0),
    );
    const isKnown = !['bad_credentials', 'not_an_app_password', 'empty_password'].includes(reason);
    expect(await logged('login', before.lines + 1)).toEqual({
      level: 'info',
      time: expect.any(String),
      event: 'login',
      session: expect.stringMatching(/^[\w-]{12}$/),
      listener: 'imaps',
      client: '127.0.0.1',
      clientPort: expect.any(Number),
      protocol: 'imap',
      verdict,
      reason,
      user: reason === 'empty_password' ? null : user,
      passwordId: isKnown ? expect.stringMatching(/^ap_/) : null,
      tls: 'TLSv1.3',
      software: null,
      upstream: verdict === 'admitted' ? 'script' : null,
      seconds: expect.any(Number),
      answered: true,
      msg: `login ${verdict}`,
    });
  });

  test('with what the client called itself, fit for a line', async () => {
    const before = lines('login').length;
    await using client = await program.client();
    await client.send('a ID ("name" "Outlook\u202e\u0085 2010" "version" "14")\r\n');
    await client.expectUntil('a OK …');
    await client.send(`b LOGIN ${ALICE} Summer2024!\r\n`);
    await client.expect('b NO …');
    expect((await logged('login', before + 1)).software).toMatch(/^Outlook\?+ 2010 14$/);
  });

  test('its id is that of the session after it', async () => {
    const before = { login: lines('login').length, session: lines('session').length };
    expect(await program.login(ALICE, password)).toBe('OK');
    const { session } = await logged('login', before.login + 1);
    expect((await logged('session', before.session + 1)).session).toBe(session);
  });
});

test('an upstream that is down: unavailable, and the metric says so until it is back', async () => {
  expect(await value('postern_upstream_up', { upstream: 'script' })).toBe(1);
  const failures = { upstream: 'script', reason: 'upstream_unreachable' };
  const failed = await value('postern_upstream_failures_total', failures);
  const loggedIn = await value('postern_upstream_login_seconds_count', { upstream: 'script' });
  const refused = await value('postern_listener_logins_total', { verdict: 'unavailable' });
  const before = lines('login').length;
  program.upstream.setScript({ greeting: '* BYE not today\r\n' });
  expect(await program.login(ALICE, password)).toMatch(/^NO \[UNAVAILABLE\]/);
  expect(await logged('login', before + 1)).toMatchObject({ verdict: 'unavailable', user: ALICE });
  await becomes(0, 'postern_upstream_up', { upstream: 'script' });
  expect(await value('postern_upstream_failures_total', failures)).toBe(failed + 1);
  expect(await value('postern_listener_logins_total', { verdict: 'unavailable' })).toBe(refused + 1);
  program.upstream.setScript({});
  // A probe finds it up again, a second or so later.
  await becomes(1, 'postern_upstream_up', { upstream: 'script' });
  expect(await program.login(ALICE, password)).toBe('OK');
  expect(await value('postern_upstream_connect_seconds_count', { upstream: 'script' })).toBeGreaterThan(1);
  expect(await value('postern_upstream_login_seconds_count', { upstream: 'script' })).toBe(loggedIn + 1);
});

test('what there is to divide by, and what argon2id took', async () => {
  expect(await value('postern_limit', { key: 'limits.connections' })).toBe(10_000);
  expect(await value('postern_limit', { key: 'limits.beforeLogin' })).toBe(2000);
  expect(await value('postern_limit', { key: 'fileDescriptors' })).toBeGreaterThan(0);
  expect(await value('postern_limit', { key: 'appPasswords.hash.queue' })).toBeGreaterThan(0);
  await becomes(0, 'postern_connections_before_login');
  {
    await using _one = await program.client();
    await becomes(1, 'postern_connections_before_login');
  }
  const runs = await value('postern_verification_seconds_count', { phase: 'run' });
  expect(runs).toBeGreaterThanOrEqual(await value('postern_password_verifications_total'));
  expect(await value('postern_verification_seconds_count', { phase: 'wait' })).toBe(runs);
  expect(await value('postern_verification_seconds_sum', { phase: 'run' })).toBeGreaterThan(0);
});

test('every line of the log is one JSON object with a level, a time and an event', () => {
  const all = program.postern.log().trimEnd().split('\n');
  expect(all.length).toBeGreaterThan(20);
  for (const line of all) {
    expect(JSON.parse(line)).toMatchObject({
      level: expect.stringMatching(/^(debug|info|warn|error)$/),
      time: expect.any(String),
      event: expect.stringMatching(/^[a-z_]+$/),
    });
  }
  expect(all.map((line) => JSON.parse(line).event)).toEqual(expect.arrayContaining(['listening', 'ready']));
});
