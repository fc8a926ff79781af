// Notes of last use: at most one a minute for each record and kind.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Uses } from '../../../src/gate/uses.ts';
import type { Use } from '../../../src/passwords/record.ts';
import type { NotedUse, Store } from '../../../src/store/store.ts';
import { newRecord } from '../../support/records.ts';
import { FakeClock } from './harness.ts';

/** After so many milliseconds what waits has been written. */
const WRITTEN = 100;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const FROM = { from: '192.0.2.7', protocol: 'imap', client: 'Outlook' } as const;
const aRecord = (lastUsed: Use | null = null) => ({
  ...newRecord(),
  revokedAt: null,
  lastUsed,
  lastRefused: null,
});

function setUp() {
  const clock = new FakeClock();
  const written: (readonly NotedUse[])[] = [];
  const failed: unknown[] = [];
  const store: Pick<Store, 'noteUses'> = {
    noteUses: async (uses) => void written.push(uses),
  };
  const uses = new Uses(store, clock, (error) => failed.push(error));
  return { clock, written, failed, store, uses, pass: (ms = WRITTEN) => vi.advanceTimersByTimeAsync(ms) };
}

test('a use is written with its time, soon', async () => {
  const { clock, uses, written, pass } = setUp();
  const record = aRecord();
  const at = clock.now();
  uses.note(record, 'used', FROM);
  clock.advance(99);
  await pass(99);
  expect(written).toEqual([]);
  await pass(1);
  expect(written).toEqual([[{ id: record.id, kind: 'used', use: { at, ...FROM } }]]);
});

test('not again within the minute, by what the record says', async () => {
  const { clock, uses, written, pass } = setUp();
  const record = aRecord({ at: clock.now(), ...FROM });
  clock.advance(59_999);
  uses.note(record, 'used', FROM);
  await pass();
  expect(written).toHaveLength(0);
  clock.advance(1);
  uses.note(record, 'used', FROM);
  await pass();
  expect(written).toHaveLength(1);
});

test('a refusal is another thing than a use', async () => {
  const { clock, uses, written, pass } = setUp();
  uses.note(aRecord({ at: clock.now(), ...FROM }), 'refused', FROM);
  await pass();
  expect(written.flat().map(({ kind }) => kind)).toEqual(['refused']);
});

test('twenty at once are one note, also while that is written; those of others go in the same write', async () => {
  const { uses, written, store, pass } = setUp();
  const record = aRecord();
  let finish = () => {};
  const { noteUses } = store;
  store.noteUses = (noted) =>
    new Promise((resolve) => {
      finish = resolve;
      void noteUses(noted);
    });
  for (let n = 0; n < 20; n++) uses.note(record, 'used', FROM);
  uses.note(record, 'refused', FROM);
  uses.note(aRecord(), 'used', FROM);
  await pass();
  expect(written.map((each) => each.length)).toEqual([3]);
  uses.note(record, 'used', FROM);
  await pass();
  expect(written).toHaveLength(1);
  finish();
  await pass(0);
  uses.note(record, 'used', FROM);
  await pass();
  expect(written).toHaveLength(2);
});

test('no more than two hundred wait to be written', async () => {
  const { uses, written, pass } = setUp();
  for (let n = 0; n < 450; n++) uses.note(aRecord(), 'used', FROM);
  expect(written.map((each) => each.length)).toEqual([200, 200]);
  await pass();
  expect(written.flat()).toHaveLength(450);
});

test('what waits is written at the end', async () => {
  const { uses, written } = setUp();
  uses.note(aRecord(), 'used', FROM);
  await uses[Symbol.asyncDispose]();
  expect(written).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});

test('a failure is told, and the next use is written', async () => {
  const { uses, store, written, failed, pass } = setUp();
  const record = aRecord();
  const { noteUses } = store;
  store.noteUses = () => Promise.reject(new Error('disk full'));
  uses.note(record, 'used', FROM);
  await pass();
  expect(failed).toEqual([new Error('disk full')]);
  store.noteUses = noteUses;
  uses.note(record, 'used', FROM);
  await pass();
  expect(written).toHaveLength(1);
});
