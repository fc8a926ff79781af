// What the limits of a process keep when they get other settings.

import { expect, test } from 'vitest';
import type { User } from '../../../src/lib/user.ts';
import { createMemoryThrottle } from '../../../src/throttle/memory-throttle.ts';

const MINUTE = 60_000;
const alice = 'alice@example.com' as User;
const office = '192.0.2.7/32';
const limit = (distinct: number) => ({ distinct, window: 10 * MINUTE, block: 10 * MINUTE });
const settings = {
  exempt: [],
  network: limit(4),
  networkAndUser: limit(100),
  attempts: { most: 1000, window: MINUTE },
};

function started() {
  const time = { at: 5000 };
  const throttle = createMemoryThrottle({
    settings,
    clock: { now: () => time.at, monotonic: () => time.at },
  });
  const guess = (n: number) => throttle.guess({ network: office, user: alice, fingerprint: `f${n}` });
  return { throttle, time, guess };
}

test('guesses counted before count after, towards the new limit', async () => {
  const { throttle, guess } = started();
  for (let n = 0; n < 3; n++) expect(await guess(n)).toBeUndefined();
  throttle.configure({ ...settings, network: limit(5) });
  expect(await guess(3)).toBeUndefined();
  expect(await throttle.list()).toEqual([]);
  expect(await guess(4)).toBeUndefined();
  expect(await guess(5)).toEqual({ kind: 'network', retryAfter: 10 * MINUTE });
});

test('a block in force ends when it would have; the next is as long as the new settings say', async () => {
  const { throttle, time, guess } = started();
  for (let n = 0; n < 4; n++) await guess(n);
  throttle.configure({ ...settings, network: { ...limit(1), block: 60 * MINUTE } });
  expect(await guess(9)).toEqual({ kind: 'network', retryAfter: 10 * MINUTE });
  time.at += 10 * MINUTE;
  expect(await guess(10)).toBeUndefined();
  expect(await guess(11)).toEqual({ kind: 'network', retryAfter: 60 * MINUTE });
});

test('a network that is exempt from now on is let go, and counted again later', async () => {
  const { throttle, guess } = started();
  for (let n = 0; n < 4; n++) await guess(n);
  throttle.configure({ ...settings, exempt: ['192.0.2.0/24'] });
  expect(await guess(5)).toBeUndefined();
  throttle.configure(settings);
  expect(await guess(6)).toMatchObject({ kind: 'network' });
});

test('a shorter window of attempts holds for counting and for blocks', async () => {
  const { throttle, time } = started();
  throttle.configure({ ...settings, attempts: { most: 2, window: 1000 } });
  await throttle.attempt(office);
  await throttle.attempt(office);
  expect(await throttle.attempt(office)).toEqual({ kind: 'attempts', retryAfter: 1000 });
  time.at += 1000;
  expect(await throttle.attempt(office)).toBeUndefined();
});
