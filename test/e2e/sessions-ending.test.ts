// What ends a live session from outside, through the real program: a revocation, a disabled user and an expiry, between verdict
// and join too; an admin by `sessions end`. How soon it is heard of is in test/unit/store/processes.test.ts.

import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { askControl } from '../../src/admin/control.ts';
import type { User } from '../../src/lib/user.ts';
import { type Program, startProgram } from '../support/program-before-script.ts';
import type { Reaction } from '../support/scripted-imap-upstream.ts';
import type { Transcript } from '../support/transcript.ts';

const REFUSED = 'NO [AUTHENTICATIONFAILED] Authentication failed';
let program: Program;
let users = 0;
let user = '';

beforeAll(async () => {
  program = await startProgram({ config: 'limits: { perUser: 3 }' });
});
afterAll(() => program?.[Symbol.asyncDispose]());
beforeEach(() => {
  users += 1;
  user = `user${users}@example.com`;
  program.upstream.setScript({});
});

/** What the commands do, without starting a process for it. */
const control = (method: 'GET' | 'POST', url: string, body?: object) =>
  askControl(join(program.postern.directory, 'control.sock'), method, url, body);
const cli = (...args: string[]) => program.postern.cli(args);

async function session(password: string): Promise<Transcript> {
  const client = await program.client();
  await client.send(`a LOGIN ${user} ${password}\r\n`);
  await client.expectUntil('a OK …');
  return client;
}

/** All of them are cut off. */
async function cutOff(...sessions: Transcript[]): Promise<void> {
  await Promise.all(sessions.map((one) => one.closed()));
}

const ended = async (reason: string) =>
  (await program.postern.metrics()).value('postern_sessions_ended_total', { reason });

describe('a session ends, and new logins are refused at once', () => {
  test('revoked by another process; other devices go on', async () => {
    const [lost, kept] = [await program.make(user), await program.make(user)];
    await using one = await session(lost.password);
    await using other = await session(kept.password);
    const before = await ended('revoked');
    expect((await cli('password', 'revoke', lost.id)).code).toBe(0);
    expect(await program.login(user, lost.password)).toBe(REFUSED);
    await cutOff(one);
    expect(await ended('revoked')).toBe(before + 1);
    await other.send('b NOOP\r\n');
    await other.expect('b OK done');
  });

  test('all of a user revoked', async () => {
    const made = [await program.make(user), await program.make(user)];
    const sessions = await Promise.all(made.map(({ password }) => session(password)));
    const { stdout } = await cli('password', 'revoke', '--user', user, '--all');
    expect(stdout).toBe(`revoked 2 app passwords of ${user}\n`);
    await cutOff(...sessions);
  });

  test('disabled; enabled again, the same app password works', async () => {
    const { password } = await program.make(user);
    await using one = await session(password);
    expect((await cli('user', 'disable', user)).code).toBe(0);
    expect(await program.login(user, password)).toBe(REFUSED);
    await cutOff(one);
    expect((await cli('user', 'enable', user)).code).toBe(0);
    expect(await program.login(user, password)).toBe('OK');
  });

  test('expired', async () => {
    const expiresAt = Date.now() + 5000;
    const { password } = await program.make(user, { expiresAt });
    await using one = await session(password);
    expect(Date.now()).toBeLessThan(expiresAt);
    await one.closed();
    expect(Date.now() - expiresAt).toBeGreaterThanOrEqual(0);
    expect(await program.login(user, password)).toBe(REFUSED);
    expect(await ended('expired')).toBeGreaterThan(0);
  });

  test('twenty sessions revoked one after the other, at whatever moment', async () => {
    for (let n = 0; n < 20; n++) {
      const { id, password } = await program.make(user);
      await using one = await session(password);
      const revoked = program.store.revoke({ ids: [id] }, Date.now());
      await cutOff(one);
      await revoked;
    }
  });
});

