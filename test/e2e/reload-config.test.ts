// SIGHUP: another configuration for new connections, or none at all and the reason why.

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/ports.ts';
import { type Program, startProgram } from '../support/program-before-script.ts';
import { editConfig, reload, reloadWith } from '../support/reload.ts';
import { type ScriptedImapUpstream, startScriptedImapUpstream } from '../support/scripted-imap-upstream.ts';
import { connect, type Transcript } from '../support/transcript.ts';

const ALICE = 'alice@example.com';
let program: Program;
let other: ScriptedImapUpstream;
let original: string;
beforeAll(async () => {
  [program, other] = await Promise.all([startProgram(), startScriptedImapUpstream()]);
  original = readFileSync(program.postern.configFile, 'utf8');
});
/** Each test finds the config as it was at the start. */
const putBack = async () => {
  writeFileSync(program.postern.configFile, original);
  expect(await reload(program.postern)).toEqual({ event: 'reloaded' });
};
afterEach(async () => {
  if (!program.postern.log().includes('"event":"draining"')) await putBack();
});
afterAll(async () => {
  await program?.[Symbol.asyncDispose]();
  await other?.[Symbol.asyncDispose]();
});

const gauge = async () => (await program.postern.metrics()).value('postern_config_last_reload_successful');
const events = (event: string) => program.postern.events().filter((line) => line.event === event);
const at = (port: number) => ({ port, tls: true, ca: program.pki.ca.cert }) as const;

async function session(): Promise<{ client: Transcript; password: string }> {
  const { password } = await program.make(ALICE);
  const client = await program.client();
  await client.send(`a LOGIN ${ALICE} ${password}\r\n`);
  await client.expectUntil('a OK …');
  return { client, password };
}

async function goesOn(client: Transcript): Promise<void> {
  await client.send('still NOOP\r\n');
  await client.expect('still OK done');
}

describe('a config with mistakes', () => {
  test('changes nothing; each is logged with its place, and the gauge is 0 until a reload works', async () => {
    const { client, password } = await session();
    await using _ = client;
    editConfig(program.postern, (config) => {
      config.routes[0].imap = 'nowhere';
      config.limits = { conections: 10 };
      config.listeners = [];
    });
    const outcome = await reload(program.postern);
    const problems = outcome.event === 'reload_failed' ? outcome.problems : [];
    expect(problems).toHaveLength(3);
    for (const problem of problems) expect(problem).toMatch(/^postern\.yaml:\d+:\d+ \S+: /);
    for (const place of ['listeners: ', 'limits.conections: ', 'routes[0].imap: ']) {
      expect(problems.some((problem) => problem.includes(` ${place}`))).toBe(true);
    }
    expect(await gauge()).toBe(0);
    expect(await program.postern.status('/readyz')).toBe(200);
    expect(await program.login(ALICE, password)).toBe('OK');
    await goesOn(client);
    await putBack();
    expect(await gauge()).toBe(1);
  });

  test.each([
    ['empty', Buffer.from('')],
    ['cut off in the middle', Buffer.from('hostname: localhost\nstore: { url: "sqlite:./pos')],
    ['no text', Buffer.from('fffe0041', 'hex')],
    ['of another program', Buffer.from('{"version": 2, "services": []}')],
  ])('a file that is %s', async (_, content) => {
    writeFileSync(program.postern.configFile, content);
    const outcome = await reload(program.postern);
    const problems = outcome.event === 'reload_failed' ? outcome.problems : [];
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) expect(problem).toMatch(/^postern\.yaml:\d+:\d+ /);
    expect(await gauge()).toBe(0);
    await using client = await program.client();
    await client.quiet(10);
  });

  test('a certificate that is not there, and a key of another', async () => {
    const stranger = await program.pki.issue();
    editConfig(program.postern, (config) => {
      config.tls = { certificate: './gone.pem', key: stranger.keyFile };
    });
    expect(await reload(program.postern)).toMatchObject({
      problems: [expect.stringMatching(/^postern\.yaml:\d+:\d+ tls\.certificate: /)],
    });
    editConfig(program.postern, (config) => {
      config.tls = { certificate: program.certificate.certFile, key: stranger.keyFile };
    });
    expect(await reload(program.postern)).toMatchObject({
      problems: [expect.stringMatching(/^postern\.yaml:\d+:\d+ tls\.key: is the key of another certificate/)],
    });
    await using client = await program.client();
    await client.quiet(10);
  });

  test('what cannot change while Postern runs is refused whole, and says so', async () => {
    const port = await freePort();
    editConfig(program.postern, (config) => {
      config.store.url = 'sqlite:./another.db';
      config.keys.file = './other-keys.json';
      config.control.socket = './other.sock';
      config.admin.address = `127.0.0.1:${port}`;
      config.users = {};
    });
    expect(await reload(program.postern)).toEqual({
      event: 'reload_failed',
      problems: ['store', 'keys', 'control', 'admin'].map(
        (section) => `${section}: cannot change while Postern runs; needs a restart`,
      ),
    });
    // `users` has not changed either: a name without a domain is still somebody.
    const { password } = await program.make(ALICE);
    expect(await program.login('alice', password)).toBe('OK');
  });
});

