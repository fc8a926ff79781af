// The life of an app password, on a real store: made, recognised, limited, revoked, buried.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RefusedError } from '../../../src/lib/errors.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { parseUser } from '../../../src/lib/user.ts';
import { readAppPassword } from '../../../src/passwords/app-password.ts';
import { verifyAppPassword } from '../../../src/passwords/hash.ts';
import { openKeys } from '../../../src/passwords/keys-file.ts';
import type { SelectorKeys } from '../../../src/passwords/selector-keys.ts';
import { createPasswords, type Passwords } from '../../../src/passwords/service.ts';
import { openStoreOnce } from '../../../src/store/open.ts';
import type { UnwatchedStore } from '../../../src/store/store.ts';
import { NO_LIMITS, newRecord } from '../../support/records.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

const alice = parseUser('alice@example.com')!;
const bob = parseUser('bob@example.com')!;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let dir: TempDir;
let store: UnwatchedStore;
let keys: SelectorKeys;
let passwords: Passwords;
let now: number;
let random: (bytes: number) => Uint8Array;

beforeEach(async () => {
  dir = tempDir();
  now = Date.parse('2026-06-01T00:00:00Z');
  random = randomBytes;
  const clock = { now: () => now, monotonic: () => performance.now() };
  store = await openStoreOnce(`sqlite:${join(dir.path, 'postern.db')}`, { clock });
  keys = await openKeys({ file: join(dir.path, 'keys.json'), store, clock });
  passwords = createPasswords({
    store,
    keys,
    hash: { memoryKiB: 64, passes: 1, lanes: 1 },
    clock,
    limits: { maxPerUser: 40 },
    random: (bytes) => random(bytes),
  });
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

const refusal = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(RefusedError);
  return (error as Error).message;
};

describe('making one', () => {
  test('what is shown finds its record and matches its hash; the record does not hold it', async () => {
    const { record, password } = await passwords.create({
      user: alice,
      name: ' Phone ',
      scope: ['imap', 'smtp', 'imap'],
      networks: ['192.0.2.7', '2001:DB8::/32', '192.0.2.7/32'],
      expiresAt: now + DAY,
    });
    const typed = readAppPassword(new Secret(password.display().toUpperCase()))!;
    const { records } = await store.select(alice, keys.selectors(alice, typed));
    expect(records).toEqual([record]);
    expect(await verifyAppPassword(record.hash, typed)).toBe(true);
    expect(record).toMatchObject({
      user: alice,
      name: 'Phone',
      scope: ['imap', 'smtp'],
      networks: ['192.0.2.7/32', '2001:db8::/32'],
      createdAt: now,
      expiresAt: now + DAY,
      revokedAt: null,
    });
    expect(JSON.stringify(record).includes(password.reveal())).toBe(false);
  });

  test('an id is no app password', async () => {
    const { record } = await passwords.create({ user: alice, name: 'Phone' });
    expect(record.id).toMatch(/^ap_[a-km-np-z2-9]{12}$/);
    expect(readAppPassword(new Secret(record.id))).toBeUndefined();
  });

  test('forty, not forty-one; after one is revoked, one more', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 40; n++) ids.push((await passwords.create({ user: alice, name: `d${n}` })).record.id);
    expect(await refusal(passwords.create({ user: alice, name: 'one more' }))).toMatch(
      /has 40 app passwords.*revoke one/,
    );
    await passwords.create({ user: bob, name: 'his' });
    await passwords.revoke({ ids: [ids[3]!] });
    await passwords.create({ user: alice, name: 'one more' });
    expect(await passwords.list({ user: alice })).toHaveLength(40);
  });

  test('120 in an hour, revoked or not', async () => {
    for (let n = 0; n < 120; n++) {
      const { record } = await passwords.create({ user: alice, name: `d${n}` });
      await passwords.revoke({ ids: [record.id] });
    }
    expect(await refusal(passwords.create({ user: alice, name: 'next' }))).toMatch(
      /made 120 app passwords within an hour/,
    );
    now += HOUR;
    expect(await refusal(passwords.create({ user: alice, name: 'next' }))).toMatch(/within an hour/);
    now += 1;
    await passwords.create({ user: alice, name: 'next' });
  });

  test.each<[string, object, RegExp]>([
    ['a name with a control character', { name: 'a\u0007' }, /control/],
    ['an empty scope', { name: 'a', scope: [] }, /at least one protocol/],
    ['a network that is none', { name: 'a', networks: ['10.0.0.0/33'] }, /not a network: "10\.0\.0\.0\/33"/],
    [
      'too many networks',
      { name: 'a', networks: Array.from({ length: 33 }, (_, n) => `10.0.0.${n}`) },
      /at most 32/,
    ],
    ['an expiry that is now', { name: 'a', expiresAt: Date.parse('2026-06-01T00:00:00Z') }, /in the past/],
    ['an expiry that is no number', { name: 'a', expiresAt: Number.NaN }, /in the past/],
  ])('%s is refused, and nothing is stored', async (_, request, message) => {
    expect(await refusal(passwords.create({ user: alice, name: '', ...request }))).toMatch(message);
    expect(await store.list({ tombstones: true })).toEqual([]);
  });

  test('a selector that is taken is drawn again', async () => {
    const first = await passwords.create({ user: alice, name: 'first' });
    const symbols = 'abcdefghijkmnpqrstuvwxyz23456789';
    const same = Uint8Array.from(first.password.reveal(), (c) => symbols.indexOf(c));
    let draws = 0;
    // The same secret, so the same selector, for three draws of a password; ids stay random.
    random = (bytes) => (bytes === 16 && draws++ < 3 ? same : randomBytes(bytes));
    const second = await passwords.create({ user: alice, name: 'second' });
    expect(draws).toBe(4);
    expect(second.record.selector).not.toBe(first.record.selector);
  });

  test('a random source that repeats itself is an error, not a loop', async () => {
    random = (bytes) => new Uint8Array(bytes);
    await passwords.create({ user: alice, name: 'first' });
    await expect(passwords.create({ user: alice, name: 'second' })).rejects.toThrow(
      /random source is broken/,
    );
    expect(await passwords.list({ user: alice })).toHaveLength(1);
  });
});

