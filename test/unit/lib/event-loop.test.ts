// When the event loop counts as late: after two looks in a row, until three in a row are in time.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EventLoopWatch } from '../../../src/lib/event-loop.ts';

let delay = 0;
let changes: [boolean, number][];
let watch: EventLoopWatch;

beforeEach(() => {
  vi.useFakeTimers();
  changes = [];
  watch = new EventLoopWatch({
    takeDelay: () => delay,
    onChange: (isLate, delay) => changes.push([isLate, delay]),
  });
});
afterEach(() => {
  watch[Symbol.dispose]();
  vi.useRealTimers();
});

/** One look for each delay. */
function looks(...delays: number[]): boolean {
  for (const one of delays) {
    delay = one;
    vi.advanceTimersByTime(1000);
  }
  return watch.isLate;
}

test('one late look is a pause of the machine; two in a row are overload', () => {
  expect(looks(0, 5000, 0, 5000, 499, 500)).toBe(false);
  expect(looks(500)).toBe(true);
  expect(changes).toEqual([[true, 500]]);
});

test('it takes three looks in time to end it, and what is between the bounds changes nothing', () => {
  looks(600, 600);
  expect(looks(0, 0, 300, 0, 0, 200, 199, 199)).toBe(true);
  expect(looks(199)).toBe(false);
  expect(looks(300, 499, 300)).toBe(false);
  expect(changes).toEqual([
    [true, 600],
    [false, 199],
  ]);
});

test('after it was disposed of, it looks no more', () => {
  watch[Symbol.dispose]();
  expect(looks(900, 900, 900)).toBe(false);
});

test('measures the loop that it runs in', async () => {
  vi.useRealTimers();
  await using real = new AsyncDisposableStack();
  const seen = Promise.withResolvers<number>();
  real.use(new EventLoopWatch({ onChange: (_, delay) => seen.resolve(delay) }));
  const started = performance.now();
  while (performance.now() - started < 3600) {
    const turn = performance.now();
    while (performance.now() - turn < 560);
    await sleep(1);
  }
  expect(await seen.promise).toBeGreaterThanOrEqual(500);
});
