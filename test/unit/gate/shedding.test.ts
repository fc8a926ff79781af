// Whom the gate turns away while the event loop is late.

import { expect, test } from 'vitest';
import { Shedding } from '../../../src/gate/shedding.ts';

const OFFICE = '192.0.2.7/32';
const HOME = '198.51.100.1/32';

test('in time, everybody is let in', () => {
  const shedding = new Shedding({ isLate: false });
  expect(Array.from({ length: 1000 }, () => shedding.enter(OFFICE)).every(Boolean)).toBe(true);
});

test('late, one attempt of each network, and the next when that is over', () => {
  const eventLoop = { isLate: true };
  const shedding = new Shedding(eventLoop);
  const first = shedding.enter(OFFICE)!;
  expect(shedding.enter(OFFICE)).toBeUndefined();
  expect(shedding.enter(HOME)).toBeDefined();
  first();
  const second = shedding.enter(OFFICE)!;
  expect(shedding.enter(OFFICE)).toBeUndefined();
  eventLoop.isLate = false;
  const third = shedding.enter(OFFICE)!;
  eventLoop.isLate = true;
  second();
  expect(shedding.enter(OFFICE)).toBeUndefined();
  third();
  expect(shedding.enter(OFFICE)).toBeDefined();
});
