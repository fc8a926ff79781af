// What the lists show and leave out: `password list`, `user list`, `audit list` on a store of known content.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { parseUser, type User } from '../../../src/lib/user.ts';
import { openStoreOnce } from '../../../src/store/open.ts';
import { auditRecord } from '../../../src/store/portal-store.ts';
import type { NewRecord } from '../../../src/store/store.ts';
import { NO_LIMITS, newRecord } from '../../support/records.ts';
import { ledger } from '../../support/secrets-ledger.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { run } from './terminal-double.ts';

const DAY = 86_400_000;
const NOW = Date.now();
const [ALICE, BOB, CAROL, DAVE] = [
  'alice@example.com',
  'bob@example.com',
  'carol@example.org',
  'dave@sub.example.com',
].map((name) => parseUser(name) as User) as [User, User, User, User];

const dir = tempDir();
const config = join(dir.path, 'postern.yaml');
beforeAll(async () => {
  writeFileSync(join(dir.path, 'upstream'), ledger('oNp4-upstream-of-the-lists'), { mode: 0o600 });
  writeFileSync(
    config,
    `
hostname: localhost
store: { url: "sqlite:./postern.db" }
keys: { file: ./keys.json }
tls: { certificate: ./cert.pem, key: ./key.pem }
users: { defaultDomain: example.com }
listeners: [{ name: imap, protocol: imap, address: "127.0.0.1:1143", tls: starttls }]
upstreams:
  mailbox: { protocol: imap, address: "127.0.0.1:1", tls: none, login: { method: plain, user: postern, passwordFile: ./upstream } }
routes: [{ users: "*", imap: mailbox }]
`,
  );
  await using store = await openStoreOnce(`sqlite:${join(dir.path, 'postern.db')}`, { clock: systemClock });
  const add = async (name: string, given: Partial<NewRecord>, used?: number, revoked?: number) => {
    const record = newRecord({ name, createdAt: NOW - 400 * DAY, ...given });
    await store.create(record, NO_LIMITS);
    const use = { at: used ?? 0, from: '192.0.2.7', protocol: 'imap', client: null } as const;
    if (used !== undefined) await store.noteUses([{ id: record.id, kind: 'used', use }]);
    if (revoked !== undefined) await store.revoke({ ids: [record.id] }, revoked);
  };
  await add('daily', { user: ALICE }, NOW - DAY);
  await add('old', { user: ALICE, scope: ['imap', 'smtp'] }, NOW - 91 * DAY);
  await add('never', { user: ALICE, scope: ['ldap'] });
  await add('fresh', { user: ALICE, createdAt: NOW - DAY });
  await add('gone', { user: ALICE }, NOW - 200 * DAY, NOW - 5 * DAY);
  await add('expired', { user: BOB, expiresAt: NOW - DAY }, NOW - 100 * DAY);
  await add('soon', { user: BOB, expiresAt: NOW + 10 * DAY, scope: ['smtp'] }, NOW);
  await add('later', { user: CAROL, expiresAt: NOW + 90 * DAY }, NOW);
  await add('hers', { user: DAVE }, NOW - 300 * DAY);
  await store.setUserDisabled(DAVE, NOW);
  for (const [age, by, user, action] of [
    [40, 'cli', ALICE, 'created'],
    [10, ALICE, ALICE, 'signed_in'],
    [9, ALICE, BOB, 'deleted'],
    [2, 'cli', CAROL, 'disabled'],
    [1, null, DAVE, 'sign_in_refused'],
  ] as const) {
    await store.addAudit(auditRecord({ by, user, action, from: null }, NOW - age * DAY));
  }
});
afterAll(() => dir[Symbol.dispose]());

const postern = (...args: string[]) => run([...args, '--config', config]);
const json = async (...args: string[]) => {
  const { code, out, err } = await postern(...args, '--json');
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out);
};

describe('password list', () => {
  test.each<[string[], string[]]>([
    [[], ['daily', 'old', 'never', 'fresh', 'gone', 'expired', 'soon', 'later', 'hers']],
    [
      ['--state', 'active'],
      ['daily', 'old', 'never', 'fresh', 'soon', 'later'],
    ],
    [['--state', 'revoked'], ['gone']],
    [['--state', 'expired'], ['expired']],
    [['--state', 'disabled'], ['hers']],
    [
      ['--unused-for', '90d'],
      ['old', 'never', 'hers'],
    ],
    [
      ['--unused-for', '92d'],
      ['never', 'hers'],
    ],
    [
      ['--unused-for', '90d', '--state', 'active'],
      ['old', 'never'],
    ],
    [['--unused-for', '90d', '--state', 'revoked'], ['gone']],
    [['--unused-for', '90d', '--state', 'expired'], ['expired']],
    [['--never-used'], ['never', 'fresh']],
    [['--never-used', '--unused-for', '30d'], ['never']],
    [['--expires-within', '14d'], ['soon']],
    [['--expires-within', '9d'], []],
    [
      ['--expires-within', '100d'],
      ['soon', 'later'],
    ],
    [
      ['--protocol', 'ldap'],
      ['daily', 'never', 'fresh', 'gone', 'expired', 'later', 'hers'],
    ],
    [['--protocol', 'smtp', '--state', 'active', '--user', 'bob'], ['soon']],
    [
      ['--user', 'ALICE@example.com'],
      ['daily', 'old', 'never', 'fresh', 'gone'],
    ],
    [
      ['--user', '*@example.com'],
      ['daily', 'old', 'never', 'fresh', 'gone', 'expired', 'soon'],
    ],
    [['--user', '*@EXAMPLE.org'], ['later']],
    [['--user', '*@sub.example.com'], ['hers']],
    [['--user', '*@elsewhere.example'], []],
  ])('%j', async (args, names) => {
    const listed: { name: string }[] = await json('password', 'list', ...args);
    expect(listed.map(({ name }) => name).sort()).toEqual(names.toSorted());
    const { out } = await postern('password', 'list', ...args);
    expect(out.trimEnd().split('\n')).toHaveLength(names.length + 1);
  });

  test('whether the user is disabled', async () => {
    const listed: { user: string; userDisabled: boolean }[] = await json('password', 'list');
    expect(listed.filter(({ userDisabled }) => userDisabled).map(({ user }) => user)).toEqual([DAVE]);
    expect(listed.every(({ userDisabled }) => typeof userDisabled === 'boolean')).toBe(true);
  });
});

