// Counts with an end in a real Redis, for several processes, and what happens when it goes.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { startQuotaCounts } from '../../src/throttle/quota-counts.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const entry = (key: string, by: number, window = 1000) => ({ key, by, window });

describe('in Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  const start = (port = redis.port, timeout = 60_000) =>
    startQuotaCounts({
      redis: {
        host: '127.0.0.1',
        port,
        db: 0,
        username: null,
        password: null,
        tls: false,
        ca: null,
        prefix: 'p:',
        timeout,
      },
      clock: systemClock,
    });

  test('two processes share them, and keys end by themselves', async () => {
    using one = await start();
    using two = await start();
    await one.count([entry('shared', 2, 3_600_000)]);
    expect(await two.count([entry('shared', 1, 3_600_000)])).toEqual([3]);
    expect(await one.count([entry('shared', 0, 3_600_000)])).toEqual([3]);
    const left = await redis.client.pttl('p:quota:shared');
    expect(left).toBeGreaterThan(3_500_000);
    // Asking alone makes no key.
    await one.count([entry('asked', 0)]);
    expect(await redis.client.exists('p:quota:asked')).toBe(0);
    await one.count([entry('short', 1, 50)]);
    await expect.poll(() => redis.client.exists('p:quota:short')).toBe(0);
  });

  test('a connection that Redis has closed is replaced', async () => {
    using counts = await start();
    await counts.count([entry('kept', 1, 60_000)]);
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    expect(await counts.count([entry('kept', 1, 60_000)])).toEqual([2]);
  });

  test('without Redis each process goes on with what it has counted itself', async () => {
    await using other = await startRedis();
    using one = await start(other.port);
    using two = await start(other.port);
    await one.count([entry('a', 2, 60_000)]);
    await two.count([entry('a', 5, 60_000)]);
    await other.stop();
    expect(await one.count([entry('a', 1, 60_000)])).toEqual([3]);
    expect(await one.count([entry('a', 1, 60_000)])).toEqual([4]);
    expect(await two.count([entry('a', 0, 60_000)])).toEqual([5]);
  });

  test('a Redis that does not answer delays one message by its timeout, and the next by nothing', async () => {
    await using other = await startRedis();
    // Many times what counting takes, on a busy machine too.
    using counts = await start(other.port, 3000);
    await counts.count([entry('a', 1, 60_000)]);
    other.freeze();
    try {
      expect(await counts.count([entry('a', 1, 60_000)])).toEqual([2]);
      const before = performance.now();
      expect(await counts.count([entry('a', 1, 60_000)])).toEqual([3]);
      expect(performance.now() - before).toBeLessThan(3000);
    } finally {
      other.thaw();
    }
  });
});
