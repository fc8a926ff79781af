// The store's file deleted, renamed or replaced under the running program. The worst that could come of it: logins that are
// admitted for ever from a file that nobody sees any more, everybody refused because an empty one took its place, the old
// file's log played into the new one.

import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  nobodysSecret,
  type PosternWithStore,
  REFUSED,
  removeDatabase,
  startPosternWithStore,
  UNAVAILABLE,
} from '../support/postern-with-store.ts';

const REMEMBERED = 4000;
const ALICE = 'alice@example.com';

let setting: PosternWithStore;
beforeEach(async () => {
  setting = await startPosternWithStore({
    appPasswords: `{ remember: ${REMEMBERED / 1000}s, hash: { memoryKiB: 7168, passes: 1 } }`,
  });
});
afterEach(() => setting?.[Symbol.asyncDispose]());

/** Sorted: uses are written a moment after they are made, so that either may be the first to notice. */
const GONE = [
  ['store_unavailable', 'read', 'the database file is gone'],
  ['store_unavailable', 'write', 'the database file is gone'],
];
const RECOVERED = [
  ['store_recovered', 'read'],
  ['store_recovered', 'write'],
];

async function expectRecovery(before: readonly string[][]): Promise<void> {
  const events = await setting.storeEventsAre(before.length + 2);
  expect(events.slice(0, before.length).sort()).toEqual(before);
  expect(events.slice(before.length).sort()).toEqual(RECOVERED);
}

/** Whether SQLite finds the file sound, and what is in it. */
function inspect(): { verdict: unknown; ids: string[] } {
  const database = new Database(setting.file, { readonly: true });
  const verdict = database.pragma('integrity_check', { simple: true });
  const ids = database.prepare('select id from records order by created_at').pluck().all() as string[];
  database.close();
  return { verdict, ids };
}

test('deleted: nobody gets in from the unlinked file for long, nobody is refused; a restored backup serves', async () => {
  const known = await setting.make(ALICE);
  const unknown = await setting.make(ALICE);
  const copy = await setting.backup('backup.db');
  const lost = await setting.make(ALICE);
  expect(await setting.login(ALICE, known.password)).toBe('OK');
  const verifiedAt = performance.now();
  await using session = await setting.client();
  await session.send(`a LOGIN ${ALICE} ${known.password}\r\n`);
  await session.expectUntil(/^a OK /);

  removeDatabase(setting.file);
  expect((await setting.storeEventsAre(2)).toSorted()).toEqual(GONE);
  expect((await setting.postern.metrics()).value('postern_store_up', { operation: 'read' })).toBe(0);
  expect(await setting.login(ALICE, unknown.password)).toBe(UNAVAILABLE);
  expect(await setting.login(ALICE, nobodysSecret())).toBe(UNAVAILABLE);
  await sleep(verifiedAt + REMEMBERED + 100 - performance.now());
  expect(await setting.login(ALICE, known.password)).toBe(UNAVAILABLE);
  await session.send('n NOOP\r\n');
  await session.expect('n OK done');

  renameSync(copy, setting.file);
  await expectRecovery(GONE);
  expect(await setting.login(ALICE, known.password)).toBe('OK');
  expect(await setting.login(ALICE, unknown.password)).toBe('OK');
  expect(await setting.login(ALICE, lost.password)).toBe(REFUSED);
  expect((await setting.postern.metrics()).value('postern_store_up')).toBe(2);
  expect(inspect()).toEqual({ verdict: 'ok', ids: [known.id, unknown.id] });
  await session.send('n NOOP\r\n');
  await session.expect('n OK done');
});

test('deleted, what is remembered gets in for as long as it is remembered', async () => {
  await using setting = await startPosternWithStore({
    appPasswords: '{ remember: 10m, hash: { memoryKiB: 7168, passes: 1 } }',
  });
  const known = await setting.make(ALICE);
  expect(await setting.login(ALICE, known.password)).toBe('OK');
  removeDatabase(setting.file);
  expect(await setting.login(ALICE, known.password)).toBe('OK');
});

