// The store's disk: full, damaged, not to be written. The worst that could come of it: a record that was reported made and is
// not there, somebody refused whose record cannot be read, a log that tells of it with every login.

import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import {
  nobodysSecret,
  type PosternWithStore,
  REFUSED,
  startPosternWithStore,
  UNAVAILABLE,
} from '../support/postern-with-store.ts';
import { NO_LIMITS, newRecord } from '../support/records.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

const ALICE = 'alice@example.com';
const ZED = 'zed@example.com';

test('full: logins go on, nobody is told of a record that is not there, and it serves on when there is room', async () => {
  await using disk = await mountSmallDisk();
  await using setting = await startPosternWithStore({ file: join(disk.path, 'postern.db') });
  const made = [await setting.make(ALICE), await setting.make(ALICE)];
  const { pid } = setting.postern;
  await disk.fill(pid);
  for (const { password } of made) expect(await setting.login(ALICE, password)).toBe('OK');
  const [failed] = await setting.storeEventsAre(1);
  expect(failed!.join(' ')).toMatch(/^store_unavailable write .*\(SQLITE_(FULL|IOERR_WRITE)\)$/);
  const reported = await setting.make(ALICE).catch(() => undefined);
  if (reported !== undefined) made.push(reported);
  for (let n = 0; n < 10; n++) expect(await setting.login(ALICE, made[n % 2]!.password)).toBe('OK');
  expect(await setting.login(ALICE, nobodysSecret())).toBe(REFUSED);
  expect((await setting.postern.metrics()).value('postern_store_up', { operation: 'write' })).toBe(0);
  await sleep(2500);
  expect(setting.storeEvents()).toEqual([failed]);

  await disk.free(pid);
  expect(await setting.storeEventsAre(2)).toEqual([failed, ['store_recovered', 'write']]);
  made.push(await setting.make(ALICE));
  for (const { password } of made) expect(await setting.login(ALICE, password)).toBe('OK');
  const ids = await setting.withStore(async (store) => (await store.list({})).map(({ id }) => id));
  expect(ids.sort()).toEqual(made.map(({ id }) => id).sort());
});

describe('damaged', () => {
  function overwrite(file: string, from: number, length: number): void {
    const descriptor = openSync(file, 'r+');
    writeSync(descriptor, Buffer.alloc(length, 0xff), 0, length, from);
    closeSync(descriptor);
  }

  /** Alice's record on another page than Zed's, and none of them in anybody's memory. */
  async function twoPages(setting: PosternWithStore) {
    const alice = await setting.make(ALICE);
    await setting.withStore(async (store) => {
      const keyId = (await store.namedKeys())[0]?.id ?? '';
      for (let n = 0; n < 200; n++) {
        await store.create(newRecord({ user: `user${n}@example.com` as never, keyId }), NO_LIMITS);
      }
    });
    const zed = await setting.make(ZED);
    const database = new Database(setting.file);
    database.pragma('wal_checkpoint(TRUNCATE)');
    const page = database
      .prepare(`select pageno from dbstat where name = 'records' and pagetype = 'leaf' order by path limit 1`)
      .pluck()
      .get() as number;
    const pageSize = database.pragma('page_size', { simple: true }) as number;
    database.close();
    return {
      alice,
      zed,
      damage: () => overwrite(setting.file, (page - 1) * pageSize, pageSize),
    };
  }

  test('a page: who is on it is told to come again, everybody else gets in, and the log says it once', async () => {
    await using setting = await startPosternWithStore();
    const { alice, zed, damage } = await twoPages(setting);
    const copy = await setting.backup('copy.db');
    damage();
    for (let n = 0; n < 5; n++) {
      expect(await setting.login(ALICE, alice.password)).toBe(UNAVAILABLE);
      expect(await setting.login(ZED, zed.password)).toBe('OK');
      expect(await setting.login(ZED, nobodysSecret())).toBe(REFUSED);
      await sleep(500);
    }
    const malformed = 'the store does not answer: database disk image is malformed (SQLITE_CORRUPT)';
    expect(setting.storeEvents()).toEqual([['store_unavailable', 'read', malformed]]);
    expect((await setting.postern.metrics()).value('postern_store_up', { operation: 'read' })).toBe(0);

    renameSync(copy, setting.file);
    expect((await setting.storeEventsAre(2)).slice(1)).toEqual([['store_recovered', 'read']]);
    expect(await setting.login(ALICE, alice.password)).toBe('OK');
  });

  test('its beginning, before the start: it does not start, says why, and leaves the file as it is', async () => {
    await using setting = await startPosternWithStore();
    await setting.make(ALICE);
    await setting.postern.stop();
    overwrite(setting.file, 0, 100);
    const damaged = readFileSync(setting.file);
    const { code, stderr } = await setting.postern.cli(['serve']);
    expect([code, stderr]).toEqual([
      69,
      'postern: the store does not answer: file is not a database (SQLITE_NOTADB)\n',
    ]);
    expect(readFileSync(setting.file).equals(damaged)).toBe(true);
  });
});

describe("replaced by a copy that is another user's", () => {
  const NOBODY = 65_534;
  /** Who is not root has nobody else to give it to, and takes the right from himself. */
  const giveAway = (path: string, mode: number) => {
    if (process.geteuid?.() === 0) chownSync(path, 0, 0);
    chmodSync(path, mode);
  };
  const giveBack = (file: string) => {
    // SQLite gives the other two the mode of the first.
    for (const path of [file, `${file}-wal`, `${file}-shm`].filter((one) => existsSync(one))) {
      if (process.geteuid?.() === 0) chownSync(path, NOBODY, NOBODY);
      chmodSync(path, 0o600);
    }
  };

  test('and not to be read: nobody is refused, and with the right owner it serves on', async () => {
    await using setting = await startPosternWithStore({ asNobody: true });
    const { password } = await setting.make(ALICE);
    const copy = await setting.backup('copy.db');
    giveAway(copy, process.geteuid?.() === 0 ? 0o600 : 0);
    renameSync(copy, setting.file);
    const failed = await setting.storeEventsAre(2);
    expect(failed.map(([event, operation]) => [event, operation]).sort()).toEqual([
      ['store_unavailable', 'read'],
      ['store_unavailable', 'write'],
    ]);
    expect(failed[0]![2]).toMatch(/unable to open database file \(SQLITE_CANTOPEN\)/);
    expect(await setting.login(ALICE, password)).toBe(UNAVAILABLE);
    giveBack(setting.file);
    expect((await setting.storeEventsAre(4)).slice(2).sort()).toEqual([
      ['store_recovered', 'read'],
      ['store_recovered', 'write'],
    ]);
    expect(await setting.login(ALICE, password)).toBe('OK');
  });

  test('and not to be written: logins go on, and with the right owner it is written again', async () => {
    await using setting = await startPosternWithStore({ asNobody: true });
    const { password } = await setting.make(ALICE);
    const copy = await setting.backup('copy.db');
    giveAway(copy, 0o444);
    renameSync(copy, setting.file);
    expect(await setting.login(ALICE, password)).toBe('OK');
    const [failed] = await setting.storeEventsAre(1);
    expect(failed!.join(' ')).toMatch(/^store_unavailable write .*attempt to write a readonly database/);
    giveBack(setting.file);
    expect(await setting.storeEventsAre(2)).toEqual([failed, ['store_recovered', 'write']]);
    expect(await setting.login(ALICE, password)).toBe('OK');
    await expect
      .poll(() => setting.withStore(async (store) => (await store.list({}))[0]?.lastUsed?.from))
      .toBe('127.0.0.1');
  });
});
