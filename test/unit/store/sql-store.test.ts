// What the store promises, call by call, on a file of its own.

import { chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { ConfigError } from '../../../src/lib/errors.ts';
import type { User } from '../../../src/lib/user.ts';
import type { Use } from '../../../src/passwords/record.ts';
import { openStoreOnce } from '../../../src/store/open.ts';
import { SqlStore } from '../../../src/store/sql-store.ts';
import { connect, queryBuilder, whenFree } from '../../../src/store/sqlite-connection.ts';
import { type Store, StoreUnavailableError, type UnwatchedStore } from '../../../src/store/store.ts';
import { NO_LIMITS, newRecord } from '../../support/records.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

const alice = 'alice@example.com' as User;
const bob = 'bob@example.com' as User;

let dir: TempDir;
let file: string;
let store: UnwatchedStore;
const open = () => openStoreOnce(`sqlite:${file}`, { clock: systemClock });

beforeEach(async () => {
  dir = tempDir();
  file = join(dir.path, 'postern.db');
  store = await open();
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

async function made(given: Parameters<typeof newRecord>[0] = {}) {
  const record = newRecord(given);
  expect(await store.create(record, NO_LIMITS)).toBe('created');
  return record;
}
const selectorOf = ({ keyId, selector }: { keyId: string; selector: number }) => ({ keyId, selector });

describe('create and list', () => {
  test('what went in comes out, from another opening too', async () => {
    const plain = await made();
    const full = await made({
      name: 'Télé “phone” 電話',
      scope: ['imap', 'smtp'],
      networks: ['192.0.2.0/24', '2001:db8::/32'],
      expiresAt: 4_102_444_800_000,
      selector: 65_535,
    });
    const fresh = { revokedAt: null, lastUsed: null, lastRefused: null };
    await store[Symbol.asyncDispose]();
    store = await open();
    expect(await store.list({ user: alice })).toEqual([
      { ...plain, ...fresh },
      { ...full, ...fresh },
    ]);
    expect(await store.list({ user: bob })).toEqual([]);
  });

  test('oldest first, tombstones only when asked for, of one user or of all', async () => {
    const late = await made({ createdAt: 30 });
    const early = await made({ createdAt: 10 });
    const other = await made({ user: bob, createdAt: 20 });
    await store.revoke({ ids: [late.id] }, 40);
    const ids = async (options: Parameters<Store['list']>[0]) => (await store.list(options)).map((r) => r.id);
    expect(await ids({})).toEqual([early.id, other.id]);
    expect(await ids({ tombstones: true })).toEqual([early.id, other.id, late.id]);
    expect(await ids({ user: alice, tombstones: true })).toEqual([early.id, late.id]);
  });

  test('the limit counts what is not revoked, of that user', async () => {
    const limits = { ...NO_LIMITS, maxPerUser: 2 };
    const one = newRecord();
    expect(await store.create(one, limits)).toBe('created');
    expect(await store.create(newRecord({ user: bob }), limits)).toBe('created');
    expect(await store.create(newRecord(), limits)).toBe('created');
    expect(await store.create(newRecord(), limits)).toBe('limit');
    await store.revoke({ ids: [one.id] }, 5000);
    expect(await store.create(newRecord(), limits)).toBe('created');
    expect(await store.list({ user: alice })).toHaveLength(2);
  });

  test('the rate counts what was made lately, revoked or not', async () => {
    const limits = { ...NO_LIMITS, maxRecent: 2, recentSince: 100 };
    await made({ createdAt: 99 });
    const one = await made({ createdAt: 100 });
    await made({ createdAt: 101 });
    await store.revoke({ ids: [one.id] }, 150);
    expect(await store.create(newRecord({ createdAt: 160 }), limits)).toBe('too-fast');
    expect(await store.create(newRecord({ createdAt: 160 }), { ...limits, recentSince: 101 })).toBe(
      'created',
    );
  });

  test('a selector is taken by a record and by its tombstone, for that user and that key', async () => {
    const taken = await made({ selector: 7 });
    const again = () => store.create(newRecord({ selector: 7 }), NO_LIMITS);
    expect(await again()).toBe('collision');
    await store.revoke({ ids: [taken.id] }, 5000);
    expect(await again()).toBe('collision');
    await made({ selector: 7, user: bob });
    await made({ selector: 7, keyId: '22222222' });
    expect((await store.namedKeys()).map(({ id }) => id)).toEqual(['11111111', '22222222']);
  });

  describe('the check value of a key', () => {
    test('is noted with the first record that names it, and not noted over', async () => {
      expect(await store.create(newRecord(), NO_LIMITS, 'aa')).toBe('created');
      expect(await store.create(newRecord(), NO_LIMITS, 'aa')).toBe('created');
      await store.noteKeyCheck('11111111', 'bb');
      expect(await store.namedKeys()).toEqual([{ id: '11111111', check: 'aa' }]);
    });

    test('other bytes under the id of a key that records name make no record', async () => {
      await store.create(newRecord(), NO_LIMITS, 'aa');
      expect(await store.create(newRecord(), NO_LIMITS, 'bb')).toBe('other-key');
      expect(await store.create(newRecord({ keyId: '22222222' }), NO_LIMITS, 'bb')).toBe('created');
      expect(await store.list({})).toHaveLength(2);
      expect(await store.namedKeys()).toEqual([
        { id: '11111111', check: 'aa' },
        { id: '22222222', check: 'bb' },
      ]);
    });

    test('tombstones count; once none is left, the id may have other bytes', async () => {
      const record = newRecord();
      await store.create(record, NO_LIMITS, 'aa');
      await store.revoke({ ids: [record.id] }, 5);
      expect(await store.create(newRecord(), NO_LIMITS, 'bb')).toBe('other-key');
      await store.purge({ before: 6, keep: 0 });
      expect(await store.namedKeys()).toEqual([]);
      expect(await store.create(newRecord(), NO_LIMITS, 'bb')).toBe('created');
      expect(await store.namedKeys()).toEqual([{ id: '11111111', check: 'bb' }]);
    });

    test('a creation that is refused notes none', async () => {
      expect(await store.create(newRecord(), { ...NO_LIMITS, maxPerUser: 0 }, 'aa')).toBe('limit');
      expect(await store.create(newRecord(), NO_LIMITS, 'bb')).toBe('created');
    });

    test('is not known of records of an older version, until it is noted', async () => {
      await made();
      expect(await store.create(newRecord(), NO_LIMITS, 'aa')).toBe('created');
      expect(await store.namedKeys()).toEqual([{ id: '11111111', check: null }]);
      await store.noteKeyCheck('11111111', 'aa');
      expect(await store.namedKeys()).toEqual([{ id: '11111111', check: 'aa' }]);
    });
  });

  test('an id that is taken is a collision too, and leaves the other record alone', async () => {
    const one = await made();
    expect(await store.create(newRecord({ id: one.id, user: bob }), NO_LIMITS)).toBe('collision');
    expect((await store.list({})).map((record) => record.user)).toEqual([alice]);
  });

  test('making one does not enable a disabled user', async () => {
    await store.setUserDisabled(alice, 5);
    await made();
    expect((await store.select(alice, [])).userDisabled).toBe(true);
  });
});

describe('select', () => {
  test('the one record of forty that has the selector, tombstone or not', async () => {
    const records = [];
    for (let n = 0; n < 40; n++) records.push(await made({ selector: 1000 + n }));
    const wanted = records[17]!;
    expect((await store.select(alice, [selectorOf(wanted)])).records.map((r) => r.id)).toEqual([wanted.id]);
    await store.revoke({ ids: [wanted.id] }, 77);
    expect((await store.select(alice, [selectorOf(wanted)])).records[0]?.revokedAt).toBe(77);
    expect(await store.select(alice, [{ keyId: '11111111', selector: 5 }])).toEqual({
      records: [],
      userDisabled: false,
    });
  });

  test('one record for each key at most; a selector counts only with its own key', async () => {
    const old = await made({ keyId: '11111111', selector: 1 });
    const current = await made({ keyId: '22222222', selector: 2 });
    const found = await store.select(alice, [
      { keyId: '22222222', selector: 2 },
      { keyId: '11111111', selector: 1 },
    ]);
    expect(found.records.map((r) => r.id).sort()).toEqual([old.id, current.id].sort());
    const crossed = [
      { keyId: '11111111', selector: 2 },
      { keyId: '22222222', selector: 1 },
    ];
    expect((await store.select(alice, crossed)).records).toEqual([]);
  });

  test("another user's records are not found; an unknown user gives the same shape", async () => {
    const record = await made();
    expect(await store.select(bob, [selectorOf(record)])).toEqual({ records: [], userDisabled: false });
  });

  test('a disabled user is told with and without a record, known or not', async () => {
    const record = await made();
    await store.setUserDisabled(alice, 5);
    await store.setUserDisabled(bob, 5);
    const found = await store.select(alice, [selectorOf(record)]);
    expect([found.records.length, found.userDisabled]).toEqual([1, true]);
    expect((await store.select(alice, [])).userDisabled).toBe(true);
    expect((await store.select(bob, [selectorOf(record)])).userDisabled).toBe(true);
    await store.setUserDisabled(alice, null);
    expect((await store.select(alice, [selectorOf(record)])).userDisabled).toBe(false);
  });

  test('SQL in a name is text', async () => {
    await made();
    const hostile = `x' or '1'='1@example.com` as User;
    expect((await store.select(hostile, [{ keyId: `' or 1=1 --`, selector: 1 }])).records).toEqual([]);
    expect(await store.list({ user: hostile })).toEqual([]);
  });
});

describe('revoke', () => {
  test('gives what it revoked: neither unknown ids, nor those revoked before, nor twice', async () => {
    const one = await made();
    const two = await made();
    expect(await store.revoke({ ids: [one.id, one.id, 'ap_nobody'] }, 10)).toEqual([one.id]);
    expect((await store.revoke({ ids: [one.id, two.id] }, 20)).sort()).toEqual([two.id]);
    expect(await store.revoke({ ids: [] }, 30)).toEqual([]);
    const revokedAt = (await store.list({ tombstones: true })).map((record) => record.revokedAt);
    expect(revokedAt).toEqual([10, 20]);
  });

  test('all of a user, and nobody else', async () => {
    const mine = [await made(), await made()];
    const other = await made({ user: bob });
    expect((await store.revoke({ user: alice }, 10)).sort()).toEqual(mine.map((r) => r.id).sort());
    expect((await store.list({})).map((r) => r.id)).toEqual([other.id]);
  });

  test('thousands of ids at once', async () => {
    const one = await made();
    const ids = [...Array.from({ length: 2500 }, (_, n) => `ap_${n}`), one.id];
    expect(await store.revoke({ ids }, 10)).toEqual([one.id]);
    expect((await store.standings(ids)).size).toBe(2501);
  });
});

describe('notes', () => {
  const use = (at: number, client: string | null = null): Use => ({
    at,
    from: '2001:db8::1',
    protocol: 'imap',
    client,
  });

  test('the newest use wins, in whatever order they arrive; uses and refusals are apart', async () => {
    const { id } = await made();
    for (const at of [20, 10, 30, 25])
      await store.noteUses([{ id, kind: 'used', use: use(at, `client ${at}`) }]);
    await store.noteUses([{ id, kind: 'refused', use: use(5) }]);
    const [record] = await store.list({});
    expect(record?.lastUsed).toEqual(use(30, 'client 30'));
    expect(record?.lastRefused).toEqual(use(5));
  });

  test('of a record that is gone are nothing', async () => {
    await expect(store.noteUses([{ id: 'ap_gone', kind: 'used', use: use(1) }])).resolves.toBeUndefined();
  });

  test('a rehash replaces only the hash that was verified', async () => {
    const { id, hash } = await made();
    expect(await store.rehash(id, 'another', 'new')).toBe(false);
    expect(await store.rehash(id, hash, 'new')).toBe(true);
    expect((await store.list({}))[0]?.hash).toBe('new');
  });
});

test('standings: live, expiring, revoked, gone, of a disabled user', async () => {
  const live = await made({ expiresAt: 99 });
  const revoked = await made();
  const disabled = await made({ user: bob });
  await store.revoke({ ids: [revoked.id] }, 10);
  await store.setUserDisabled(bob, 10);
  expect(await store.standings([live.id, revoked.id, disabled.id, 'ap_gone'])).toEqual(
    new Map([
      [live.id, { revoked: false, expiresAt: 99, userDisabled: false }],
      [revoked.id, { revoked: true, expiresAt: null, userDisabled: false }],
      [disabled.id, { revoked: false, expiresAt: null, userDisabled: true }],
      ['ap_gone', { revoked: true, expiresAt: null, userDisabled: false }],
    ]),
  );
  expect(await store.standings([])).toEqual(new Map());
});

test('purge: old tombstones, and all but the newest of each user; never a live record', async () => {
  const ids: string[] = [];
  for (let n = 0; n < 6; n++) {
    const { id } = await made();
    ids.push(id);
    await store.revoke({ ids: [id] }, 100 + n);
  }
  const live = await made();
  const other = await made({ user: bob });
  await store.revoke({ ids: [other.id] }, 100);
  expect(await store.purge({ before: 101, keep: 100, user: bob })).toBe(2);
  expect(await store.purge({ before: 0, keep: 3 })).toBe(2);
  const left = (await store.list({ tombstones: true })).map((r) => r.id);
  expect(left.sort()).toEqual([...ids.slice(3), live.id].sort());
});

describe('opening', () => {
  test('eight at once migrate a new file once', async () => {
    file = join(dir.path, 'new.db');
    const stores = await Promise.all(Array.from({ length: 8 }, open));
    const database = new Database(file, { readonly: true });
    expect(database.prepare('select name from migrations').pluck().all()).toEqual([
      '001-records',
      '002-portal',
      '003-key-checks',
    ]);
    expect(database.prepare('select revision from revision').pluck().all()).toEqual([0]);
    database.close();
    for (const one of stores) await one[Symbol.asyncDispose]();
  });

  test('a database of a newer Postern is a config error, and is left as it is', async () => {
    await store[Symbol.asyncDispose]();
    const database = new Database(file);
    database.exec(`insert into migrations (name, applied_at) values ('999-future', 1)`);
    database.close();
    const error = await open().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).toMatch(/made by a newer Postern \(it has 999-future/);
  });

  test.each(['postgres://x', 'sqlite:relative.db', 'sqlite:', '', 'file:/x', 'sqlite:/a\0b'])(
    'the URL %j is a config error',
    async (url) => {
      await expect(openStoreOnce(url, { clock: systemClock })).rejects.toThrow(ConfigError);
    },
  );

  test.each<[string, string, (path: string) => void]>([
    ['is no database', 'SQLITE_NOTADB', (path) => writeFileSync(path, 'not a database, '.repeat(100))],
    ['is a directory', 'SQLITE_CANTOPEN', (path) => mkdirSync(path)],
  ])('a file that %s is unavailable, with the cause', async (_, code, make) => {
    file = join(dir.path, 'other.db');
    make(file);
    const error = await open().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect((error as StoreUnavailableError).code).toMatch(code);
  });

  test('a path through a file is unavailable', async () => {
    file = join(file, 'below.db');
    await expect(open()).rejects.toThrow(StoreUnavailableError);
  });

  test('WAL with synchronous FULL, and the file passes its integrity check', async () => {
    await made();
    const database = new Database(file, { readonly: true });
    expect(database.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    database.close();
  });

  test("files have mode 0600 and the directory's owner, whoever runs the command", async () => {
    const home = join(dir.path, 'data');
    mkdirSync(home);
    // As root, the data directory is the service's; otherwise it is ours, and so are the files.
    if (process.geteuid?.() === 0) chownSync(home, 65_534, 65_533);
    file = join(home, 'below', 'postern.db');
    const other = await open();
    expect(await other.create(newRecord(), NO_LIMITS)).toBe('created');
    const { uid, gid } = statSync(home);
    const files = readdirSync(join(home, 'below'));
    expect(files.sort()).toEqual(['postern.db', 'postern.db-shm', 'postern.db-wal']);
    for (const name of files) {
      const stat = statSync(join(home, 'below', name));
      expect([name, stat.mode & 0o777, stat.uid, stat.gid]).toEqual([name, 0o600, uid, gid]);
    }
    const below = statSync(join(home, 'below'));
    expect([below.mode & 0o777, below.uid, below.gid]).toEqual([0o700, uid, gid]);
    await other[Symbol.asyncDispose]();
  });
});

describe('faults', () => {
  test('every call on a closed store is unavailable, and closing twice is fine', async () => {
    await store[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    const calls = [
      () => store.select(alice, []),
      () => store.create(newRecord(), NO_LIMITS),
      () => store.list({}),
      () => store.revoke({ user: alice }, 1),
      () => store.standings(['x']),
      () => store.namedKeys(),
      () => store.noteKeyCheck('11111111', '00'),
      () => store.purge({ before: 0, keep: 0 }),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow(StoreUnavailableError);
  });

  test('a full disk is unavailable, and the store serves on when there is room again', async () => {
    // A page limit stands in for the disk: SQLite answers SQLITE_FULL for both. It is per connection, so this one is opened so.
    const small = connect(file, { durable: true });
    small.pragma(`max_page_count = ${small.pragma('page_count', { simple: true })}`);
    const db = queryBuilder(small);
    const full = new SqlStore({
      quick: db,
      durable: db,
      whenFree: (work) => whenFree(systemClock, 0, work),
      close: async () => void small.close(),
    });
    let outcome: unknown;
    for (let n = 0; n < 100 && !(outcome instanceof Error); n++) {
      outcome = await full
        .create(newRecord({ hash: 'x'.repeat(4000) }), NO_LIMITS)
        .catch((error: unknown) => error);
    }
    expect(outcome).toBeInstanceOf(StoreUnavailableError);
    expect((outcome as Error).message).toMatch(/SQLITE_FULL/);
    small.pragma('max_page_count = 100000');
    expect(await full.create(newRecord(), NO_LIMITS)).toBe('created');
    await full[Symbol.asyncDispose]();
  });

  test('a corrupt page is unavailable, not an empty answer', async () => {
    for (let n = 0; n < 200; n++) await made({ hash: 'y'.repeat(1000) });
    await store[Symbol.asyncDispose]();
    const bytes = readFileSync(file);
    bytes.fill(0xff, 4096);
    writeFileSync(file, bytes);
    const error = await open()
      .then((opened) => {
        store = opened;
        return opened.list({});
      })
      .catch((error: unknown) => error);
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect((error as Error).message).toMatch(/SQLITE_(CORRUPT|NOTADB)/);
  });
});
