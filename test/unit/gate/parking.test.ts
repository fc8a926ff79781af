// Step 8: answers leave on a grid of 10 ms, the constant delay after their attempts; places are bounded.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Parking } from '../../../src/gate/parking.ts';

const clock = { now: () => Date.now(), monotonic: () => Date.now() };
const PLENTY = { total: 1000, perNetwork: 1000 };
const A = '192.0.2.7/32';
const B = '198.51.100.1/32';
/** To be answered then; closed some time before that if there is no place. */
const at = (due: number) => ({ due, closed: due - 20 });

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_003 });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Notes when and with what each of them was released. */
function watched() {
  const released: [at: number, answer: boolean][] = [];
  return {
    released,
    watch: (parked: Promise<boolean>) =>
      void parked.then((answer) => released.push([Date.now() - 1_000_000, answer])),
  };
}

describe('the grid', () => {
  test('released at the first tick that is not before its time', async () => {
    const parking = new Parking(PLENTY, clock);
    const { released, watch } = watched();
    for (const due of [2_003, 2_009.5, 2_010, 2_010.1]) watch(parking.park(A, at(1_000_000 + due)));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(released).toEqual([
      [2_010, true],
      [2_010, true],
      [2_010, true],
      [2_020, true],
    ]);
    expect(parking.length).toBe(0);
  });

  test('what is late already leaves at the next tick, not at once', async () => {
    const parking = new Parking(PLENTY, clock);
    const { released, watch } = watched();
    watch(parking.park(A, at(999_000)));
    await vi.advanceTimersByTimeAsync(6);
    expect(released).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(released).toEqual([[10, true]]);
  });

  test('the moment depends on when the attempt came, not on when the work for it was done', async () => {
    const parking = new Parking(PLENTY, clock);
    const { released, watch } = watched();
    const due = 1_000_003 + 100;
    watch(parking.park(A, at(due)));
    await vi.advanceTimersByTimeAsync(38);
    watch(parking.park(A, at(due)));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(released).toEqual([
      [110, true],
      [110, true],
    ]);
  });

  test('of one tick, who came first is answered first, in whatever order the work for them was done', async () => {
    const parking = new Parking(PLENTY, clock);
    const order: string[] = [];
    for (const [who, due] of [
      ['second', 1_000_103],
      ['third', 1_000_105],
      ['first', 1_000_101],
    ] as const) {
      void parking.park(A, at(due)).then(() => order.push(who));
    }
    await vi.advanceTimersByTimeAsync(200);
    expect(order).toEqual(['first', 'second', 'third']);
  });

  test('a timer that fires late answers late, and answers all', async () => {
    let skew = 0;
    const parking = new Parking(PLENTY, { now: clock.now, monotonic: () => Date.now() + skew });
    const { released, watch } = watched();
    watch(parking.park(A, at(1_000_050)));
    watch(parking.park(A, at(1_000_090)));
    skew = 500;
    await vi.advanceTimersByTimeAsync(8);
    expect(released.map(([, answer]) => answer)).toEqual([true, true]);
  });

  test('a timer that fires early answers nobody early', async () => {
    let skew = 0;
    const parking = new Parking(PLENTY, { now: clock.now, monotonic: () => Date.now() + skew });
    const { released, watch } = watched();
    watch(parking.park(A, at(1_000_010)));
    skew = -0.5;
    await vi.advanceTimersByTimeAsync(7);
    expect(released).toEqual([]);
    skew = 0;
    await vi.advanceTimersByTimeAsync(20);
    expect(released.map(([, answer]) => answer)).toEqual([true]);
  });

  test('without anybody there is no timer', async () => {
    const parking = new Parking(PLENTY, clock);
    expect(vi.getTimerCount()).toBe(0);
    const one = parking.park(A, at(1_000_050));
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(100);
    await one;
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('bounds', () => {
  test('per network: past it, false sooner, and the others go on', async () => {
    const parking = new Parking({ total: 10, perNetwork: 2 }, clock);
    const { released, watch } = watched();
    watch(parking.park(A, at(1_000_050)));
    watch(parking.park(A, at(1_000_050)));
    watch(parking.park(A, at(1_000_050)));
    watch(parking.park(B, at(1_000_050)));
    expect(parking.length).toBe(3);
    await vi.advanceTimersByTimeAsync(40);
    expect(released).toEqual([[30, false]]);
    await vi.advanceTimersByTimeAsync(100);
    void parking.park(A, at(1_000_300));
    expect(parking.length).toBe(1);
  });

  test('in all', async () => {
    const parking = new Parking({ total: 3, perNetwork: 100 }, clock);
    for (let n = 0; n < 3; n++) void parking.park(`10.0.0.${n}/32`, at(1_000_050));
    const fourth = parking.park(B, at(1_000_050));
    expect(parking.length).toBe(3);
    await vi.advanceTimersByTimeAsync(100);
    expect(await fourth).toBe(false);
    expect(parking.length).toBe(0);
  });

  test('a refusal of a place takes none', async () => {
    const parking = new Parking({ total: 1, perNetwork: 1 }, clock);
    void parking.park(A, at(1_000_050));
    const others = Array.from({ length: 100 }, () => parking.park(B, at(1_000_050)));
    expect(parking.length).toBe(1);
    await vi.advanceTimersByTimeAsync(100);
    expect(new Set(await Promise.all(others))).toEqual(new Set([false]));
    expect(parking.length).toBe(0);
    const after = parking.park(B, at(1_000_200));
    await vi.advanceTimersByTimeAsync(100);
    expect(await after).toBe(true);
  });
});

test('without a place, the moment too depends on when the attempt came, not on when the work for it was done', async () => {
  const parking = new Parking({ total: 1, perNetwork: 1 }, clock);
  const { released, watch } = watched();
  void parking.park(A, at(2_000_000));
  const times = { due: 2_000_000, closed: 1_000_103 };
  watch(parking.park(A, times));
  await vi.advanceTimersByTimeAsync(38);
  watch(parking.park(A, times));
  watch(parking.park(B, times));
  await vi.advanceTimersByTimeAsync(69);
  expect(released).toEqual([
    [110, false],
    [110, false],
    [110, false],
  ]);
  parking[Symbol.dispose]();
});

test('at the end everybody is released unanswered', async () => {
  const parking = new Parking({ total: 2, perNetwork: 2 }, clock);
  const parked = [A, B, A].map((network) => parking.park(network, at(1_050_000)));
  parking[Symbol.dispose]();
  expect(await Promise.all(parked)).toEqual([false, false, false]);
  expect(parking.length).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});
