// When limits come from Redis and when from this process: what it takes to go from one to the other, what is said about
// it, and how long anybody waits. Redis is a double here; the real one is in test/e2e/redis-faults.test.ts.

import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import type { User } from '../../../src/lib/user.ts';
import { FallbackThrottle } from '../../../src/throttle/fallback-throttle.ts';
import { createMemoryThrottle } from '../../../src/throttle/memory-throttle.ts';
import type { SharedThrottle } from '../../../src/throttle/redis-throttle.ts';
import type { Block } from '../../../src/throttle/throttle.ts';

const alice = 'alice@example.com' as User;
const network = '192.0.2.7/32';
const guess = { network, user: alice, fingerprint: 'f' };
const shared: Block = { kind: 'network', retryAfter: 1 };
const never = () => new Promise<never>(() => {});
const refused = async () => {
  throw Object.assign(new Error('connect failed'), { code: 'ECONNREFUSED' });
};

/** Answers with a block, so that its answers can be told from those of memory. */
class RedisDouble implements SharedThrottle {
  calls = 0;
  /** Put in place of every operation. */
  fault: (() => Promise<never>) | undefined;
  /** Put in place of `guess` alone. */
  guessFault: (() => Promise<never>) | undefined;
  lose = () => {};

  async #operation<T>(answer: T, fault = this.fault): Promise<T> {
    this.calls++;
    return fault === undefined ? answer : fault();
  }

  guess() {
    return this.#operation<Block | undefined>(shared, this.guessFault ?? this.fault);
  }
  attempt() {
    return this.#operation<Block | undefined>(shared);
  }
  success() {
    return this.#operation(undefined);
  }
  list() {
    return this.#operation([{ kind: shared.kind, network, user: null, until: 1 }]);
  }
  clear() {
    return this.#operation(7);
  }
  async connect() {}
  probe() {
    return this.#operation(undefined);
  }
  configure() {}
  drop() {}
  onLost(listener: () => void) {
    this.lose = listener;
  }
}

const settings = {
  exempt: [],
  network: { distinct: 30, window: 60_000, block: 60_000 },
  networkAndUser: { distinct: 3, window: 60_000, block: 60_000 },
  attempts: { most: 1000, window: 60_000 },
};

let redis: RedisDouble;
let said: string[];
let asked: { seconds: number; isAnswered: boolean }[];
let throttle: FallbackThrottle;
beforeEach(async () => {
  redis = new RedisDouble();
  said = [];
  asked = [];
  throttle = new FallbackThrottle({
    shared: redis,
    own: createMemoryThrottle({ settings, clock: systemClock }),
    timeout: 40,
    clock: systemClock,
    onAsked: (seconds, isAnswered) => asked.push({ seconds, isAnswered }),
    events: {
      throttleDegraded: (detail) => said.push(detail),
      throttleRecovered: () => said.push('recovered'),
    },
  });
  await throttle.start();
});
afterEach(() => {
  throttle[Symbol.dispose]();
  vi.useRealTimers();
});

test('while Redis is well, its limits answer', async () => {
  expect(await throttle.guess(guess)).toEqual(shared);
  expect(await throttle.attempt(network)).toEqual(shared);
  expect(await throttle.clear({})).toBe(7);
  expect(await throttle.list()).toHaveLength(1);
  expect([throttle.isDegraded, said]).toEqual([false, []]);
});

test('what Redis is asked is timed, and what it did not answer is told', async () => {
  const before = asked.length;
  await throttle.guess(guess);
  expect(asked.slice(before)).toEqual([{ seconds: expect.any(Number), isAnswered: true }]);
  redis.fault = never;
  await throttle.guess(guess);
  const last = asked.at(-1);
  expect(last?.isAnswered).toBe(false);
  expect(last?.seconds).toBeGreaterThanOrEqual(0.035);
  // Of this process alone: Redis is not asked.
  const after = asked.length;
  await throttle.guess(guess);
  expect(asked).toHaveLength(after);
});

test('a right app password never waits for Redis, not even for one that hangs', async () => {
  const before = redis.calls;
  expect(await throttle.mayVerify(network, 'record')).toBe(true);
  await throttle.mismatch(network, 'record');
  expect(redis.calls).toBe(before);
});

