// Everything that can be wrong with a Redis, a real one, while clients log in: they notice nothing, the operator does, and
// it ends by itself. docs/operations.md has these as a table.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { pki, type Setting, startSetting } from '../protocol/postern-before-script.ts';
import { eventually } from '../support/patience.ts';
import { freePort } from '../support/ports.ts';
import { type RedisServer, startRedis, startRelay } from '../support/redis.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { tempDir } from '../support/temp-dir.ts';

/** `throttle.failureDelay` of the config below. */
const FAILURE_DELAY = 50;
/** `redis.timeout` of it, milliseconds that an operation may take: many times what a login takes, on a busy machine too. */
const TIMEOUT = 5000;
/** Distinct guesses at a user from one network that lead to a block. */
const DISTINCT = 6;

const dir = tempDir();
afterAll(() => dir[Symbol.dispose]());

/** Postern with a `redis` section of these keys. */
function start(redis: string): Promise<Setting> {
  return startSetting({
    config: `
throttle: { failureDelay: ${FAILURE_DELAY}ms, networkAndUser: { distinct: ${DISTINCT} } }
redis: { timeout: ${TIMEOUT}ms, ${redis} }
`,
  });
}

const url = (port: number) => `url: "redis://127.0.0.1:${port}/0"`;

/** Milliseconds from LOGIN to its answer, which must begin so. */
async function login(postern: Setting, password: string, answer: string): Promise<number> {
  await using client = await postern.client();
  const sent = performance.now();
  await client.send(`a LOGIN alice@example.com "${password}"\r\n`);
  await client.expectUntil(`a ${answer}…`);
  return performance.now() - sent;
}

let guesses = 0;
/** A wrong app password that nobody has tried yet. */
function wrong(): string {
  guesses += 1;
  return `aaaaaaaaaaaa${String(guesses).padStart(4, 'z').replaceAll('0', 'x').replaceAll('1', 'y')}`;
}

/** What was logged of outages, in order: why they began, and that they ended. */
const told = (postern: Setting) =>
  postern
    .events(/^throttle_(degraded|recovered)$/)
    .map(({ event, detail }) => (event === 'throttle_degraded' ? detail : 'recovered'));

async function is(postern: Setting, status: 'ready' | 'degraded'): Promise<void> {
  await eventually(async () => (await postern.readiness())[1] === status || undefined);
  expect(await postern.readiness()).toEqual([200, status]);
  const metrics = await postern.metrics();
  expect(metrics.value('postern_throttle_degraded')).toBe(status === 'degraded' ? 1 : 0);
}

/** While the fault lasts: who logs in with what, how soon, and that guesses are still counted. */
async function clientsNoticeNothing(postern: Setting): Promise<void> {
  // The first operation after the fault may have to find out.
  const first = await login(postern, wrong(), 'NO [AUTHENTICATIONFAILED]');
  expect(first).toBeGreaterThan(FAILURE_DELAY - 5);
  await is(postern, 'degraded');
  // From then on nobody waits for Redis: at the best of three, less than the timeout.
  const guesses: number[] = [];
  const logins: number[] = [];
  for (let n = 0; n < 3; n++) {
    guesses.push(await login(postern, wrong(), 'NO [AUTHENTICATIONFAILED]'));
    logins.push(await login(postern, postern.password, 'OK'));
  }
  expect(Math.min(...guesses)).toBeLessThan(TIMEOUT);
  expect(Math.min(...logins)).toBeLessThan(TIMEOUT);
  for (let n = 0; n < DISTINCT; n++) await login(postern, wrong(), 'NO');
  await login(postern, wrong(), 'NO [LIMIT]');
  await login(postern, postern.password, 'OK');
}

/** Causes the fault, looks, ends it, and looks again. */
async function throughFault(
  postern: Setting,
  fault: { cause(): unknown; end(): unknown; says: RegExp },
): Promise<void> {
  await is(postern, 'ready');
  await fault.cause();
  await clientsNoticeNothing(postern);
  await fault.end();
  await is(postern, 'ready');
  const lines = told(postern);
  expect(lines.at(-1)).toBe('recovered');
  expect(lines.filter((line) => line === 'recovered')).toHaveLength(1);
  expect(lines[0]).toMatch(fault.says);
  expect(new Set(lines).size).toBe(lines.length);
  expect(postern.events('internal_error')).toEqual([]);
  await login(postern, wrong(), 'NO [AUTHENTICATIONFAILED]');
}

