// `check-config` finds what a start would stop at: the keys file, the store, and what the service's user may not read.

import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { generate } from 'selfsigned';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { parseUser } from '../../../src/lib/user.ts';
import { openKeys } from '../../../src/passwords/keys-file.ts';
import { createPasswords } from '../../../src/passwords/service.ts';
import { openStoreOnce } from '../../../src/store/open.ts';
import { ledger } from '../../support/secrets-ledger.ts';
import { SMALL } from '../config/example.ts';
import { run } from './terminal-double.ts';

const isRoot = process.geteuid?.() === 0;
const NOBODY = 65_534;
/** Who owns the data and is to run the service: somebody else where that can be. */
const give = (path: string) => isRoot && chownSync(path, NOBODY, NOBODY);

let directory: string;
let file: string;
const at = (path: string) => join(directory, path);
const check = async () => {
  const { code, err, out } = await run(['check-config', '--config', file]);
  return { code, err, warnings: out.split('\n').filter((line) => line.startsWith('warning: ')) };
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'postern-check-'));
  chmodSync(directory, 0o755);
  file = at('postern.yaml');
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'mail.example.com' }]);
  mkdirSync(at('tls'));
  mkdirSync(at('data'), { mode: 0o700 });
  writeFileSync(at('tls/chain.pem'), cert);
  writeFileSync(at('tls/key.pem'), ledger(key), { mode: 0o600 });
  writeFileSync(at('master'), `${ledger('hunter2-of-the-start')}\n`, { mode: 0o600 });
  writeFileSync(file, SMALL);
  for (const path of ['data', 'tls/key.pem', 'master']) give(at(path));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A store with an app password, and its keys file. */
async function records(): Promise<void> {
  const store = await openStoreOnce(`sqlite:${at('data/postern.db')}`, { clock: systemClock });
  const keys = await openKeys({ file: at('data/keys.json'), store });
  const hash = { memoryKiB: 7_168, passes: 1, lanes: 1 };
  const passwords = createPasswords({ store, keys, hash, clock: systemClock, limits: { maxPerUser: 40 } });
  const made = await passwords.create({
    user: parseUser('alice@example.com')!,
    name: 'phone',
    scopes: ['imap'],
  } as never);
  ledger((made as { password: { reveal(): string } }).password.reveal());
  await store[Symbol.asyncDispose]();
}

it('takes what a first start would make, and makes none of it', async () => {
  expect(await check()).toEqual({ code: 0, err: '', warnings: [] });
  expect(readdirSync(at('data'))).toEqual([]);
});

it('takes a store and its keys, and leaves both as they are', async () => {
  await records();
  const before = statSync(at('data/postern.db')).mtimeMs;
  expect(await check()).toEqual({ code: 0, err: '', warnings: [] });
  expect(statSync(at('data/postern.db')).mtimeMs).toBe(before);
});

it('finds the keys file gone, while app passwords need it', async () => {
  await records();
  rmSync(at('data/keys.json'));
  const { code, err } = await check();
  expect([code, err]).toEqual([
    78,
    expect.stringContaining(`${at('data/keys.json')}: the keys file is missing, and the store`),
  ]);
  expect(existsSync(at('data/keys.json'))).toBe(false);
});

it.each([
  [
    'open to others',
    (path: string) => chmodSync(path, 0o644),
    'can be read or written by others (mode 0644)',
  ],
  ['no JSON', (path: string) => writeFileSync(path, '{'), 'is not JSON'],
  [
    'of another store',
    (path: string) =>
      writeFileSync(
        path,
        JSON.stringify({
          keys: [
            {
              id: '11111111',
              selectorKey: ledger(Buffer.alloc(32, 9).toString('base64')),
              createdAt: '2026-01-01T00:00:00Z',
            },
          ],
        }),
      ),
    'belongs to another store',
  ],
])('finds a keys file that is %s', async (_, spoil, says) => {
  await records();
  spoil(at('data/keys.json'));
  const { code, err } = await check();
  expect([code, err]).toEqual([78, expect.stringContaining(says)]);
});

it('finds a key with other bytes under the same id', async () => {
  await records();
  const content = JSON.parse(readFileSync(at('data/keys.json'), 'utf8'));
  content.keys[0].selectorKey = ledger(Buffer.alloc(32, 9).toString('base64'));
  writeFileSync(at('data/keys.json'), JSON.stringify(content));
  const { code, err } = await check();
  expect([code, err]).toEqual([
    78,
    expect.stringContaining(
      `${at('data/keys.json')}: the selectorKey of key ${content.keys[0].id} is not the one`,
    ),
  ]);
});