describe('when Redis hangs', () => {
  test('the first who ask wait for the timeout, and nobody after them', async () => {
    redis.fault = never;
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let waiting = 50;
    for (let n = waiting; n > 0; n--) {
      void throttle.guess(guess).then((answer) => {
        expect(answer).toBeUndefined();
        waiting--;
      });
    }
    await vi.advanceTimersByTimeAsync(39);
    expect(waiting).toBe(50);
    await vi.advanceTimersByTimeAsync(1);
    await expect.poll(() => waiting).toBe(0);
    const calls = redis.calls;
    // By a clock that stands still.
    for (let n = 0; n < 100; n++) await throttle.attempt(network);
    expect(redis.calls).toBe(calls);
    expect([throttle.isDegraded, said]).toEqual([true, ['no answer within 40 ms']]);
  });

  test('its own limits hold meanwhile', async () => {
    redis.fault = never;
    for (let n = 0; n < 3; n++) await throttle.guess({ ...guess, fingerprint: `f${n}` });
    expect((await throttle.guess(guess))?.kind).toBe('network_and_user');
    expect((await throttle.list()).map((block) => block.kind)).toEqual(['network_and_user']);
    expect(await throttle.clear({ user: alice })).toBe(1);
    expect(await throttle.guess(guess)).toBeUndefined();
  });

  test('no more than a thousand wait, whoever comes', async () => {
    redis.fault = never;
    const calls = redis.calls;
    await Promise.all(Array.from({ length: 5000 }, () => throttle.attempt(network)));
    expect(redis.calls - calls).toBe(1000);
    expect(said).toHaveLength(1);
  });

  test('it is noticed although nobody asks', async () => {
    redis.fault = never;
    await expect.poll(() => throttle.isDegraded).toBe(true);
  });
});

test('it recovers by itself, and says each once', async () => {
  vi.useFakeTimers();
  redis.fault = refused;
  for (let n = 0; n < 10; n++) await throttle.guess(guess);
  expect(said).toEqual(['ECONNREFUSED']);
  redis.fault = undefined;
  await vi.advanceTimersByTimeAsync(1100);
  expect(throttle.isDegraded).toBe(false);
  expect(await throttle.guess(guess)).toEqual(shared);
  await vi.advanceTimersByTimeAsync(5000);
  expect(said).toEqual(['ECONNREFUSED', 'recovered']);
});

test('another reason in the same outage is said too, once', async () => {
  vi.useFakeTimers();
  redis.fault = refused;
  await throttle.guess(guess);
  await vi.advanceTimersByTimeAsync(5000);
  redis.fault = never;
  await vi.advanceTimersByTimeAsync(10_000);
  redis.fault = refused;
  await vi.advanceTimersByTimeAsync(5000);
  expect(said).toEqual(['ECONNREFUSED', 'no answer within 40 ms']);
});

test('one that recovers and fails in turn is asked less and less often', async () => {
  vi.useFakeTimers();
  // Takes the check's write, and nothing else.
  redis.guessFault = refused;
  const start = performance.now();
  const outages: number[] = [];
  while (outages.length < 8) {
    if (!throttle.isDegraded) {
      await throttle.guess(guess);
      outages.push(performance.now() - start);
    }
    await vi.advanceTimersByTimeAsync(100);
  }
  const gaps = outages.slice(1).map((at, n) => Math.round((at - outages[n]!) / 1000));
  expect(gaps).toEqual([1, 2, 4, 8, 16, 32, 60]);
});

test('a connection that ends while nobody asks is replaced at once, without a word', async () => {
  const calls = redis.calls;
  redis.lose();
  await expect.poll(() => redis.calls - calls).toBe(1);
  await pause(20);
  expect(redis.calls - calls).toBe(1);
  expect([throttle.isDegraded, said]).toEqual([false, []]);
});

test('a connection that ends under an operation is replaced too, if it can be', async () => {
  const closed = () => Promise.reject(new Error('Connection is closed.'));
  const once = () => {
    redis.fault = undefined;
    return closed();
  };
  redis.fault = once;
  expect(await throttle.guess(guess)).toBeUndefined();
  expect(await throttle.guess(guess)).toEqual(shared);
  expect([throttle.isDegraded, said]).toEqual([false, []]);
  // The operation, the check that it causes, and that check's second try.
  redis.fault = closed;
  const calls = redis.calls;
  await throttle.guess(guess);
  await expect.poll(() => throttle.isDegraded).toBe(true);
  expect(redis.calls - calls).toBe(3);
  expect(said).toEqual(['the connection was closed']);
});

test('after its end it asks Redis nothing, and says nothing', async () => {
  redis.fault = never;
  const asked = throttle.guess(guess);
  throttle[Symbol.dispose]();
  expect(await asked).toBeUndefined();
  const calls = redis.calls;
  redis.lose();
  await throttle.success({ network, user: alice });
  expect(await throttle.guess(guess)).toBeUndefined();
  await pause(1100);
  expect([redis.calls - calls, said]).toEqual([0, []]);
});