describe('between verdict and join', () => {
  test.each([
    ['revoked', (id: string) => program.store.revoke({ ids: [id] }, Date.now()), REFUSED],
    ['user disabled', () => program.store.setUserDisabled(user as User, Date.now()), REFUSED],
    ['ended by an admin', () => control('POST', '/sessions/end', { user }), 'NO [UNAVAILABLE] …'],
  ])('%s while the upstream login runs', async (_, change, answer) => {
    const { id, password } = await program.make(user);
    let reached = () => {};
    const isLoggingIn = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const stall: Reaction = () => reached();
    program.upstream.setScript({ on: [[/^\S+ AUTHENTICATE /, stall]] });
    await using client = await program.client();
    await client.send(`a LOGIN ${user} ${password}\r\n`);
    await isLoggingIn;
    await change(id);
    const start = performance.now();
    await client.expect(`a ${answer}`);
    // Not the upstream's deadline, which is 20 s.
    expect(performance.now() - start).toBeLessThan(15_000);
    // The connection is as it was before the attempt.
    program.upstream.setScript({});
    await client.send('b NOOP\r\n');
    await client.expect('b OK …');
    expect(await control('GET', '/sessions')).toEqual([]);
  });

  test('a client that resets its connection meanwhile leaves nothing behind', async () => {
    const { password } = await program.make(user);
    program.upstream.setScript({ on: [[/^\S+ AUTHENTICATE /, null]] });
    await using client = await program.client({ port: program.postern.ports.imap, tls: false });
    const underTls = client.socket;
    await client.send('s STARTTLS\r\n');
    await client.expect('s OK …');
    await client.startTls();
    await client.send(`a LOGIN ${user} ${password}\r\n`);
    await expect.poll(() => control('GET', '/sessions')).toMatchObject([{ state: 'logging_in' }]);
    underTls.resetAndDestroy();
    await expect.poll(() => control('GET', '/sessions')).toEqual([]);
    await expect.poll(() => program.upstream.connections.open).toBe(0);
  });
});

describe('sessions list and end', () => {
  test('for programs', async () => {
    const { id, password } = await program.make(user, { name: 'Phone of the test' });
    const from = Date.now();
    await using one = await program.client();
    await one.send('i ID ("name" "Old Mail" "version" "3\u{1b}")\r\n');
    await one.expectUntil('i OK …');
    await one.send(`a LOGIN ${user} ${password}\r\n`);
    await one.expectUntil('a OK …');
    const { code, stdout } = await cli('sessions', 'list', '--user', user, '--json');
    expect(code).toBe(0);
    const [entry, ...others] = JSON.parse(stdout);
    expect(others).toEqual([]);
    expect(entry).toEqual({
      id: expect.stringMatching(/^[\w-]{12}$/),
      protocol: 'imap',
      user,
      passwordId: id,
      upstream: 'script',
      client: { address: '127.0.0.1', port: one.socket.localPort },
      device: 'Phone of the test',
      software: expect.stringMatching(/^Old Mail 3/),
      tls: expect.stringMatching(/^TLSv1\.[23]$/),
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/),
      state: 'joined',
    });
    expect(Date.parse(entry.since)).toBeGreaterThanOrEqual(from);
    expect(Date.parse(entry.since)).toBeLessThanOrEqual(Date.now());

    expect(await cli('sessions', 'end', entry.id, '--json')).toMatchObject({
      code: 0,
      stdout: '{\n  "ended": 1\n}\n',
    });
    await cutOff(one);
    expect(await program.login(user, password)).toBe('OK');
    expect(await ended('admin')).toBeGreaterThan(0);
  });

  test('for people', async () => {
    const { password } = await program.make(user);
    const none = await cli('sessions', 'list', '--user', user);
    expect(none).toMatchObject({ code: 0, stdout: 'no live sessions\n' });
    await using _one = await session(password);
    await using other = await session(password);
    const [header, ...rows] = (await cli('sessions', 'list', '--user', user)).stdout.trimEnd().split('\n');
    expect(header).toMatch(
      /^ID +USER +DEVICE +PROTOCOL +CLIENT +SOFTWARE +TLS +UPSTREAM +SINCE \(UTC\) +STATE$/,
    );
    expect(rows).toHaveLength(2);
    for (const row of rows)
      expect(row).toMatch(
        new RegExp(
          `^[\\w-]{12} +${user} +made \\d+ +imap +127\\.0\\.0\\.1 +- +TLSv1\\.\\d +script .* joined$`,
        ),
      );
    expect(await cli('sessions', 'end', '--user', user)).toMatchObject({
      code: 0,
      stdout: 'ended 2 sessions\n',
    });
    await other.closed();
  });

  test('what does not exist is a no', async () => {
    expect(await cli('sessions', 'end', 'AAAAAAAAAAAA')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'postern: no such session\n',
    });
    expect(await cli('sessions', 'end', '--user', user)).toMatchObject({ code: 1, stdout: '' });
    expect(await cli('sessions', 'end', 'AAAAAAAAAAAA', '--json')).toMatchObject({ code: 1 });
  });

  test.each([
    ['neither', []],
    ['both', ['AAAAAAAAAAAA', '--user', 'alice']],
    ['a user that is none', ['--user', 'a*b']],
    ['an option that there is not', ['--force']],
  ])('usage: %s', async (_, args) => {
    expect((await cli('sessions', 'end', ...args)).code).toBe(64);
  });
});
