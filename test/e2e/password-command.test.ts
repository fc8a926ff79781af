// `postern password` and `postern user` as an admin runs them: the real program, a literal config, exit codes.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { Secret } from '../../src/lib/secret.ts';
import { parseUser } from '../../src/lib/user.ts';
import { readAppPassword } from '../../src/passwords/app-password.ts';
import { verifyAppPassword } from '../../src/passwords/hash.ts';
import { openKeys } from '../../src/passwords/keys-file.ts';
import { openStoreOnce } from '../../src/store/open.ts';
import { type Outcome, run } from '../support/child-process.ts';
import { NO_LIMITS, newRecord } from '../support/records.ts';
import { newLogFile } from '../support/run-directory.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', 'bin', 'postern.js');
const CONFIG = `
hostname: localhost
store: { url: "sqlite:./data/postern.db" }
keys: { file: ./data/keys.json }
tls: { certificate: ./cert.pem, key: ./key.pem }
users: { defaultDomain: example.com }
listeners:
  - { name: imap, protocol: imap, address: "127.0.0.1:1143", tls: starttls }
upstreams:
  mailbox: { protocol: imap, address: "127.0.0.1:1", tls: none, login: { method: plain, user: postern, passwordFile: ./upstream } }
routes:
  - { users: "*", imap: mailbox }
appPasswords: { maxPerUser: 40, hash: { memoryKiB: 7168, passes: 1, lanes: 1 } }
`;
const alice = parseUser('alice@example.com')!;

let dir: TempDir;
let database: string;
let keysFile: string;
beforeEach(() => {
  dir = tempDir();
  database = join(dir.path, 'data', 'postern.db');
  keysFile = join(dir.path, 'data', 'keys.json');
  writeFileSync(join(dir.path, 'postern.yaml'), CONFIG);
  writeFileSync(join(dir.path, 'upstream'), ledger('upstream-password-of-the-test'), { mode: 0o600 });
});
afterEach(() => dir[Symbol.dispose]());

/** Whatever goes to standard error is searched for secrets at the end of the run. */
async function postern(...args: string[]): Promise<Outcome> {
  const outcome = await run(process.execPath, [PROGRAM, ...args, '--config', join(dir.path, 'postern.yaml')]);
  writeFileSync(newLogFile('password-command'), outcome.stderr);
  return outcome;
}

async function create(...args: string[]) {
  const outcome = await postern('password', 'create', '--user', 'alice', ...args, '--json');
  expect([outcome.code, outcome.code === 0 ? '' : outcome.stderr]).toEqual([0, '']);
  const made = JSON.parse(outcome.stdout);
  ledger(made.password);
  return made;
}

const list = async (...args: string[]) =>
  JSON.parse((await postern('password', 'list', ...args, '--json')).stdout);

/** Whether a printed app password finds a record of alice and matches its hash. */
async function works(printed: string): Promise<boolean> {
  await using store = await openStoreOnce(`sqlite:${database}`, { clock: systemClock });
  const keys = await openKeys({ file: keysFile, store });
  const password = readAppPassword(new Secret(printed))!;
  const { records } = await store.select(alice, keys.selectors(alice, password));
  return records.length === 1 && verifyAppPassword(records[0]!.hash, password);
}