describe('user list', () => {
  test.each<[string[], string[]]>([
    [[], [ALICE, BOB, CAROL, DAVE]],
    [
      ['--state', 'enabled'],
      [ALICE, BOB, CAROL],
    ],
    [['--state', 'disabled'], [DAVE]],
    [
      ['--user', '*@example.com'],
      [ALICE, BOB],
    ],
    [['--user', 'carol@example.org'], [CAROL]],
    [['--user', 'lice'], []],
  ])('%j', async (args, users) => {
    const listed: { user: string }[] = await json('user', 'list', ...args);
    expect(listed.map(({ user }) => user)).toEqual(users);
  });

  test('for programs and for people', async () => {
    expect((await json('user', 'list'))[0]).toEqual({ user: ALICE, disabled: false, passwords: 4 });
    expect((await postern('user', 'list')).out).toMatch(
      /^USER +STATE +APP PASSWORDS\nalice@example\.com +enabled +4\n(.*\n)*dave@sub\.example\.com +disabled +1\n$/,
    );
    expect((await postern('user', 'list', '--user', 'nobody')).out).toBe('no users\n');
  });
});

describe('audit list', () => {
  const day = (ago: number) => new Date(NOW - ago * DAY).toISOString();
  test.each<[string[], string[]]>([
    [[], ['sign_in_refused', 'disabled', 'deleted', 'signed_in', 'created']],
    [
      ['--since', '7d'],
      ['sign_in_refused', 'disabled'],
    ],
    [
      ['--since', day(9.5).slice(0, 16).concat('Z')],
      ['sign_in_refused', 'disabled', 'deleted'],
    ],
    [['--since', day(30).slice(0, 10), '--last', '1'], ['sign_in_refused']],
    [['--action', 'deleted'], ['deleted']],
    [
      ['--action', 'deleted', '--action', 'created'],
      ['deleted', 'created'],
    ],
    [['--action', 'created', '--since', '20d'], []],
    [
      ['--user', 'alice'],
      ['deleted', 'signed_in', 'created'],
    ],
    [
      ['--user', '*@example.com'],
      ['deleted', 'signed_in', 'created'],
    ],
    [['--user', '*@sub.example.com'], ['sign_in_refused']],
    [['--user', '*@ample.com'], []],
  ])('%j', async (args, actions) => {
    const listed: { action: string }[] = await json('audit', 'list', ...args);
    expect(listed.map(({ action }) => action)).toEqual(actions);
  });
});

describe('what cannot be read is a usage error that says what would be right', () => {
  test.each<[string[], RegExp]>([
    [['password', 'list', '--state', 'broken'], /Allowed choices are revoked, expired, disabled, active/],
    [['password', 'list', '--protocol', 'nntp'], /Allowed choices are imap/],
    [['password', 'list', '--unused-for', '90'], /--unused-for "90": .* such as 90d/],
    [['password', 'list', '--unused-for', '-1d'], /./],
    [['password', 'list', '--unused-for', '9'.repeat(5000)], /such as 90d/],
    [['password', 'list', '--expires-within', 'soon'], /--expires-within "soon": .* such as 90d/],
    [
      ['password', 'list', '--expires-within', '1d', '--state', 'expired'],
      /not together with --state expired/,
    ],
    [['password', 'list', '--user', '*'], /is not a user/],
    [['password', 'list', '--user', '*@'], /it would be \*@example\.com/],
    [['password', 'list', '--user', '*@a@b'], /it would be \*@example\.com/],
    [['password', 'list', '--user', '*@*'], /it would be \*@example\.com/],
    [['password', 'list', '--user', '*@%'], /it would be \*@example\.com/],
    [['user', 'list', '--state', 'sleepy'], /Allowed choices are enabled, disabled/],
    [['user', 'list', '--user', ''], /the user is empty/],
    [['audit', 'list', '--since', 'yesterday'], /--since "yesterday": .* such as 7d/],
    [['audit', 'list', '--since', '2026-02-30'], /--since "2026-02-30"/],
    [['audit', 'list', '--since', '2999-01-01'], /lies in the future/],
    [['audit', 'list', '--since', '\u001b[2J'], /--since "\\u001b\[2J"/],
    [['audit', 'list', '--action', 'dropped'], /Allowed choices are signed_in/],
    [['audit', 'list', '--last', '0'], /from 1 to/],
  ])('%j', async (args, said) => {
    const { code, out, err } = await postern(...args);
    expect([code, out]).toEqual([64, '']);
    expect(err).toMatch(said);
    expect(err).not.toContain('\u001b');
  });
});
