// Every command of `postern`, found by walking its tree: those that change something leave an audit record, the others change
// nothing. A new command fails here until it is in the table below.

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { parseUser, type User } from '../../src/lib/user.ts';
import { programOf } from '../../src/main.ts';
import { openStoreOnce } from '../../src/store/open.ts';
import { type Program, startProgram } from '../support/program-before-script.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { tempDir } from '../support/temp-dir.ts';
import { run } from '../unit/cli/terminal-double.ts';

const ALICE = parseUser('alice@example.com') as User;

type Args = () => readonly string[] | Promise<readonly string[]>;
/** The record that a command leaves, and the arguments that make it do something; null: it changes nothing. */
type Deed = null | { readonly action: string; readonly args: Args };

const COMMANDS: Readonly<Record<string, Deed>> = {
  'password create': { action: 'created', args: () => ['--user', ALICE, '--name', 'By command', '--json'] },
  'password list': null,
  'password revoke': { action: 'deleted', args: async () => [(await program.make(ALICE)).id] },
  'user list': null,
  'user disable': { action: 'disabled', args: () => [ALICE] },
  'user enable': {
    action: 'enabled',
    args: async () => {
      await program.store.setUserDisabled(ALICE, Date.now());
      return [ALICE];
    },
  },
  'sessions list': null,
  'sessions end': {
    action: 'sessions_ended',
    args: async () => {
      await connected();
      return ['--user', ALICE];
    },
  },
  'throttle list': null,
  'throttle clear': { action: 'throttle_cleared', args: () => ['--network', '192.0.2.0/24'] },
  'audit list': null,
  'store backup': null,
  // Postern must not run: see below.
  'store restore': { action: 'restored', args: () => [] },
  'check-config': null,
  'print-config': null,
  healthcheck: null,
  // It takes no configuration.
  help: null,
  // It ends with a signal. What it does is in its log, and in the records of those who use it.
  serve: null,
};
const NOT_RUN = ['serve', 'help', 'store restore'];
const READING: Readonly<Record<string, Args>> = {
  'store backup': () => [join(program.postern.directory, `backup-${Math.random()}.db`)],
};

let program: Program;
const open = new AsyncDisposableStack();
beforeAll(async () => {
  program = await startProgram();
});
afterAll(async () => {
  await open.disposeAsync();
  await program?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await program.store.setUserDisabled(ALICE, null);
});

/** Alice's mail program is connected. */
async function connected(): Promise<string> {
  const { id, password } = await program.make(ALICE);
  const client = open.use(await program.client());
  await client.send(`a LOGIN ${ALICE} ${password}\r\n`);
  await client.expectUntil('a OK …');
  return id;
}

async function postern(command: string, args: readonly string[] = []) {
  const { configFile } = program.postern;
  const outcome = await run([...command.split(' '), ...args, '--config', configFile]);
  const made = /"password": "(\w+)"/.exec(outcome.out)?.[1];
  if (made !== undefined) ledger(made);
  return outcome;
}

/** The commands that do something, by the words that call them. */
function leaves(command: Command, words: readonly string[] = []): string[] {
  if (command.commands.length === 0) return [words.join(' ')];
  return command.commands.flatMap((inner) => leaves(inner, [...words, inner.name()]));
}

/** All that commands can change: what is stored, who is connected, who is blocked. */
async function everything() {
  const [records, users, trail, sessions, blocks] = await Promise.all([
    program.store.list({ tombstones: true }),
    program.store.searchUsers('', 1000),
    program.store.audit({ most: 10_000 }),
    postern('sessions list', ['--json']),
    postern('throttle list', ['--json']),
  ]);
  const used = ({ lastUsed: _, ...record }: (typeof records)[number]) => record;
  return { records: records.map(used), users, trail, sessions: sessions.out, blocks: blocks.out };
}

test('the table has every command, and no other', () => {
  const silent = { stdout: () => {}, stderr: () => {} };
  expect(leaves(programOf(silent, {})).toSorted()).toEqual(Object.keys(COMMANDS).toSorted());
});

