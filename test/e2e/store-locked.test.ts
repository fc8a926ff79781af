// The store's file locked by another process for ten seconds: for writing, and altogether. The worst that could come of it:
// an event loop that stands still with it, a right app password called wrong, a record that was reported made and is not there.

import { renameSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type EventLoopDelays,
  nobodysSecret,
  type PosternWithStore,
  REFUSED,
  startPosternWithStore,
  UNAVAILABLE,
} from '../support/postern-with-store.ts';

const HELD = 10_000;

let setting: PosternWithStore;
beforeAll(async () => {
  setting = await startPosternWithStore();
});
afterAll(() => setting?.[Symbol.asyncDispose]());

/**
 * Waiting inside SQLite would be seconds, and again with every attempt: most of the time. What a garbage collection or a busy machine
 * adds is rare, or short.
 */
function expectNoStall({ longest, median, all }: EventLoopDelays): void {
  console.log(
    `event-loop delay: median ${median.toFixed(1)} ms, longest ${longest.toFixed(1)} ms of ${all.length}`,
  );
  expect(all.length).toBeGreaterThan(3);
  expect(median).toBeLessThan(250);
  expect(longest).toBeLessThan(2500);
}

test('for writing: logins go on, and nobody is told of a record that was not made', async () => {
  const known = await setting.make('alice@example.com');
  const first = await setting.make('alice@example.com');
  expect(await setting.login('alice@example.com', known.password)).toBe('OK');
  await using session = await setting.client();
  await session.send(`a LOGIN alice@example.com ${known.password}\r\n`);
  await session.expectUntil(/^a OK /);

  const delays = setting.watchEventLoop();
  await using lock = await setting.holdLock('exclusive');
  const making = setting.postern.cli([
    'password',
    'create',
    '--user',
    'alice@example.com',
    '--name',
    'during',
  ]);
  const started = performance.now();
  while (performance.now() - started < HELD) {
    expect(await setting.login('alice@example.com', known.password)).toBe('OK');
    expect(await setting.login('alice@example.com', first.password)).toBe('OK');
    expect(await setting.login('alice@example.com', nobodysSecret())).toBe(REFUSED);
    await session.send('n NOOP\r\n');
    await session.expect('n OK done');
    await sleep(100);
  }
  expect(setting.storeEvents()).toEqual([
    ['store_unavailable', 'write', 'the store is locked by another process (SQLITE_BUSY)'],
  ]);
  expect((await setting.postern.metrics()).value('postern_store_up', { operation: 'write' })).toBe(0);
  const { code, stdout, stderr } = await making;
  expect([code, stdout]).toEqual([69, '']);
  expect(stderr).toMatch(/locked by another process/);
  await lock.release();

  expect((await setting.storeEventsAre(2))[1]).toEqual(['store_recovered', 'write']);
  expectNoStall(await delays());
  const names = await setting.withStore(async (store) => (await store.list({})).map((record) => record.name));
  expect(names).toEqual(['made 1', 'made 2']);
  // Notes of use that were not written are not written later; the next use is.
  expect(await setting.login('alice@example.com', first.password)).toBe('OK');
  await expect
    .poll(() => setting.withStore(async (store) => (await store.list({}))[1]?.lastUsed?.from))
    .toBe('127.0.0.1');
});

test('altogether: what is remembered is admitted, everybody else told to come again', async () => {
  const before = setting.storeEvents().length;
  const known = await setting.make('bob@example.com');
  const unknown = await setting.make('bob@example.com');
  expect(await setting.login('bob@example.com', known.password)).toBe('OK');

  // Nobody can lock readers out of a database that is in use; but one that takes its place may be locked.
  const copy = await setting.backup('copy.db');
  const delays = setting.watchEventLoop();
  await using lock = await setting.holdLock('alone', copy);
  renameSync(copy, setting.file);
  const started = performance.now();
  while (performance.now() - started < HELD) {
    const answers = await Promise.all([
      setting.login('bob@example.com', known.password),
      setting.login('bob@example.com', unknown.password),
      setting.login('bob@example.com', nobodysSecret()),
    ]);
    expect(answers).toEqual(['OK', UNAVAILABLE, UNAVAILABLE]);
    await sleep(100);
  }
  const locked = 'the store is locked by another process (SQLITE_BUSY)';
  expect(setting.storeEvents().slice(before).sort()).toEqual([
    ['store_unavailable', 'read', locked],
    ['store_unavailable', 'write', locked],
  ]);
  await lock.release();

  expect((await setting.storeEventsAre(before + 4)).slice(before + 2).sort()).toEqual([
    ['store_recovered', 'read'],
    ['store_recovered', 'write'],
  ]);
  expectNoStall(await delays());
  expect(await setting.login('bob@example.com', unknown.password)).toBe('OK');
  expect(await setting.login('bob@example.com', nobodysSecret())).toBe(REFUSED);
});
