// What is remembered of a record ends with the record, also if the store is gone by the time that somebody tries it.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ForgetRevoked } from '../../../src/gate/forget-revoked.ts';
import { RememberedVerifications } from '../../../src/gate/remembered.ts';
import { generateAppPassword } from '../../../src/passwords/app-password.ts';
import { type Standing, StoreUnavailableError } from '../../../src/store/store.ts';
import { newRecord } from '../../support/records.ts';
import { ALICE, FakeClock } from './harness.ts';

const GOOD: Standing = { revoked: false, expiresAt: null, userDisabled: false };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function setUp() {
  const remembered = new RememberedVerifications(300_000, new FakeClock());
  const standings = new Map<string, Standing>();
  const asked: number[] = [];
  const failed: unknown[] = [];
  let tell = () => {};
  const store = {
    isDown: false,
    isWatched: false,
    async standings(ids: readonly string[]) {
      asked.push(ids.length);
      if (store.isDown) throw new StoreUnavailableError('gone');
      return new Map(ids.map((id) => [id, standings.get(id) ?? { ...GOOD, revoked: true }]));
    },
    watch(changed: () => void) {
      tell = changed;
      store.isWatched = true;
      return () => {
        store.isWatched = false;
      };
    },
  };
  const watch = new ForgetRevoked({ store, remembered, onFailed: (error) => failed.push(error) });
  const add = (match = true) => {
    const record = { ...newRecord(), revokedAt: null, lastUsed: null, lastRefused: null };
    const key = remembered.keyOf(ALICE, generateAppPassword());
    remembered.remember(key, record, false, match);
    standings.set(record.id, GOOD);
    return {
      isRemembered: () => remembered.lastMatch(key) !== undefined,
      now: (standing: Partial<Standing>) => standings.set(record.id, { ...GOOD, ...standing }),
      gone: () => standings.delete(record.id),
    };
  };
  const news = async () => {
    tell();
    await vi.advanceTimersByTimeAsync(0);
  };
  return { store, watch, add, news, asked, failed };
}

test('revoked, deleted, of a disabled user: forgotten at the news; others are not', async () => {
  const { add, news } = setUp();
  const [good, revoked, deleted, disabled] = [add(), add(), add(), add()];
  revoked.now({ revoked: true });
  deleted.gone();
  disabled.now({ userDisabled: true });
  expect([good, revoked, deleted, disabled].map((one) => one.isRemembered())).toEqual(Array(4).fill(true));
  await news();
  expect([good, revoked, deleted, disabled].map((one) => one.isRemembered())).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

test('a look that fails is repeated until it succeeds', async () => {
  const { store, add, news, failed } = setUp();
  const one = add();
  one.now({ revoked: true });
  store.isDown = true;
  await news();
  await vi.advanceTimersByTimeAsync(2500);
  expect(failed.length).toBe(3);
  expect(one.isRemembered()).toBe(true);
  store.isDown = false;
  await vi.advanceTimersByTimeAsync(1000);
  expect(one.isRemembered()).toBe(false);
  expect(failed.length).toBe(3);
  expect(vi.getTimerCount()).toBe(0);
});

test('many are asked for in parts, news in between leads to one more look, and mismatches are nobody', async () => {
  const { add, news, asked } = setUp();
  for (let n = 0; n < 1100; n++) add();
  add(false);
  await Promise.all([news(), news(), news()]);
  expect(asked).toEqual([500, 500, 100, 500, 500, 100]);
});

test('at the end it watches no more, and tries nothing again', async () => {
  const { store, watch, add, news } = setUp();
  add();
  store.isDown = true;
  await news();
  watch[Symbol.dispose]();
  expect(store.isWatched).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});