describe('a new config', () => {
  test('sends new logins elsewhere; a session goes on, and a dialogue ends by what it began with', async () => {
    const { client, password } = await session();
    await using _ = client;
    await using begun = await program.client();
    await reloadWith(program.postern, (config) => {
      config.upstreams.other = { ...config.upstreams.script, address: `127.0.0.1:${other.port}` };
      config.routes = [{ users: ALICE, imap: 'other' }];
      config.users = {};
    });
    const before = program.upstream.connections.total;
    expect(await program.login(ALICE, password)).toBe('OK');
    expect(other.connections.total).toBe(1);
    expect(program.upstream.connections.total).toBe(before);
    expect(await program.login('alice', password)).toMatch(/^NO \[AUTHENTICATIONFAILED\]/);

    // It began when `alice` was somebody, and led to the first upstream.
    await begun.send(`a LOGIN alice ${password}\r\n`);
    await begun.expectUntil('a OK …');
    expect(other.connections.total).toBe(1);
    await goesOn(client);

    await putBack();
    const admin = await fetch(`http://127.0.0.1:${program.postern.ports.admin}/metrics`);
    const metrics = await admin.text();
    expect(metrics).toContain('postern_upstream_up{upstream="script"} 1');
    // Gone with its upstream, or an alert could ring for ever.
    expect(metrics).not.toContain('postern_upstream_up{upstream="other"}');
  });

  test('changes limits; connections from before count against them, and keep theirs', async () => {
    await using first = await program.client();
    await first.send('a NOOP\r\n');
    await first.expect('a OK Done');
    await reloadWith(program.postern, (config) => {
      config.limits = { perNetwork: 1, attemptsPerConnection: 1 };
    });
    await expect(program.client()).rejects.toThrow();
    await first.send('b LOGIN alice wrong\r\nc NOOP\r\n');
    await first.expect('b NO [AUTHENTICATIONFAILED] …');
    await first.expect('c OK Done');
  });

  test('keeps counts and blocks of the throttle, and what was verified', async () => {
    const from = { localAddress: '127.0.0.77' };
    const { password } = await program.make(ALICE);
    expect(await program.login(ALICE, password, from)).toBe('OK');
    const verifications = await program.verifications();
    const selectors = await program.selectors(ALICE);
    const guess = () => program.login(ALICE, program.draw(ALICE, { selector: 'none of', selectors }), from);
    const limit = (failureDelay: string) =>
      reloadWith(program.postern, (config) => {
        config.throttle = { failureDelay, networkAndUser: { distinct: 4, window: '1h', block: '15m' } };
      });
    await limit('50ms');
    for (let n = 0; n < 2; n++) expect(await guess()).toMatch(/^NO \[AUTHENTICATIONFAILED\]/);
    await limit('60ms');
    for (let n = 0; n < 2; n++) expect(await guess()).toMatch(/^NO \[AUTHENTICATIONFAILED\]/);
    expect(await guess()).toMatch(/^NO \[LIMIT\]/);
    await putBack();
    expect(await guess()).toMatch(/^NO \[LIMIT\]/);
    // Nor does the right secret need a second look.
    expect(await program.login(ALICE, password, from)).toBe('OK');
    expect(await program.verifications()).toBe(verifications);
  });

  test('keeps what is known of an upstream that has not changed, and forgets it of one that has', async () => {
    const port = await freePort();
    const { password } = await program.make(ALICE);
    await reloadWith(program.postern, (config) => {
      config.upstreams.dead = { ...config.upstreams.script, address: `127.0.0.1:${port}` };
      config.routes = [{ users: ALICE, imap: 'dead' }];
    });
    const isUp = async () =>
      (await program.postern.metrics()).value('postern_upstream_up', { upstream: 'dead' });
    expect(await program.login(ALICE, password)).toMatch(/^NO \[UNAVAILABLE\]/);
    await expect.poll(isUp).toBe(0);
    await reloadWith(program.postern, (config) => {
      config.users = {};
      config.upstreams.dead.login.user = 'another';
    });
    expect(await isUp()).toBe(0);
    expect(await program.login(ALICE, password)).toMatch(/^NO \[UNAVAILABLE\]/);
    expect(events('upstream_down')).toHaveLength(1);
    await reloadWith(program.postern, (config) => {
      config.upstreams.dead.address = `127.0.0.1:${program.upstream.port}`;
    });
    expect(await isUp()).toBe(1);
    expect(await program.login(ALICE, password)).toBe('OK');
  });

  test('changes the level of the log', async () => {
    const { password } = await program.make(ALICE);
    const said = async () => {
      const before = events('login').length;
      expect(await program.login(ALICE, password)).toBe('OK');
      // Longer than lines are collected for.
      await setTimeout(200);
      return events('login').length - before;
    };
    const before = events('login').length;
    expect(await program.login(ALICE, password)).toBe('OK');
    await expect.poll(() => events('login').length).toBe(before + 1);
    editConfig(program.postern, (config) => {
      config.log.level = 'warn';
    });
    program.postern.signal('SIGHUP');
    await expect.poll(said).toBe(0);
  });
});

