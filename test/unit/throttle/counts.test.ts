import { expect, test } from 'vitest';
import { DistinctCounter } from '../../../src/throttle/distinct-counter.ts';
import { NetworkCounts } from '../../../src/throttle/network-counts.ts';
import { add, type Tally } from '../../../src/throttle/tally.ts';

const limit = { distinct: 3, window: 1000, block: 1 };

test('a fingerprint counts for less than the window, from when it was last seen', () => {
  const counter = new DistinctCounter();
  expect(counter.add('a', 0, limit)).toBe(false);
  expect(counter.add('b', 1, limit)).toBe(false);
  expect(counter.add('c', 1000, limit)).toBe(false);
  expect(counter.add('b', 1000, limit)).toBe(false);
  expect(counter.add('d', 1999, limit)).toBe(true);
});

test('it never holds more than the limit', () => {
  const counter = new DistinctCounter();
  for (let n = 0; n < 10_000; n++) {
    counter.add(`f${n}`, n * 600, limit);
    expect(counter.held).toBeLessThanOrEqual(limit.distinct);
  }
  expect(counter.isExpired(9999 * 600 + 999, limit)).toBe(false);
  expect(counter.isExpired(9999 * 600 + 1000, limit)).toBe(true);
});

test('a tally starts again when its window is over', () => {
  const tally: Tally = { count: 0, since: 0 };
  expect([add(tally, 0, 10), add(tally, 9, 10), add(tally, 10, 10), add(tally, 19, 10)]).toEqual([
    1, 2, 1, 2,
  ]);
});

test('counts of networks that have gone quiet are dropped as others come', () => {
  const counts = new NetworkCounts(100_000, 500, limit);
  for (let n = 0; n < 100; n++) counts.touch(`old${n}`, 0).distinct.add('f', 0, limit);
  counts.touch('still counting', 0).distinct.add('f', 900, limit);
  for (let n = 0; n < 10; n++) counts.touch(`before${n}`, 999);
  expect(counts.size).toBe(111);
  for (let n = 0; n < 100; n++) counts.touch(`after${n}`, 1000);
  expect(counts.size).toBe(111);
  expect(counts.touch('still counting', 1000).distinct.held).toBe(1);
});