describe('password create', () => {
  test('prints the app password and nothing else on standard output; it works', async () => {
    const outcome = await postern('password', 'create', '--user', 'alice', '--name', 'Phone');
    expect(outcome.code).toBe(0);
    const matches = /^[a-km-np-z2-9]{4}( [a-km-np-z2-9]{4}){3}\n$/.test(outcome.stdout);
    expect(matches).toBe(true);
    const bare = ledger(outcome.stdout.replace(/\s/g, ''));
    expect(outcome.stderr).toMatch(/^made ap_\w{12} \(alice@example\.com, “Phone”\)/m);
    expect(outcome.stderr.includes(bare)).toBe(false);
    expect(await works(outcome.stdout.trimEnd())).toBe(true);
    expect(statSync(keysFile).mode & 0o777).toBe(0o600);
    expect(statSync(database).mode & 0o777).toBe(0o600);
  });

  test('--json: exactly the documented keys, the app password bare', async () => {
    const made = await create(
      '--name',
      'Scanner',
      '--scope',
      'imap,smtp',
      '--network',
      '192.0.2.0/24',
      '--network',
      '2001:db8::1',
      '--expires',
      '2099-12-31',
    );
    expect(Object.keys(made)).toEqual(['id', 'user', 'name', 'password', 'scope', 'networks', 'expiresAt']);
    const { password, ...rest } = made;
    expect(/^[a-km-np-z2-9]{16}$/.test(password)).toBe(true);
    expect(rest).toEqual({
      id: expect.stringMatching(/^ap_\w{12}$/),
      user: 'alice@example.com',
      name: 'Scanner',
      scope: ['imap', 'smtp'],
      networks: ['192.0.2.0/24', '2001:db8::1/128'],
      expiresAt: '2099-12-31T00:00:00.000Z',
    });
    expect(await works(password)).toBe(true);
  });

  test('--expires 90d counts from now', async () => {
    const before = Date.now();
    const { expiresAt } = await create('--name', 'Phone', '--expires', '90d');
    const days = (Date.parse(expiresAt) - before) / 86_400_000;
    expect(days).toBeGreaterThanOrEqual(90);
    expect(days).toBeLessThan(90.01);
  });

  test('at the limit: a message, exit 1, nothing on standard output', async () => {
    await using store = await openStoreOnce(`sqlite:${database}`, { clock: systemClock });
    const keys = await openKeys({ file: keysFile, store });
    for (let n = 0; n < 40; n++) await store.create(newRecord({ keyId: keys.current }), NO_LIMITS);
    const outcome = await postern('password', 'create', '--user', 'alice', '--name', 'one more');
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(/has 40 app passwords, which is the most: revoke one/);
  });

  test('two at once for the last place: one is made', async () => {
    {
      await using store = await openStoreOnce(`sqlite:${database}`, { clock: systemClock });
      const keys = await openKeys({ file: keysFile, store });
      for (let n = 0; n < 39; n++) await store.create(newRecord({ keyId: keys.current }), NO_LIMITS);
    }
    const outcomes = await Promise.all(
      ['left', 'right'].map((name) => postern('password', 'create', '--user', 'alice', '--name', name)),
    );
    expect(outcomes.map((outcome) => outcome.code).sort()).toEqual([0, 1]);
    const winner = outcomes.find((outcome) => outcome.code === 0)!;
    ledger(winner.stdout.replace(/\s/g, ''));
    expect(await works(winner.stdout.trimEnd())).toBe(true);
    expect(outcomes.find((outcome) => outcome.code === 1)!.stdout).toBe('');
    expect(await list()).toHaveLength(40);
  });

  test.each<[string, string[], number, RegExp]>([
    ['no name', ['--user', 'alice'], 64, /--name/],
    ['no user', ['--name', 'x'], 64, /--user/],
    [
      'an unknown protocol',
      ['--user', 'alice', '--name', 'x', '--scope', 'imap,gopher'],
      64,
      /no such protocol: "gopher"/,
    ],
    ['an empty scope', ['--user', 'alice', '--name', 'x', '--scope', ''], 64, /no such protocol: ""/],
    [
      'a network that is none',
      ['--user', 'alice', '--name', 'x', '--network', '192.0.2.0/33'],
      64,
      /--network "192\.0\.2\.0\/33"/,
    ],
    [
      'an expiry in the past',
      ['--user', 'alice', '--name', 'x', '--expires', '2001-01-01'],
      64,
      /in the past/,
    ],
    ['an expiry of no time', ['--user', 'alice', '--name', 'x', '--expires', '0d'], 64, /in the past/],
    [
      'a day that does not exist',
      ['--user', 'alice', '--name', 'x', '--expires', '2099-02-30'],
      64,
      /it would be/,
    ],
    [
      'an expiry that overflows',
      ['--user', 'alice', '--name', 'x', '--expires', '999999999d'],
      64,
      /century/,
    ],
    ['an expiry in words', ['--user', 'alice', '--name', 'x', '--expires', 'tomorrow'], 64, /it would be/],
    [
      'a user with a master suffix',
      ['--user', 'alice*master@example.com', '--name', 'x'],
      64,
      /is not a user/,
    ],
    ['a user with a backslash', ['--user', 'EXAMPLE\\alice', '--name', 'x'], 64, /is not a user/],
    [
      'a user with CR LF',
      ['--user', 'alice\r\nx@example.com', '--name', 'x'],
      64,
      /"alice\\r\\nx@example\.com" is not a user/,
    ],
    [
      'a user in look-alike letters',
      ['--user', '\uff41lice@example.com', '--name', 'x'],
      64,
      /is not a user/,
    ],
    ['an empty user', ['--user', '', '--name', 'x'], 64, /user is empty/],
    ['a name with a terminal escape', ['--user', 'alice', '--name', 'x\u001b[2J'], 1, /control/],
    ['an argument too many', ['--user', 'alice', '--name', 'x', 'hunter2'], 64, /argument/],
  ])('%s: exit code, a reason, and nothing is made', async (_, args, code, reason) => {
    const outcome = await postern('password', 'create', ...args);
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).toMatch(reason);
    expect(outcome.stderr).not.toMatch(/\u001b|\r| {4}at /);
    if (existsSync(database)) expect(await list()).toEqual([]);
  });

  test('a name without a domain needs a default one', async () => {
    writeFileSync(join(dir.path, 'postern.yaml'), CONFIG.replace(/^users:.*$/m, ''));
    const outcome = await postern('password', 'create', '--user', 'alice', '--name', 'x');
    expect(outcome).toMatchObject({ code: 64, stdout: '' });
    expect(outcome.stderr).toMatch(/"alice" has no domain, and the config has no users\.defaultDomain/);
  });

  test('a name that is taken is said on stderr, and no reason to refuse', async () => {
    await create('--name', 'Phone');
    const outcome = await postern('password', 'create', '--user', 'ALICE@Example.COM', '--name', 'phone');
    expect(outcome).toMatchObject({ code: 0, stdout: expect.stringMatching(/^(\w{4} ){3}\w{4}\n$/) });
    expect(outcome.stderr).toMatch(/note: alice@example\.com has 1 more of that name/);
  });
});

