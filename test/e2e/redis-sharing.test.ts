// Several Posterns with one Redis: a client that is blocked at one is blocked at all, over restarts, and an operator can
// see and end it from any.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askControl } from '../../src/admin/control.ts';
import type { BlockEntry } from '../../src/throttle/throttle.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type ScriptedImapUpstream, startScriptedImapUpstream } from '../support/scripted-imap-upstream.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { connect } from '../support/transcript.ts';

const ALICE = 'alice@example.com';

let pki: Pki;
let upstream: ScriptedImapUpstream;
let redis: RedisServer;
beforeAll(async () => {
  pki = await createPki();
  upstream = await startScriptedImapUpstream();
  redis = await startRedis({ password: ledger('mEs8 opens redis'), certificate: await pki.issue() });
});
afterAll(async () => {
  await redis?.[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
  pki?.[Symbol.dispose]();
});

/** Over TLS, with a password in a file. */
async function start(prefix: string): Promise<Postern> {
  return startPostern({
    certificate: await pki.issue(),
    files: { master: ledger('mEs8 upstream of the throttle'), redis: 'mEs8 opens redis' },
    config: `
upstreams:
  script: { protocol: imap, address: "127.0.0.1:${upstream.port}", tls: none, capabilities: [], login: { method: plain, user: postern, passwordFile: ./master } }
routes: [{ users: "*", imap: script }]
appPasswords: { hash: { memoryKiB: 7168, passes: 1 } }
redis: { url: "rediss://localhost:${redis.port}/1", passwordFile: ./redis, ca: ${pki.ca.certFile}, prefix: "${prefix}" }
`,
  });
}

async function login(postern: Postern, password: string, answer: string, user = ALICE): Promise<void> {
  await using client = await connect({ port: postern.ports.imaps, tls: true, ca: pki.ca.cert });
  await client.expect('* OK …');
  await client.send(`a LOGIN ${user} "${password}"\r\n`);
  await client.expectUntil(`a ${answer}…`);
}

const wrong = (n: number) => `bbbbbbbbbbbbbbb${'abcdefghijkm'[n]}`;

const control = (postern: Postern) => join(postern.directory, 'control.sock');
const list = async (postern: Postern) =>
  ((await askControl(control(postern), 'GET', '/throttle')) as { blocks: BlockEntry[] }).blocks;

test('guesses at two Posterns add up, and the block holds at both', async () => {
  await using one = await start('two:');
  await using two = await start('two:');
  const { password } = await two.createPassword(ALICE);
  for (let n = 0; n < 5; n++) await login(one, wrong(n), 'NO [AUTHENTICATIONFAILED]');
  for (let n = 5; n < 10; n++) await login(two, wrong(n), 'NO [AUTHENTICATIONFAILED]');
  await login(one, wrong(10), 'NO [LIMIT]');
  await login(two, wrong(10), 'NO [LIMIT]');
  await login(two, wrong(10), 'NO [AUTHENTICATIONFAILED]', 'bob@example.com');
  // The right one opens all the same, and ends the block.
  await login(two, password, 'OK');
  expect(await list(one)).toEqual([]);
  await login(one, wrong(11), 'NO [AUTHENTICATIONFAILED]');
});

test('a block outlives every Postern, and any of them can end it', async () => {
  {
    await using first = await start('later:');
    for (let n = 0; n < 10; n++) await login(first, wrong(n), 'NO [AUTHENTICATIONFAILED]');
    await login(first, wrong(10), 'NO [LIMIT]');
  }
  await using second = await start('later:');
  await login(second, wrong(10), 'NO [LIMIT]');
  await using third = await start('later:');
  const blocks = await list(third);
  expect(blocks).toEqual([
    { kind: 'network_and_user', network: '127.0.0.1/32', user: ALICE, until: expect.any(Number) },
  ]);
  const minutes = (blocks[0]!.until - Date.now()) / 60_000;
  expect(minutes).toBeGreaterThan(14);
  expect(minutes).toBeLessThan(15);
  const cleared = await askControl(control(third), 'POST', '/throttle/clear', { user: ALICE });
  expect(cleared).toEqual({ sharing: 'shared', ended: 1 });
  await login(second, wrong(10), 'NO [AUTHENTICATIONFAILED]');
});