describe('listeners', () => {
  test('come, change and go; their sessions stay', async () => {
    const { client, password } = await session();
    const { imap, imaps } = program.postern.ports;
    const port = await freePort();
    await reloadWith(program.postern, (config) => {
      const [first, second] = config.listeners;
      // imaps moves; the port of imap speaks TLS from now on, under another name.
      config.listeners = [
        { ...second, address: `127.0.0.1:${port}` },
        { ...first, name: 'renamed', tls: 'implicit' },
      ];
    });
    await expect(connect(at(imaps))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    for (const moved of [port, imap]) {
      await using fresh = await connect(at(moved));
      await fresh.expect('* OK [CAPABILITY …');
      await fresh.send(`a LOGIN ${ALICE} ${password}\r\n`);
      await fresh.expectUntil('a OK …');
    }
    await goesOn(client);
    await putBack();
    await goesOn(client);
    expect(await program.login(ALICE, password)).toBe('OK');
    await client[Symbol.asyncDispose]();
    // Each connection was counted off under the name that it was counted on.
    const counts = async () => {
      const metrics = await program.postern.metrics();
      return ['imaps', 'imap', 'renamed'].map((listener) =>
        metrics.value('postern_connections', { listener }),
      );
    };
    await expect.poll(counts).toEqual([0, 0, 0]);
  });

  test('on a port that cannot be had refuse everything: the others stay as they are', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const free = await freePort();
    const { imap } = program.postern.ports;
    editConfig(program.postern, (config) => {
      const [first, second] = config.listeners;
      config.listeners = [
        second,
        { ...first, address: `127.0.0.1:${free}` },
        { ...first, name: 'taken', address: `127.0.0.1:${port}` },
        { ...first, name: 'wide', address: `0.0.0.0:${imap}` },
      ];
      config.users = {};
    });
    expect(await reload(program.postern)).toEqual({
      event: 'reload_failed',
      problems: [
        `listener taken: cannot listen on 127.0.0.1 port ${port}: the port is taken by another process`,
        `listener wide: cannot listen on 0.0.0.0 port ${imap}: listener imap still has it on 127.0.0.1; needs a restart`,
      ],
    });
    taken.close();
    await expect(connect({ port: free })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await using plain = await connect({ port: imap });
    await plain.expect('* OK [CAPABILITY …');
    const { password } = await program.make(ALICE);
    expect(await program.login('alice', password)).toBe('OK');
  });
});

test('many SIGHUPs at once are reloads one after the other, and cost no login', async () => {
  const { password } = await program.make(ALICE);
  const before = events('reloaded').length;
  for (let n = 0; n < 20; n++) {
    program.postern.signal('SIGHUP');
    if (n % 5 === 0) expect(await program.login(ALICE, password)).toBe('OK');
  }
  await expect.poll(() => events('reloaded').length).toBeGreaterThan(before + 1);
  expect(await program.login(ALICE, password)).toBe('OK');
  expect(await gauge()).toBe(1);
});

test('SIGHUP while it drains is nothing', async () => {
  const { client } = await session();
  program.postern.signal('SIGTERM');
  await program.postern.logged(/"event":"draining"/);
  const reloads = events('reloaded').length;
  program.postern.signal('SIGHUP');
  await goesOn(client);
  await client.send('b LOGOUT\r\n');
  await client.expectUntil('b OK done');
  expect(await program.postern.stop('SIGCONT')).toEqual({ code: 0, signal: null });
  expect(events('reloaded')).toHaveLength(reloads);
  expect(events('reload_failed').at(-1)).not.toMatchObject({ problem: 'internal error' });
});
