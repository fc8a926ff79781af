// `postern throttle` beside a running Postern. The command runs in this process, which is quicker; once it is the real one.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createPki, type Pki } from '../support/pki.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { connect } from '../support/transcript.ts';
import { run } from '../unit/cli/terminal-double.ts';

let pki: Pki;
let redis: RedisServer;
const posterns: Partial<Record<'alone' | 'shared', Postern>> = {};
beforeAll(async () => {
  pki = await createPki();
  redis = await startRedis();
  posterns.alone = await start('');
  posterns.shared = await start(`redis: { url: "redis://127.0.0.1:${redis.port}" }`);
});
afterAll(async () => {
  await posterns.alone?.[Symbol.asyncDispose]();
  await posterns.shared?.[Symbol.asyncDispose]();
  await redis?.[Symbol.asyncDispose]();
  pki?.[Symbol.dispose]();
});

async function start(more: string): Promise<Postern> {
  return startPostern({
    certificate: await pki.issue(),
    files: { master: ledger('mEs8 upstream of the throttle') },
    config: `
upstreams:
  none: { protocol: imap, address: "127.0.0.1:1", tls: none, login: { method: plain, user: postern, passwordFile: ./master } }
routes: [{ users: "*", imap: none }]
throttle: { failureDelay: 0ms, networkAndUser: { distinct: 2 }, network: { distinct: 6 } }
${more}
`,
  });
}

/** `postern throttle …`. */
async function throttle(postern: Postern, ...args: string[]) {
  const { code, out, err } = await run(['throttle', ...args, '--config', postern.configFile]);
  return { code, stdout: out, stderr: err };
}

async function list(postern: Postern, ...args: string[]) {
  return JSON.parse((await throttle(postern, 'list', ...args, '--json')).stdout);
}

/** Two wrong app passwords: one block for the user from that address. */
async function guess(postern: Postern, user: string, localAddress = '127.0.0.1'): Promise<void> {
  await using client = await connect({
    port: postern.ports.imaps,
    tls: true,
    ca: pki.ca.cert,
    localAddress,
  });
  await client.expect('* OK …');
  for (const last of 'ab') {
    await client.send(`${last} LOGIN ${user} "ccccccccccccccc${last}"\r\n`);
    await client.expectUntil(`${last} NO …`);
  }
}

describe.each(['alone', 'shared'] as const)('%s', (which) => {
  let postern: Postern;
  beforeEach(async () => {
    postern = posterns[which]!;
    await throttle(postern, 'clear');
  });

  test('the list is a table for people, and an array for programs', async () => {
    expect(await throttle(postern, 'list')).toMatchObject({ code: 0, stdout: 'no blocks\n', stderr: '' });
    expect(await list(postern)).toEqual([]);
    await guess(postern, 'alice@example.com');
    await guess(postern, 'bob@example.com', '127.0.0.2');
    const { stdout } = await throttle(postern, 'list');
    expect(stdout.split('\n').map((line) => line.trimEnd())).toEqual([
      'KIND              NETWORK       USER               UNTIL (UTC)',
      expect.stringMatching(
        /^network_and_user {2}127\.0\.0\.1\/32 {2}alice@example\.com {2}\d{4}-.* \d\d:\d\d$/,
      ),
      expect.stringMatching(
        /^network_and_user {2}127\.0\.0\.2\/32 {2}bob@example\.com {4}\d{4}-.* \d\d:\d\d$/,
      ),
      '',
    ]);
    expect(await list(postern)).toHaveLength(2);
    expect(await list(postern, '--user', 'alice')).toEqual([
      {
        kind: 'network_and_user',
        network: '127.0.0.1/32',
        user: 'alice@example.com',
        until: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      },
    ]);
    expect(await list(postern, '--network', '127.0.0.2/31')).toHaveLength(1);
    expect(await list(postern, '--network', '127.0.0.1', '--user', 'bob')).toEqual([]);
  });

  test('clear ends what it is told to, and says how much that was', async () => {
    for (const user of ['alice', 'bob', 'carol']) {
      await guess(postern, user);
      await guess(postern, user, '127.0.0.2');
    }
    expect((await list(postern)).map(({ kind }: { kind: string }) => kind).sort()).toEqual([
      ...Array(2).fill('network'),
      ...Array(6).fill('network_and_user'),
    ]);
    expect(await throttle(postern, 'clear', '--user', 'alice', '--network', '127.0.0.1')).toMatchObject({
      code: 0,
      stdout: 'ended 1 block\n',
    });
    expect((await throttle(postern, 'clear', '--user', 'alice', '--json')).stdout).toBe(
      '{\n  "ended": 1\n}\n',
    );
    expect((await throttle(postern, 'clear', '--network', '127.0.0.2')).stdout).toBe('ended 3 blocks\n');
    expect(await list(postern, '--network', '127.0.0.2')).toEqual([]);
    expect((await throttle(postern, 'clear')).stdout).toBe('ended 3 blocks\n');
    expect(await throttle(postern, 'clear')).toMatchObject({
      code: 0,
      stdout: 'no such block was in force\n',
    });
    expect(await list(postern)).toEqual([]);
  });
});

test.each([
  ['a network that is none', ['--network', '127.0.0.0/33'], /"127\.0\.0\.0\/33" is not a network/],
  ['an empty network', ['--network', ''], /"" is not a network/],
  ['a user that is none', ['--user', '*@example.com'], /is not a user/],
  ['an argument too many', ['127.0.0.1'], /too many arguments/],
])('%s clears nothing', async (_, args, message) => {
  await guess(posterns.alone!, 'erin');
  const outcome = await throttle(posterns.alone!, 'clear', ...args);
  expect([outcome.code, outcome.stdout]).toEqual([64, '']);
  expect(outcome.stderr).toMatch(message);
  expect(await list(posterns.alone!)).toHaveLength(1);
});

test('while Redis hangs, it is about this process, and says so', async () => {
  const postern = posterns.shared!;
  redis.freeze();
  try {
    await guess(postern, 'dave');
    const shown = await postern.cli(['throttle', 'list', '--json']);
    expect(shown.stderr).toBe(
      'postern: Redis cannot be used now: shown is what this process counts by itself\n',
    );
    expect(JSON.parse(shown.stdout)).toMatchObject([{ user: 'dave@example.com' }]);
    const cleared = await throttle(postern, 'clear', '--user', 'dave');
    expect([cleared.code, cleared.stdout]).toEqual([0, 'ended 1 block\n']);
    expect(cleared.stderr).toMatch(/cleared is what this process counts by itself/);
  } finally {
    redis.thaw();
  }
});

test('without a running Postern it says so', async () => {
  await using postern = await start('');
  await postern.stop();
  const outcome = await throttle(postern, 'list');
  expect([outcome.code, outcome.stdout]).toEqual([69, '']);
  expect(outcome.stderr).toMatch(/nothing answers on the control socket/);
});