describe('takes a store of an older version, as a start would bring it up to date, and does not', () => {
  /** Back to the tables of the first version, with all that is in them. */
  const FIRST_VERSION = `drop table key_checks; drop table portal_sessions; drop table audit;
    delete from migrations where name > '001-records'`;
  const outdate = (sql: string) => {
    const database = new Database(at('data/postern.db'));
    database.exec(sql);
    database.close();
  };
  const content = () => readFileSync(at('data/postern.db'));

  it.each([
    ['the first', FIRST_VERSION],
    ['the one before', "drop table key_checks; delete from migrations where name = '003-key-checks'"],
  ])('%s', async (_, sql) => {
    await records();
    outdate(sql);
    const before = content();
    expect(await check()).toEqual({ code: 0, err: '', warnings: [] });
    expect(content().equals(before)).toBe(true);
    expect(readdirSync(at('data')).sort()).toEqual(['keys.json', 'postern.db']);
    rmSync(at('data/keys.json'));
    expect((await check()).err).toContain('the keys file is missing, and the store');
  });

  it('with what another process has written and not yet put into the file itself', async () => {
    await records();
    outdate(FIRST_VERSION);
    const other = new Database(at('data/postern.db'));
    other.pragma('wal_autocheckpoint = 0');
    other.exec("update records set key_id = '22222222'");
    const { code, err } = await check();
    other.close();
    expect([code, err]).toEqual([78, expect.stringContaining('name key 22222222, which it lacks')]);
  });

  it('unless it could not', async () => {
    await records();
    outdate(FIRST_VERSION);
    if (isRoot) chownSync(at('data/postern.db'), 0, 0);
    chmodSync(at('data/postern.db'), isRoot ? 0o644 : 0o444);
    const { code, err } = await check();
    expect([code, err]).toEqual([
      78,
      expect.stringContaining('store.url: the store cannot be brought up to date'),
    ]);
  });

  it('an empty file, that a start was ended at', async () => {
    writeFileSync(at('data/postern.db'), '', { mode: 0o600 });
    give(at('data/postern.db'));
    expect(await check()).toEqual({ code: 0, err: '', warnings: [] });
    expect(statSync(at('data/postern.db')).size).toBe(0);
  });
});

it('finds a store of a newer version', async () => {
  await records();
  const database = new Database(at('data/postern.db'));
  database.exec("insert into migrations (name, applied_at) values ('999-future', 1)");
  database.close();
  const { code, err } = await check();
  expect([code, err]).toEqual([78, expect.stringContaining('made by a newer Postern (it has 999-future')]);
});

it('finds a key that is too weak for TLS, beside what is wrong with the records', async () => {
  await records();
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'weak' }], { keySize: 1024 });
  writeFileSync(at('tls/chain.pem'), cert);
  writeFileSync(at('tls/key.pem'), ledger(key));
  rmSync(at('data/keys.json'));
  const { code, err } = await check();
  expect(code).toBe(78);
  expect(err).toContain('the keys file is missing');
  expect(err).toContain(
    `tls: ${at('tls/chain.pem')} and ${at('tls/key.pem')} cannot be used: ee key too small`,
  );
});

it('finds a store that is none', async () => {
  writeFileSync(at('data/postern.db'), 'not a database at all, but long enough to be looked at'.repeat(20), {
    mode: 0o600,
  });
  give(at('data/postern.db'));
  const { code, err } = await check();
  expect([code, err]).toEqual([78, expect.stringContaining('store.url: ')]);
});

it('finds a key that the service may not read, whoever asks', async () => {
  if (isRoot) chownSync(at('tls/key.pem'), 0, 0);
  else chmodSync(at('tls/key.pem'), 0o000);
  const { code, err } = await check();
  expect([code, err]).toEqual([
    78,
    `${isRoot ? `looked at with the rights of user ${NOBODY}, who owns the store's directory\n` : ''}postern.yaml:4:43 tls.key: cannot be read (permission is denied), must be a file that Postern may read (${at('tls/key.pem')})\n`,
  ]);
  // Root has its rights again.
  expect(process.geteuid?.()).toBe(isRoot ? 0 : process.getuid?.());
});

it('finds a secret and a directory that the service may not use', async () => {
  for (const path of ['master', 'data']) {
    if (isRoot) chownSync(at(path), path === 'data' ? NOBODY : 0, 0);
  }
  chmodSync(at('data'), 0o500);
  if (!isRoot) chmodSync(at('master'), 0o000);
  expect((await check()).err).toContain(
    'upstreams.dovecot.login.passwordFile: cannot be read (permission is denied)',
  );
  give(at('master'));
  chmodSync(at('master'), 0o600);
  expect((await check()).err).toContain('the keys file cannot be made (EACCES)');
  chmodSync(at('data'), 0o700);
});

it('warns of a key that everybody can read, and takes it', async () => {
  chmodSync(at('tls/key.pem'), 0o644);
  expect(await check()).toEqual({
    code: 0,
    err: '',
    warnings: [
      `warning: tls.key: ${at('tls/key.pem')} can be read or changed by every user of this machine; close it to them (chmod o= FILE)`,
    ],
  });
});