test('replaced: the new one holds, for live sessions too, and the old log is not played into it', async () => {
  const kept = await setting.make(ALICE);
  const revoked = await setting.make(ALICE);
  const copy = await setting.backup('copy.db');
  const database = new Database(copy);
  database.prepare('update records set revoked_at = ? where id = ?').run(Date.now(), revoked.id);
  database.close();
  const later = await setting.make(ALICE);
  await using session = await setting.client();
  await session.send(`a LOGIN ${ALICE} ${revoked.password}\r\n`);
  await session.expectUntil(/^a OK /);

  renameSync(copy, setting.file);
  await session.closed();
  expect(await setting.login(ALICE, revoked.password)).toBe(REFUSED);
  expect(await setting.login(ALICE, later.password)).toBe(REFUSED);
  expect(await setting.login(ALICE, kept.password)).toBe('OK');
  const made = await setting.make(ALICE);
  expect(await setting.login(ALICE, made.password)).toBe('OK');
  expect(inspect()).toEqual({ verdict: 'ok', ids: [kept.id, revoked.id, made.id] });
  expect(setting.storeEvents()).toEqual([]);
});

test.each<[string, (file: string) => void]>([
  ['an empty file', (file) => writeFileSync(file, '')],
  [
    'an empty database',
    (file) => {
      const database = new Database(file);
      database.exec('create table other (a)');
      database.close();
    },
  ],
  ['something else', (file) => writeFileSync(file, 'no database, '.repeat(1000))],
])('replaced by %s: nobody is refused', async (_, make) => {
  const { password } = await setting.make(ALICE);
  const copy = await setting.backup('copy.db');
  make(`${setting.file}.new`);
  renameSync(`${setting.file}.new`, setting.file);
  expect(await setting.login(ALICE, password)).toBe(UNAVAILABLE);
  expect(await setting.login(ALICE, nobodysSecret())).toBe(UNAVAILABLE);
  await sleep(2500);
  expect(await setting.login(ALICE, password)).toBe(UNAVAILABLE);
  const before = setting.storeEvents();
  expect(before.map(([event, operation]) => [event, operation]).sort()).toEqual([
    ['store_unavailable', 'read'],
    ['store_unavailable', 'write'],
  ]);
  renameSync(copy, setting.file);
  await expectRecovery(before);
  expect(await setting.login(ALICE, password)).toBe('OK');
});

test('emptied in place: nobody is refused', async () => {
  const { password } = await setting.make(ALICE);
  const copy = await setting.backup('copy.db');
  const other = new Database(setting.file);
  other.pragma('wal_checkpoint(TRUNCATE)');
  other.close();
  writeFileSync(setting.file, '');
  expect(await setting.login(ALICE, nobodysSecret())).toBe(UNAVAILABLE);
  renameSync(copy, setting.file);
  await expect.poll(() => setting.login(ALICE, password)).toBe('OK');
});

test('renamed and back: it goes on where it was', async () => {
  const { password } = await setting.make(ALICE);
  renameSync(setting.file, `${setting.file}.away`);
  expect((await setting.storeEventsAre(2)).toSorted()).toEqual(GONE);
  expect(await setting.login(ALICE, password)).toBe(UNAVAILABLE);
  renameSync(`${setting.file}.away`, setting.file);
  await expectRecovery(GONE);
  expect(await setting.login(ALICE, password)).toBe('OK');
});

test('only its log deleted: no record is lost', async () => {
  const made = [await setting.make(ALICE), await setting.make(ALICE)];
  rmSync(`${setting.file}-wal`);
  rmSync(`${setting.file}-shm`);
  await sleep(1000);
  made.push(await setting.make(ALICE));
  for (const { password } of made) expect(await setting.login(ALICE, password)).toBe('OK');
  await setting.postern.stop();
  expect(inspect()).toEqual({ verdict: 'ok', ids: made.map(({ id }) => id) });
});
