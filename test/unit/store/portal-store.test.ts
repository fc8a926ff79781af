// What the portal keeps in the store, call by call, on a file of its own, through the threads of the running program.

import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import type { User } from '../../../src/lib/user.ts';
import { openStore } from '../../../src/store/open.ts';
import { type AuditRecord, auditRecord, type PortalSession } from '../../../src/store/portal-store.ts';
import { type Store, StoreUnavailableError } from '../../../src/store/store.ts';
import { NO_LIMITS, newRecord } from '../../support/records.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

const alice = 'alice@example.com' as User;
const bob = 'bob@example.com' as User;

let dir: TempDir;
let store: Store;
let file: string;
beforeEach(async () => {
  dir = tempDir();
  file = join(dir.path, 'postern.db');
  store = await openStore(`sqlite:${file}`, { clock: systemClock });
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

let made = 0;
function session(given: Partial<PortalSession> = {}): PortalSession {
  made += 1;
  const times = { signedInAt: 900, createdAt: 1000 + made, seenAt: 1000 + made };
  return { id: `session ${made}`, user: alice, isAdmin: false, ...times, ...given };
}

const add = async (given: Partial<PortalSession> = {}, most = 10) => {
  const added = session(given);
  expect(await store.addPortalSession(added, most)).toBe(true);
  return added;
};

describe('portal sessions', () => {
  test('what went in comes out', async () => {
    const plain = await add();
    const admin = await add({ isAdmin: true, signedInAt: 0, user: bob });
    expect(await store.portalSession(plain.id)).toEqual(plain);
    expect(await store.portalSession(admin.id)).toEqual(admin);
    expect(await store.portalSession('another')).toBeUndefined();
  });

  test('none begins for a user who is disabled, nor comes to life when they are enabled', async () => {
    await store.setUserDisabled(alice, 1);
    const late = session();
    expect(await store.addPortalSession(late, 10)).toBe(false);
    await add({ user: bob });
    await store.setUserDisabled(alice, null);
    expect(await store.portalSession(late.id)).toBeUndefined();
    await add();
  });

  test('what got in all the same, by an older program or database, ends when the user is enabled', async () => {
    const { id } = await add();
    const other = new Database(file);
    other.prepare('insert into users (name, disabled_at) values (?, 1)').run(alice);
    other.close();
    await store.setUserDisabled(alice, null);
    expect(await store.portalSession(id)).toBeUndefined();
  });

  test('an id is taken once', async () => {
    const { id } = await add();
    await expect(add({ id, user: bob })).rejects.toThrow();
    expect((await store.portalSession(id))?.user).toBe(alice);
  });

  test('of one user the oldest go, of others none', async () => {
    const other = await add({ user: bob });
    const all: PortalSession[] = [];
    for (let n = 0; n < 5; n++) all.push(await add({}, 3));
    const left = await Promise.all(all.map(({ id }) => store.portalSession(id)));
    expect(left.map((one) => one !== undefined)).toEqual([false, false, true, true, true]);
    expect(await store.portalSession(other.id)).toEqual(other);
  });

  test('a use is noted, and never goes back', async () => {
    const { id } = await add();
    await store.touchPortalSession(id, 5000);
    await store.touchPortalSession(id, 4000);
    expect((await store.portalSession(id))?.seenAt).toBe(5000);
  });

  test('one ends, or all of a user', async () => {
    const [first, second, third] = [await add(), await add(), await add({ user: bob })];
    expect(await store.endPortalSessions({ id: first.id })).toBe(1);
    expect(await store.endPortalSessions({ id: first.id })).toBe(0);
    expect(await store.endPortalSessions({ user: alice })).toBe(1);
    expect(await store.portalSession(second.id)).toBeUndefined();
    expect(await store.portalSession(third.id)).toEqual(third);
  });

  test('a disabled user has none', async () => {
    const { id } = await add();
    const bobs = await add({ user: bob });
    await store.setUserDisabled(alice, 1);
    expect(await store.portalSession(id)).toBeUndefined();
    // Nor does one come back: it may be what the user was disabled for.
    await store.setUserDisabled(alice, null);
    expect(await store.portalSession(id)).toBeUndefined();
    expect(await store.portalSession(bobs.id)).toEqual(bobs);
  });
});

describe('audit records', () => {
  const event = { by: alice, user: alice, action: 'created' as const, from: '192.0.2.7' };

  test('come out as they went in, the newest first, bounded, by user', async () => {
    const records: AuditRecord[] = [
      auditRecord({ ...event, passwordId: 'ap_1', name: 'Télé', detail: 'x'.repeat(500) }, 1),
      auditRecord({ by: 'cli', user: bob, action: 'disabled', from: null }, 2),
      auditRecord({ by: alice, user: bob, action: 'deleted', from: '2001:db8::1' }, 3),
      auditRecord({ by: null, user: null, action: 'sign_in_refused', from: '192.0.2.9' }, 4),
    ];
    for (const record of records) await store.addAudit(record);
    const newest = records.toReversed();
    expect(await store.audit({ most: 10 })).toEqual(newest);
    expect(await store.audit({ most: 2 })).toEqual(newest.slice(0, 2));
    expect(await store.audit({ user: bob, most: 10 })).toEqual(newest.slice(1, 3));
    // What alice did for bob is hers, too.
    expect((await store.audit({ user: alice, most: 10 })).map(({ at }) => at)).toEqual([3, 1]);
    expect(records[0]?.detail).toHaveLength(200);
    expect(new Set(records.map(({ id }) => id)).size).toBe(4);
  });
});

test('purging takes what is idle, old or past, and nothing else', async () => {
  const kept = await add({ createdAt: 500, seenAt: 900 });
  await add({ createdAt: 500, seenAt: 700 });
  await add({ createdAt: 300, seenAt: 900 });
  for (const at of [100, 200, 300]) {
    await store.addAudit(auditRecord({ by: 'cli', user: bob, action: 'enabled', from: null }, at));
  }
  expect(await store.purgePortal({ seenBefore: 800, createdBefore: 400, auditBefore: 200 })).toBe(3);
  expect(await store.portalSession(kept.id)).toEqual(kept);
  expect((await store.audit({ most: 10 })).map(({ at }) => at)).toEqual([300, 200]);
});

describe('searching users', () => {
  test('finds a part of the name, counts what is not revoked, tells who is disabled', async () => {
    const records = [newRecord(), newRecord(), newRecord({ user: 'alina@example.org' as User })];
    for (const record of records) await store.create(record, NO_LIMITS);
    await store.revoke({ ids: [records[0]!.id] }, 1);
    await store.setUserDisabled(bob, 1);
    expect(await store.searchUsers('ALI', 10)).toEqual([
      { user: alice, isDisabled: false, passwords: 1 },
      { user: 'alina@example.org', isDisabled: false, passwords: 1 },
    ]);
    expect(await store.searchUsers('bob', 10)).toEqual([{ user: bob, isDisabled: true, passwords: 0 }]);
    expect(await store.searchUsers('', 2)).toHaveLength(2);
  });

  test.each(['%', '_', '\\', "'", '%ali%', 'a_ice'])('%s is itself, and no pattern', async (text) => {
    await store.create(newRecord(), NO_LIMITS);
    await store.create(newRecord({ user: 'odd_100%@example.com' as User }), NO_LIMITS);
    const found = (await store.searchUsers(text, 10)).map(({ user }) => user);
    expect(found).toEqual('odd_100%@example.com'.includes(text) ? ['odd_100%@example.com'] : []);
  });
});

describe('records by their owner', () => {
  test('only the owner’s are revoked or renamed, and only while they live', async () => {
    const mine = newRecord({ name: 'Phone' });
    const hers = newRecord({ user: bob });
    for (const record of [mine, hers]) await store.create(record, NO_LIMITS);
    expect(await store.revoke({ ids: [mine.id, hers.id], user: bob }, 1)).toEqual([hers.id]);
    expect(await store.rename(mine.id, bob, 'Stolen')).toBe(false);
    expect(await store.rename(hers.id, bob, 'Gone')).toBe(false);
    expect(await store.rename(mine.id, alice, 'Old phone')).toBe(true);
    expect((await store.list({ user: alice }))[0]?.name).toBe('Old phone');
  });
});

test('a store that is closed says so', async () => {
  await store[Symbol.asyncDispose]();
  await expect(store.portalSession('x')).rejects.toThrow(StoreUnavailableError);
  await expect(
    store.addAudit(auditRecord({ by: 'cli', user: bob, action: 'created', from: null }, 1)),
  ).rejects.toThrow(StoreUnavailableError);
});

test('a database of the version before gets the new tables, and keeps its records', async () => {
  const record = newRecord();
  await store.create(record, NO_LIMITS);
  await store[Symbol.asyncDispose]();
  const database = new Database(file);
  database.exec(
    "drop table portal_sessions; drop table audit; drop table key_checks; delete from migrations where name > '001-records'",
  );
  database.close();
  store = await openStore(`sqlite:${file}`, { clock: systemClock });
  expect((await store.list({})).map(({ id }) => id)).toEqual([record.id]);
  await add();
});