const deeds = Object.entries(COMMANDS);
describe('what changes something leaves one audit record', () => {
  test.each(
    deeds.flatMap(([command, deed]) =>
      deed === null || NOT_RUN.includes(command) ? [] : [[command, deed] as const],
    ),
  )('%s', async (command, { action, args }) => {
    const given = await args();
    const before = await program.store.audit({ most: 10_000 });
    const { code, err } = await postern(command, given);
    expect([code, command, code === 0 ? '' : err]).toEqual([0, command, '']);
    const after = await program.store.audit({ most: 10_000 });
    const known = new Set(before.map(({ id }) => id));
    expect(after.filter(({ id }) => !known.has(id))).toMatchObject([{ by: 'cli', action, from: null }]);
  });
});

describe('what leaves none changes nothing', () => {
  test.each(deeds.filter(([command, deed]) => deed === null && !NOT_RUN.includes(command)))(
    '%s',
    async (command) => {
      await connected();
      const before = await everything();
      expect((await postern(command, await READING[command]?.())).code).toBe(0);
      expect(await everything()).toEqual(before);
    },
  );
});

test('store restore: one record, in the store that is now in use', async () => {
  const dir = open.adopt(tempDir(), (made) => made[Symbol.dispose]());
  const backup = join(dir.path, 'backup.db');
  expect((await postern('store backup', [backup])).code).toBe(0);
  const configFile = join(dir.path, 'postern.yaml');
  copyFileSync(program.postern.configFile, configFile);
  const before = new Set((await program.store.audit({ most: 10_000 })).map(({ id }) => id));
  expect((await run(['store', 'restore', backup, '--config', configFile])).code).toBe(0);
  await using store = await openStoreOnce(`sqlite:${join(dir.path, 'postern.db')}`, { clock: systemClock });
  const news = (await store.audit({ most: 10_000 })).filter(({ id }) => !before.has(id));
  expect(news).toMatchObject([{ by: 'cli', user: null, action: 'restored', detail: backup }]);
});

describe('what the running program is asked to do', () => {
  const last = async () => (await program.store.audit({ most: 1 }))[0];
  const ofAlice = async (): Promise<{ id: string; passwordId: string }[]> =>
    JSON.parse((await postern('sessions list', ['--user', ALICE, '--json'])).out);

  test('sessions of a user: how many', async () => {
    await postern('sessions end', ['--user', ALICE]);
    await connected();
    await connected();
    await postern('sessions end', ['--user', ALICE]);
    expect(await last()).toMatchObject({ user: ALICE, action: 'sessions_ended', detail: '2 connections' });
  });

  test('one session: which, and whose', async () => {
    const passwordId = await connected();
    const [session] = (await ofAlice()).filter((one) => one.passwordId === passwordId);
    await postern('sessions end', [session!.id]);
    expect(await last()).toMatchObject({
      user: ALICE,
      action: 'sessions_ended',
      passwordId,
      detail: `session ${session?.id}, imap`,
    });
  });

  test('none that there is: no record, since nothing was done', async () => {
    const before = await last();
    expect((await postern('sessions end', ['no-such-session'])).code).toBe(1);
    expect((await postern('sessions end', ['--user', 'nobody@example.com'])).code).toBe(1);
    expect(await last()).toEqual(before);
  });

  test.each([
    [['--network', '192.0.2.7'], null, 'network 192.0.2.7/32: no block'],
    [['--user', 'bob@example.com'], 'bob@example.com', 'no block'],
    [[], null, 'all: no block'],
  ])('blocks: %j', async (args, user, detail) => {
    await postern('throttle clear', args);
    expect(await last()).toMatchObject({ user, action: 'throttle_cleared', detail });
  });

  test('another configuration; one with a mistake changes nothing, and leaves none', async () => {
    const { configFile } = program.postern;
    program.postern.signal('SIGHUP');
    await expect.poll(async () => (await last())?.action).toBe('reloaded');
    const reloaded = await last();
    expect(reloaded).toMatchObject({ by: 'cli', user: null, detail: configFile });
    const text = readFileSync(configFile);
    writeFileSync(configFile, 'hostname: [');
    program.postern.signal('SIGHUP');
    try {
      await program.postern.logged(/"event":"reload_failed"/);
    } finally {
      writeFileSync(configFile, text);
    }
    expect(await last()).toEqual(reloaded);
  });

  test('it is in the log, too', async () => {
    await postern('throttle clear', ['--network', '198.51.100.1']);
    await program.postern.logged(/"action":"throttle_cleared".*198\.51\.100\.1/);
  });
});