describe('password list', () => {
  test('--json: exactly the documented keys, revoked ones too', async () => {
    const one = await create('--name', 'Phone');
    const two = await create('--name', 'Lost', '--scope', 'imap');
    {
      await using store = await openStoreOnce(`sqlite:${database}`, { clock: systemClock });
      const use = { at: 1_700_000_000_000, from: '192.0.2.7', protocol: 'imap', client: 'Outlook' } as const;
      await store.noteUses([{ id: one.id, kind: 'used', use }]);
    }
    expect((await postern('password', 'revoke', two.id)).code).toBe(0);
    const records = await list('--user', 'alice');
    expect(Object.keys(records[0])).toEqual([
      'id',
      'user',
      'name',
      'scope',
      'networks',
      'createdAt',
      'expiresAt',
      'lastUsed',
      'revokedAt',
      'userDisabled',
    ]);
    expect(records).toMatchObject([
      {
        id: one.id,
        scope: null,
        networks: [],
        expiresAt: null,
        lastUsed: { at: '2023-11-14T22:13:20.000Z', from: '192.0.2.7', protocol: 'imap', client: 'Outlook' },
        revokedAt: null,
      },
      { id: two.id, scope: ['imap'], lastUsed: null, revokedAt: expect.stringMatching(/^\d{4}-.*Z$/) },
    ]);
    expect(await list('--user', 'bob')).toEqual([]);
  });

  test('for people: aligned columns, and no escape of a client reaches the terminal', async () => {
    const { id } = await create('--name', 'Télé 電話');
    await create('--name', 'Scanner');
    {
      await using store = await openStoreOnce(`sqlite:${database}`, { clock: systemClock });
      await store.noteUses([
        { id, kind: 'used', use: { at: 0, from: '::1', protocol: 'imap', client: 'x\u001b[2J\u202e' } },
      ]);
    }
    const { stdout } = await postern('password', 'list');
    const [header, first, second] = stdout.split('\n');
    expect(header).toMatch(
      /^ID +USER +NAME +STATE +SCOPE +NETWORKS +CREATED \(UTC\) +EXPIRES +LAST USED +BY$/,
    );
    expect(first).toMatch(/ Télé 電話 +active +all +any .* imap from ::1 with x\?\[2J\?$/);
    expect(second!.indexOf('active')).toBe(header!.indexOf('STATE'));
    // Two of its characters are two columns wide.
    expect(first!.indexOf('active')).toBe(header!.indexOf('STATE') - 2);
  });

  test('none: says so', async () => {
    const { id } = await create('--name', 'Phone');
    await postern('password', 'revoke', id);
    const db = new Database(database);
    db.exec('delete from records');
    db.close();
    expect(await postern('password', 'list')).toMatchObject({ code: 0, stdout: 'no app passwords\n' });
    expect(await list()).toEqual([]);
  });
});

describe('password revoke', () => {
  test('revokes those that exist, names those that do not, exit 1', async () => {
    const one = await create('--name', 'one');
    const two = await create('--name', 'two');
    const outcome = await postern('password', 'revoke', one.id, 'ap_nobody', 'x\u001b[2J');
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toBe(`revoked ${one.id} (alice@example.com, “one”)\n`);
    expect(outcome.stderr).toContain('no such app password: "ap_nobody", "x\\u001b[2J"');
    expect((await list()).map((record: { revokedAt: string | null }) => record.revokedAt !== null)).toEqual([
      true,
      false,
    ]);
    const again = await postern('password', 'revoke', one.id, two.id);
    expect(again.code).toBe(0);
    expect(again.stdout).toBe(
      `already revoked: ${one.id} (alice@example.com, “one”)\nrevoked ${two.id} (alice@example.com, “two”)\n`,
    );
  });

  test('--user --all revokes all of that user', async () => {
    await create('--name', 'one');
    await create('--name', 'two');
    expect(await postern('password', 'revoke', '--user', 'alice', '--all')).toMatchObject({
      code: 0,
      stdout: 'revoked 2 app passwords of alice@example.com\n',
    });
    expect((await postern('password', 'revoke', '--user', 'alice', '--all')).stdout).toMatch(
      /^revoked 0 app passwords/,
    );
  });

  test.each([
    [[]],
    [['--all']],
    [['--user', 'alice']],
    [['ap_x', '--all']],
    [['ap_x', '--user', 'alice', '--all']],
  ])('with %j it is not clear which: exit 64', async (args) => {
    const outcome = await postern('password', 'revoke', ...args);
    expect(outcome).toMatchObject({ code: 64, stdout: '' });
  });

  test('does not need the keys file', async () => {
    const { id } = await create('--name', 'Lost');
    rmSync(keysFile);
    expect((await postern('password', 'revoke', id)).code).toBe(0);
  });
});

test('user disable and enable say what they did', async () => {
  await create('--name', 'Phone');
  expect(await postern('user', 'disable', 'alice')).toMatchObject({
    code: 0,
    stdout: 'disabled alice@example.com: logins are refused and live sessions end; 1 app password kept\n',
  });
  expect((await postern('password', 'list')).stdout).toMatch(/Phone +user disabled/);
  expect((await postern('user', 'disable', 'alice')).stdout).toMatch(/was disabled already; nothing changed/);
  expect((await postern('user', 'enable', 'alice@example.com')).stdout).toMatch(
    /^enabled alice@example\.com/,
  );
  expect((await postern('password', 'list')).stdout).toMatch(/Phone +active/);
  expect((await postern('user', 'enable', 'alice')).stdout).toMatch(/was not disabled already/);
  expect((await postern('user', 'disable', 'a*b')).code).toBe(64);
});

describe('the keys file and the store stop it with a reason', () => {
  test.each<[string, () => void, number, RegExp]>([
    [
      'missing while records exist',
      () => rmSync(keysFile),
      78,
      /keys file is missing, and the store holds app passwords/,
    ],
    ['world-readable', () => chmodSync(keysFile, 0o644), 78, /read or written by others \(mode 0644\)/],
    ['not JSON', () => writeFileSync(keysFile, 'x'), 78, /is not JSON/],
    [
      "another store's",
      () => {
        const other = JSON.parse(readFileSync(keysFile, 'utf8'));
        ledger(other.keys[0].selectorKey);
        other.keys[0].id = '0123456789abcdef';
        writeFileSync(keysFile, JSON.stringify(other));
      },
      78,
      /belongs to another store/,
    ],
    [
      'beside a store that is no database',
      () => writeFileSync(database, 'x'.repeat(5000)),
      69,
      /SQLITE_NOTADB/,
    ],
  ])('%s', async (_, spoil, code, reason) => {
    await create('--name', 'Phone');
    spoil();
    const outcome = await postern('password', 'create', '--user', 'alice', '--name', 'Tablet');
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).toMatch(reason);
  });

  test('a store that stays locked: exit 69 after about five seconds', async () => {
    await create('--name', 'Phone');
    const holder = new Database(database);
    holder.exec('begin immediate');
    const outcome = await postern('password', 'create', '--user', 'alice', '--name', 'Tablet');
    holder.close();
    expect(outcome).toMatchObject({ code: 69, stdout: '' });
    expect(outcome.stderr).toMatch(/locked by another process/);
  });
});

