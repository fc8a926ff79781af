// Limits in a real Redis behave as those in memory do, and what they leave there is bounded.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { Secret } from '../../src/lib/secret.ts';
import type { User } from '../../src/lib/user.ts';
import { FallbackThrottle } from '../../src/throttle/fallback-throttle.ts';
import { createMemoryThrottle } from '../../src/throttle/memory-throttle.ts';
import { createRedisThrottle, type SharedThrottle } from '../../src/throttle/redis-throttle.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { type Make, MINUTE, throttleBehaviour } from '../unit/throttle/behaviour.ts';
import { compareWithModel } from '../unit/throttle/model.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis?.[Symbol.asyncDispose]());

const connection = () => ({
  host: '127.0.0.1',
  port: redis.port,
  db: 0,
  username: null,
  password: null,
  tls: null,
});

/** As it is used: with a memory of its own beside it, which must not come into play. */
const make: Make = async ({ settings, clock, most }) => {
  const shared = createRedisThrottle({
    settings,
    redis: connection(),
    prefix: `${randomUUID()}:`,
    clock,
    ...(most === undefined ? {} : { most }),
  });
  const throttle = new FallbackThrottle({
    shared,
    own: createMemoryThrottle({ settings, clock }),
    timeout: 10_000,
    clock: systemClock,
    events: {
      throttleDegraded(detail) {
        throw new Error(`fell back to memory: ${detail}`);
      },
      throttleRecovered() {},
    },
  });
  return Object.assign(throttle, { close: () => throttle[Symbol.dispose]() });
};

describe('in Redis', () => {
  throttleBehaviour(make, { flood: 20 });

  test('it blocks whom, when and for how long the model does', () => compareWithModel(make, 500));
});