describe('Redis while Postern runs', () => {
  test('is away, and comes back empty', async () => {
    let redis = await startRedis();
    await using postern = await start(url(redis.port));
    for (let n = 0; n < DISTINCT; n++) await login(postern, wrong(), 'NO [AUTHENTICATIONFAILED]');
    await login(postern, wrong(), 'NO [LIMIT]');
    try {
      await throughFault(postern, {
        cause: () => redis.stop(),
        end: async () => {
          redis = await startRedis({ port: redis.port });
        },
        says: /^ECONNREFUSED$|^the connection was closed$/,
      });
    } finally {
      await redis[Symbol.asyncDispose]();
    }
  });

  test('restarts between two attempts', async () => {
    await using before = await startRedis();
    await using postern = await start(url(before.port));
    await login(postern, wrong(), 'NO [AUTHENTICATIONFAILED]');
    await before.stop();
    await using _after = await startRedis({ port: before.port });
    await login(postern, postern.password, 'OK');
    await login(postern, wrong(), 'NO [AUTHENTICATIONFAILED]');
    await is(postern, 'ready');
  });

  test('hangs', async () => {
    await using redis = await startRedis();
    await using postern = await start(url(redis.port));
    await throughFault(postern, {
      cause: () => redis.freeze(),
      end: () => redis.thaw(),
      says: /^no answer within 5000 ms$/,
    });
  });

  test('is slow', async () => {
    await using redis = await startRedis();
    await using relay = await startRelay(redis.port);
    await using postern = await start(url(relay.port));
    await throughFault(postern, {
      cause: () => (relay.delay = 2 * TIMEOUT),
      end: () => (relay.delay = 0),
      says: /^no answer within 5000 ms$/,
    });
  });

  test('is full', async () => {
    await using redis = await startRedis();
    await using postern = await start(url(redis.port));
    await throughFault(postern, {
      cause: () => redis.client.config('SET', 'maxmemory', '1kb'),
      end: () => redis.client.config('SET', 'maxmemory', '0'),
      says: /^OOM: it is full/,
    });
  });

  test('becomes a replica', async () => {
    await using redis = await startRedis();
    await using postern = await start(url(redis.port));
    await throughFault(postern, {
      cause: () => redis.client.replicaof('127.0.0.1', 1),
      end: () => redis.client.replicaof('NO', 'ONE'),
      says: /^READONLY: it is a read-only replica$/,
    });
  });

  test('closes idle connections: that is no fault', async () => {
    await using redis = await startRedis();
    await using postern = await start(url(redis.port));
    for (let n = 0; n < 3; n++) {
      await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await pause(100);
      await login(postern, wrong(), 'NO [AUTHENTICATIONFAILED]');
    }
    await is(postern, 'ready');
    expect(told(postern)).toEqual([]);
  });
});

describe('Postern starts without', () => {
  /** Starts degraded, and goes over to Redis when that is mended. */
  async function startsDegraded(postern: Setting, says: RegExp, mend: () => unknown): Promise<void> {
    await clientsNoticeNothing(postern);
    expect(told(postern)).toEqual([expect.stringMatching(says)]);
    await mend();
    await is(postern, 'ready');
    expect(told(postern)).toEqual([expect.stringMatching(says), 'recovered']);
  }

  test('a Redis', async () => {
    const port = await freePort();
    await using postern = await start(url(port));
    let redis: RedisServer | undefined;
    try {
      await startsDegraded(postern, /^ECONNREFUSED$/, async () => {
        redis = await startRedis({ port });
      });
    } finally {
      await redis?.[Symbol.asyncDispose]();
    }
  });

  test('the password that Redis asks for', async () => {
    await using redis = await startRedis({ password: ledger('mEs8 password of redis') });
    await using postern = await start(url(redis.port));
    await startsDegraded(postern, /^NOAUTH: it asks for a password$/, () =>
      redis.client.config('SET', 'requirepass', ''),
    );
  });

  test.each([
    ['in the URL', (port: number) => `url: "redis://:mEs8%20wrong%20for%20redis@127.0.0.1:${port}"`],
    ['in a file', (port: number) => `${url(port)}, passwordFile: ${join(dir.path, 'password')}`],
  ])('the right password, with a wrong one %s', async (_, redisKeys) => {
    await using redis = await startRedis({ password: ledger('mEs8 right for redis') });
    writeFileSync(join(dir.path, 'password'), ledger('mEs8 wrong for redis'), { mode: 0o600 });
    await using postern = await start(redisKeys(redis.port));
    await startsDegraded(postern, /^WRONGPASS: the user name or the password is wrong$/, () =>
      redis.client.config('SET', 'requirepass', 'mEs8 wrong for redis'),
    );
    for (const secret of ['mEs8 wrong for redis', 'mEs8%20wrong', 'mEs8 right for redis']) {
      expect(JSON.stringify(postern.events(/./))).not.toContain(secret);
    }
  });

  test('TLS to a Redis that wants it', async () => {
    await using redis = await startRedis({ certificate: await (await pki()).issue() });
    await using postern = await start(url(redis.port));
    await clientsNoticeNothing(postern);
    expect(told(postern)).toEqual([
      expect.stringMatching(/does not speak the Redis protocol|^the connection was closed$|^ECONNRESET$/),
    ]);
  });

  test('a Redis that speaks TLS, with TLS', async () => {
    await using redis = await startRedis();
    await using postern = await start(`url: "rediss://127.0.0.1:${redis.port}"`);
    await clientsNoticeNothing(postern);
    expect(told(postern)).toEqual(['no TLS handshake (does it speak TLS?) within 2000 ms']);
  });

  test('the authority of its certificate', async () => {
    await using redis = await startRedis({ certificate: await (await pki()).issue() });
    await using postern = await start(`url: "rediss://127.0.0.1:${redis.port}"`);
    await clientsNoticeNothing(postern);
    expect(told(postern)).toEqual([expect.stringMatching(/^TLS failed: .*(SIGN|CERT)/)]);
  });

  test('a database of that number', async () => {
    await using redis = await startRedis();
    await using postern = await start(`url: "redis://127.0.0.1:${redis.port}/99"`);
    await clientsNoticeNothing(postern);
    expect(told(postern)).toEqual(['it answered ERR']);
  });
});