describe('tombstones', () => {
  test('stay for 90 days', async () => {
    const { record } = await passwords.create({ user: alice, name: 'lost' });
    await passwords.revoke({ ids: [record.id] });
    now += 90 * DAY;
    expect(await passwords.purge()).toBe(0);
    now += 1;
    expect(await passwords.purge()).toBe(1);
    expect(await passwords.list({ tombstones: true })).toEqual([]);
  });

  test('150 of a user at most, which a creation sees to', async () => {
    for (let n = 0; n < 170; n++) {
      const record = newRecord({ user: alice, createdAt: now - DAY });
      await store.create(record, NO_LIMITS);
      await store.revoke({ ids: [record.id] }, now - DAY + n);
    }
    const { record } = await passwords.create({ user: alice, name: 'new' });
    const left = await passwords.list({ user: alice, tombstones: true });
    expect(left).toHaveLength(151);
    expect(left.some(({ id }) => id === record.id)).toBe(true);
    expect(Math.min(...left.flatMap((r) => r.revokedAt ?? []))).toBe(now - DAY + 20);
  });
});

test('disabling and enabling say whether they changed anything', async () => {
  expect(await passwords.setUserDisabled(alice, false)).toBe(false);
  expect(await passwords.setUserDisabled(alice, true)).toBe(true);
  expect(await passwords.setUserDisabled(alice, true)).toBe(false);
  expect((await store.select(alice, [])).userDisabled).toBe(true);
  expect(await passwords.setUserDisabled(alice, false)).toBe(true);
});

describe('names', () => {
  const reasonOf = (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: unknown) => (error as { reason?: string }).reason,
    );

  test('may be asked to be the only one of the user, in whatever case', async () => {
    await passwords.create({ user: alice, name: 'Phone' });
    expect(await reasonOf(passwords.create({ user: alice, name: 'PHONE', uniqueName: true }))).toBe(
      'duplicate_name',
    );
    expect(await reasonOf(passwords.create({ user: alice, name: 'PHONE' }))).toBe('done');
    expect(await reasonOf(passwords.create({ user: bob, name: 'Phone', uniqueName: true }))).toBe('done');
    await passwords.revoke({ user: alice });
    expect(await reasonOf(passwords.create({ user: alice, name: 'Phone', uniqueName: true }))).toBe('done');
  });

  test('change, by their owner, to what a name can be and no other has', async () => {
    const { record } = await passwords.create({ user: alice, name: 'Phone' });
    // The list is by age.
    now += 1000;
    await passwords.create({ user: alice, name: 'Scanner' });
    expect(await passwords.rename(record.id, alice, '  Old phone ')).toBe('Old phone');
    expect(await passwords.rename(record.id, alice, 'OLD PHONE')).toBe('OLD PHONE');
    expect(await reasonOf(passwords.rename(record.id, alice, 'scanner'))).toBe('duplicate_name');
    expect(await reasonOf(passwords.rename(record.id, alice, 'a\u202eb'))).toBe('name');
    expect(await reasonOf(passwords.rename(record.id, bob, 'Mine'))).toBe('no_such_password');
    expect(await reasonOf(passwords.rename('ap_none', alice, 'Scanner'))).toBe('no_such_password');
    expect((await passwords.list({ user: alice })).map(({ name }) => name)).toEqual(['OLD PHONE', 'Scanner']);
  });
});

test('hashing is done where the options say, and not at all for who has the most already', async () => {
  const asked: string[] = [];
  const limited = createPasswords({
    store,
    keys,
    hash: { memoryKiB: 64, passes: 1, lanes: 1 },
    clock: { now: () => now, monotonic: () => 0 },
    limits: { maxPerUser: 1 },
    runHash: async (_password, _parameters, user) => {
      asked.push(user);
      return '$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA';
    },
  });
  await limited.create({ user: alice, name: 'Phone' });
  await expect(limited.create({ user: alice, name: 'Scanner' })).rejects.toThrow(RefusedError);
  expect(asked).toEqual([alice]);
});