describe('what is in Redis', () => {
  const settings = {
    exempt: ['192.0.2.99/32'],
    network: { distinct: 30, window: 10 * MINUTE, block: 10 * MINUTE },
    networkAndUser: { distinct: 10, window: 60 * MINUTE, block: 15 * MINUTE },
    attempts: { most: 300, window: 10 * MINUTE },
  };
  const open = (prefix: string, most?: number) =>
    createRedisThrottle({ settings, redis: connection(), prefix, ...(most === undefined ? {} : { most }) });
  const alice = 'alice@example.com' as User;
  const network = '192.0.2.7/32';

  async function guessAt(throttle: SharedThrottle, users: number, guesses: number, from = network) {
    const outcomes = [];
    for (let n = 0; n < users * guesses; n++) {
      const user = (users === 1 ? alice : `user${n % users}@example.com`) as User;
      outcomes.push(await throttle.guess({ network: from, user, fingerprint: `fingerprint${n}` }));
    }
    return outcomes;
  }

  test('keys begin with the prefix, tell what they are about, and go by themselves', async () => {
    const throttle = open('tidy:');
    await guessAt(throttle, 1, 9);
    await guessAt(throttle, 1, 9, '2001:db8:1:2::/64');
    await throttle.attempt(network);
    await throttle.guess({ network, user: alice, fingerprint: 'tenth' });
    await throttle.guess({ network, user: 'bob@example.com' as User, fingerprint: 'one' });
    const keys = (await redis.client.keys('tidy:*')).sort();
    expect(keys).toEqual([
      'tidy:attempts:192.0.2.7/32',
      'tidy:attempts:2001:db8:1:2::/64',
      'tidy:block:network_and_user:192.0.2.7/32 alice@example.com',
      'tidy:guesses:192.0.2.7/32',
      'tidy:guesses:192.0.2.7/32 bob@example.com',
      'tidy:guesses:2001:db8:1:2::/64',
      'tidy:guesses:2001:db8:1:2::/64 alice@example.com',
      'tidy:index:blocks:network_and_user',
      'tidy:index:networks',
      'tidy:index:pairs',
      'tidy:index:users:192.0.2.7/32',
      'tidy:index:users:2001:db8:1:2::/64',
    ]);
    for (const key of keys) {
      const ttl = await redis.client.pttl(key);
      expect([key, ttl > 0 && ttl < 11 * 1440 * MINUTE]).toEqual([key, true]);
    }
    throttle.drop();
  });

  test('blocks and counts are there for another process, and after a restart', async () => {
    const first = open('two:');
    await guessAt(first, 1, 5);
    const second = open('two:');
    for (let n = 5; n < 10; n++) await second.guess({ network, user: alice, fingerprint: `fingerprint${n}` });
    expect((await first.guess({ network, user: alice, fingerprint: 'x' }))?.kind).toBe('network_and_user');
    first.drop();
    second.drop();
    const third = open('two:');
    const block = await third.guess({ network, user: alice, fingerprint: 'x' });
    expect(block?.retryAfter).toBeGreaterThan(14 * MINUTE);
    expect(block?.retryAfter).toBeLessThanOrEqual(15 * MINUTE);
    const [entry] = await third.list();
    expect(Math.abs(entry!.until - Date.now() - 15 * MINUTE)).toBeLessThan(MINUTE);
    third.drop();
  });

  test('a block is remembered for as long as it would make the next one longer', async () => {
    const at = { now: 1_700_000_000_000 };
    const clock = { now: () => at.now };
    const throttle = createRedisThrottle({ settings, redis: connection(), prefix: 'long:', clock });
    const key = `long:block:network_and_user:${network} ${alice}`;
    const DAY = 1440 * MINUTE;
    const lived = [];
    for (let n = 0; n < 9; n++) {
      await guessAt(throttle, 1, 10);
      const [until, length] = (await redis.client.get(key))!.split(' ').map(Number) as [number, number];
      lived.push([length / MINUTE, Math.round(((await redis.client.pttl(key)) - length) / DAY)]);
      at.now = until;
    }
    // After so many quiet days a block of twice the length would have been halved to 15 minutes or less.
    expect(lived).toEqual([...[0, 1, 2, 3, 4, 5, 6].map((n) => [15 * 2 ** n, n + 1]), [1440, 8], [1440, 8]]);
    throttle.drop();
  });

  test('a user with few rights is enough', async () => {
    const rights = ['~acl:*', '+@scripting', '+@read', '+@write', '+@connection', '+time'];
    await redis.client.acl('SETUSER', 'postern', 'on', `>${ledger('mEs8 in for little')}`, ...rights);
    const throttle = createRedisThrottle({
      settings,
      redis: { ...connection(), db: 1, username: 'postern', password: new Secret('mEs8 in for little') },
      prefix: 'acl:',
    });
    await throttle.connect();
    await throttle.probe();
    await throttle.attempt(network);
    await guessAt(throttle, 31, 1);
    await guessAt(throttle, 1, 11, '192.0.2.8/32');
    expect(await throttle.list()).toHaveLength(2);
    await throttle.success({ network: '192.0.2.8/32', user: alice });
    expect(await throttle.clear({})).toBe(1);
    throttle.drop();
  });

  test('another prefix is another world', async () => {
    const one = open('one:');
    await guessAt(one, 1, 10);
    const other = open("it's [odd] \\ *:");
    expect(await other.list()).toEqual([]);
    await guessAt(other, 1, 10);
    expect(await other.clear({})).toBe(1);
    expect(await one.list()).toHaveLength(1);
    one.drop();
    other.drop();
  });

  test('a block that was deleted by hand is over', async () => {
    const throttle = open('hand:');
    await guessAt(throttle, 1, 10);
    expect(await throttle.list()).toHaveLength(1);
    await redis.client.del(`hand:block:network_and_user:${network} ${alice}`);
    expect(await throttle.list()).toEqual([]);
    expect(await throttle.guess({ network, user: alice, fingerprint: 'x' })).toBeUndefined();
    throttle.drop();
  });

  test('names that an attacker invents leave a bounded number of keys, from one network and from many', async () => {
    const throttle = open('flood:', 200);
    const keys = async () => (await redis.client.keys('flood:*')).length;
    await guessAt(throttle, 2000, 1);
    // The network: 2 counts, 2 blocks. Its users: 200 counts at most. 5 indexes, 1 of them its own.
    expect(await keys()).toBeLessThanOrEqual(4 + 200 + 6);
    for (let n = 0; n < 1000; n++) await guessAt(throttle, 2, 11, `10.9.${n >> 8}.${n & 255}/32`);
    // 200 networks with 2 counts and an index of users each, 200 pairs, 200 blocks of each kind, 5 indexes.
    expect(await keys()).toBeLessThanOrEqual(200 * 3 + 200 + 600 + 5);
    throttle.drop();
  });

  test('a script that Redis has forgotten is sent again', async () => {
    const throttle = open('script:');
    await guessAt(throttle, 1, 9);
    await redis.client.script('FLUSH');
    await throttle.guess({ network, user: alice, fingerprint: 'tenth' });
    expect((await throttle.guess({ network, user: alice, fingerprint: 'x' }))?.kind).toBe('network_and_user');
    throttle.drop();
  });

  test('other settings hold from now on, for the connection that there is and for the next one', async () => {
    const throttle = open('other:');
    await guessAt(throttle, 1, 4);
    throttle.configure({
      ...settings,
      exempt: ['192.0.2.8/32'],
      networkAndUser: { distinct: 5, window: 60 * MINUTE, block: 7 * MINUTE },
    });
    await throttle.guess({ network, user: alice, fingerprint: 'fifth' });
    expect((await throttle.guess({ network, user: alice, fingerprint: 'x' }))?.retryAfter).toBeGreaterThan(
      6 * MINUTE,
    );
    throttle.drop();
    await guessAt(throttle, 1, 5, '192.0.2.9/32');
    await guessAt(throttle, 1, 5, '192.0.2.8/32');
    expect((await throttle.list()).map((block) => block.network).sort()).toEqual([network, '192.0.2.9/32']);
    throttle.drop();
  });

  test('an attempt is one command, and an exempt one none', async () => {
    const throttle = open('count:');
    await guessAt(throttle, 1, 2);
    await throttle.attempt(network);
    await throttle.success({ network, user: alice });
    const commands = async () => {
      const stats = await redis.client.info('commandstats');
      const calls = [...stats.matchAll(/^cmdstat_(eval|evalsha):calls=(\d+)/gm)];
      return calls.reduce((sum, [, , n]) => sum + Number(n), 0);
    };
    await redis.client.config('RESETSTAT');
    await guessAt(throttle, 50, 1);
    for (let n = 0; n < 25; n++) await throttle.attempt(network);
    for (let n = 0; n < 25; n++) await throttle.success({ network, user: alice });
    expect(await commands()).toBe(100);
    await guessAt(throttle, 5, 5, '192.0.2.99/32');
    await throttle.attempt('192.0.2.99/32');
    expect(await commands()).toBe(100);
    throttle.drop();
  });
});
