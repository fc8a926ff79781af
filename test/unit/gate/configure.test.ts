// What the gate keeps when it gets other settings.

import { expect, test } from 'vitest';
import { Parking } from '../../../src/gate/parking.ts';
import { RememberedVerifications } from '../../../src/gate/remembered.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { parseUser } from '../../../src/lib/user.ts';
import { generateAppPassword } from '../../../src/passwords/app-password.ts';
import { newRecord } from '../../support/records.ts';

const NETWORK = '192.0.2.1/32';

test('parking with fewer places keeps those who wait, and takes nobody until there are fewer of them', async () => {
  using parking = new Parking({ total: 3, perNetwork: 3 }, systemClock);
  const due = systemClock.monotonic() + 50;
  const times = { due, closed: due };
  const waiting = [1, 2, 3].map(() => parking.park(NETWORK, times));
  parking.configure({ total: 2, perNetwork: 1 });
  expect(parking.length).toBe(3);
  expect(await parking.park('198.51.100.1/32', times)).toBe(false);
  expect(await Promise.all(waiting)).toEqual([true, true, true]);
  expect(await Promise.all([parking.park(NETWORK, times), parking.park(NETWORK, times)])).toEqual([
    true,
    false,
  ]);
});

test('what is remembered keeps its time; with none, everything is forgotten at once', () => {
  let now = 0;
  const clock = { now: () => now, monotonic: () => now };
  const remembered = new RememberedVerifications(1000, clock);
  const record = { ...newRecord(), revokedAt: null, lastUsed: null, lastRefused: null };
  const key = remembered.keyOf(parseUser('alice@example.com')!, generateAppPassword());
  remembered.remember(key, record, false, true);
  remembered.configure(5000);
  now = 900;
  expect(remembered.recall(key, record)).toBe(true);
  now = 1001;
  expect(remembered.recall(key, record)).toBeUndefined();
  remembered.remember(key, record, false, true);
  remembered.configure(0);
  expect(remembered.recall(key, record)).toBeUndefined();
});
