// What argon2id said lately.

import { expect, test } from 'vitest';
import { RememberedVerifications } from '../../../src/gate/remembered.ts';
import { generateAppPassword } from '../../../src/passwords/app-password.ts';
import { newRecord } from '../../support/records.ts';
import { ALICE, BOB, FakeClock } from './harness.ts';

const aRecord = () => ({ ...newRecord(), revokedAt: null, lastUsed: null, lastRefused: null });

function setUp(life = 300_000) {
  const clock = new FakeClock();
  const remembered = new RememberedVerifications(life, clock);
  const key = remembered.keyOf(ALICE, generateAppPassword());
  return { clock, remembered, key, record: aRecord() };
}

test('yes and no, for as long as it says, and nothing before', () => {
  const { clock, remembered, key, record } = setUp();
  expect(remembered.recall(key, record)).toBeUndefined();
  remembered.remember(key, record, false, true);
  expect(remembered.recall(key, record)).toBe(true);
  clock.advance(299_999);
  expect(remembered.recall(key, record)).toBe(true);
  clock.advance(1);
  expect(remembered.recall(key, record)).toBeUndefined();
  remembered.remember(key, record, false, false);
  expect(remembered.recall(key, record)).toBe(false);
});

test('of that record as it was hashed, and of no other', () => {
  const { remembered, key, record } = setUp();
  remembered.remember(key, record, false, true);
  expect(remembered.recall(key, { ...record, name: 'renamed', revokedAt: 1 })).toBe(true);
  expect(remembered.recall(key, { ...record, hash: 'another' })).toBeUndefined();
  expect(remembered.recall(key, { ...record, id: 'another' })).toBeUndefined();
});

test('the last match is for yes only, with what was last seen of the record and its user', () => {
  const { clock, remembered, key, record } = setUp();
  remembered.remember(key, record, false, false);
  expect(remembered.lastMatch(key)).toBeUndefined();
  remembered.remember(key, record, false, true);
  const seen = { ...record, revokedAt: 7 };
  remembered.refresh(key, seen, true);
  expect(remembered.lastMatch(key)).toMatchObject({ record: seen, userDisabled: true });
  clock.advance(300_000);
  expect(remembered.lastMatch(key)).toBeUndefined();
});

test('looking at it again does not make it live longer', () => {
  const { clock, remembered, key, record } = setUp();
  remembered.remember(key, record, false, true);
  clock.advance(200_000);
  remembered.refresh(key, record, false);
  clock.advance(100_000);
  expect(remembered.recall(key, record)).toBeUndefined();
});

test('refreshing what is not there remembers nothing', () => {
  const { remembered, key, record } = setUp();
  remembered.refresh(key, record, false);
  expect(remembered.lastMatch(key)).toBeUndefined();
});

test('a life of 0 remembers nothing', () => {
  const { remembered, key, record } = setUp(0);
  remembered.remember(key, record, false, true);
  expect(remembered.recall(key, record)).toBeUndefined();
  expect(remembered.lastMatch(key)).toBeUndefined();
});

test('keys: one for a user and a secret, in any process another, and nothing of the secret in them', () => {
  const { remembered } = setUp();
  const [password, other] = [generateAppPassword(), generateAppPassword()];
  const key = remembered.keyOf(ALICE, password);
  expect(remembered.keyOf(ALICE, password)).toBe(key);
  expect(remembered.keyOf(BOB, password)).not.toBe(key);
  expect(remembered.keyOf(ALICE, other)).not.toBe(key);
  expect(new RememberedVerifications(1, new FakeClock()).keyOf(ALICE, password)).not.toBe(key);
  expect(key).not.toContain(password.reveal());
});

test('it is bounded: the oldest goes, the one remembered again stays', () => {
  const { remembered, record } = setUp();
  const remember = (n: number) => remembered.remember(`key ${n}`, record, false, true);
  for (let n = 0; n < 20_000; n++) remember(n);
  remember(0);
  remember(20_000);
  expect(remembered.recall('key 0', record)).toBe(true);
  expect(remembered.recall('key 1', record)).toBeUndefined();
  expect(remembered.recall('key 2', record)).toBe(true);
});