test('kill -9 at any time: the record is whole or absent, and what was printed works', {
  timeout: 900_000,
}, async () => {
  const started = performance.now();
  await create('--name', 'first');
  const usual = performance.now() - started;
  const printed: string[] = [];
  let killed = 0;
  const check = new Database(database, { readonly: true });
  const count = check.prepare('select count(*) from records').pluck();
  let tries = 0;
  // As many as it takes: how fast the next one will be is a guess.
  for (let n = 0; n < 20 || killed < 8 || printed.length < 4; n++) {
    tries++;
    const child = spawn(
      process.execPath,
      [
        PROGRAM,
        'password',
        'create',
        '--user',
        `u${n % 5}`,
        '--name',
        `d${n}`,
        '--json',
        '--config',
        join(dir.path, 'postern.yaml'),
      ],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    const kill = () => child.kill('SIGKILL');
    // In turn: at some moment, the second half of the run above all, where the record is written and printed; in the very
    // moment that the record is there, which is before it is printed; and now and then not at all.
    const timer = n % 2 === 0 ? setTimeout(kill, usual * (0.4 + 0.7 * ((n * 0.618034) % 1))) : undefined;
    const before = Number(count.get());
    const look = n % 4 === 1 ? setInterval(() => Number(count.get()) > before && kill(), 1) : undefined;
    await once(child, 'close');
    clearTimeout(timer);
    clearInterval(look);
    if (child.signalCode === 'SIGKILL') killed++;
    if (output.endsWith('}\n')) printed.push(output);
  }

  expect(check.pragma('integrity_check', { simple: true })).toBe('ok');
  check.close();
  await using store = await openStoreOnce(`sqlite:${database}`, { clock: systemClock });
  const keys = await openKeys({ file: keysFile, store });
  for (const text of printed) {
    const made = JSON.parse(text);
    const password = readAppPassword(new Secret(ledger(made.password)))!;
    const user = parseUser(made.user)!;
    const { records } = await store.select(user, keys.selectors(user, password));
    expect(records.map((record) => record.id)).toEqual([made.id]);
    expect(await verifyAppPassword(records[0]!.hash, password)).toBe(true);
  }
  const records = await store.list({ tombstones: true });
  for (const record of records) {
    expect(record.hash).toMatch(/^\$argon2id\$v=19\$m=7168,t=1,p=1\$[^$]{22}\$[^$]{43}$/);
    expect([record.keyId, record.scope, record.networks]).toEqual([keys.current, null, []]);
  }
  console.log(
    `kill -9: ${killed} of ${tries} killed, ${printed.length} printed, ${records.length - 1} records`,
  );
  // One that was killed between the two is a record that nobody knows the secret of: harmless, and revocable.
  expect(records.length - 1).toBeGreaterThanOrEqual(printed.length);
});
