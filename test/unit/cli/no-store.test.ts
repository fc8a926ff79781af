// Commands on a store that is not there, as from a wrong path: none says that nobody has app passwords, and none makes a database
// but the one that is to make app passwords, which says so.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ledger } from '../../support/secrets-ledger.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';
import { run } from './terminal-double.ts';

let dir: TempDir;
let config: string;
let database: string;
beforeEach(() => {
  dir = tempDir();
  config = join(dir.path, 'postern.yaml');
  database = join(dir.path, 'data', 'postern.db');
  writeFileSync(join(dir.path, 'upstream'), ledger('eTu7-upstream-of-no-store'), { mode: 0o600 });
  writeFileSync(
    config,
    `
hostname: localhost
store: { url: "sqlite:./data/postern.db" }
keys: { file: ./data/keys.json }
tls: { certificate: ./cert.pem, key: ./key.pem }
users: { defaultDomain: example.com }
listeners: [{ name: imap, protocol: imap, address: "127.0.0.1:1143", tls: starttls }]
upstreams:
  mailbox: { protocol: imap, address: "127.0.0.1:1", tls: none, login: { method: plain, user: postern, passwordFile: ./upstream } }
routes: [{ users: "*", imap: mailbox }]
appPasswords: { hash: { memoryKiB: 7168, passes: 1, lanes: 1 } }
`,
  );
});
afterEach(() => dir[Symbol.dispose]());

const postern = (...args: string[]) => run([...args, '--config', config]);

const ON_RECORDS = [
  ['password', 'list'],
  ['password', 'list', '--json'],
  ['password', 'list', '--user', 'alice'],
  ['password', 'revoke', 'ap_222222222222'],
  ['password', 'revoke', '--user', 'alice', '--all'],
  ['user', 'list'],
  ['user', 'disable', 'alice'],
  ['user', 'enable', 'alice'],
  ['audit', 'list'],
  ['audit', 'list', '--json'],
];

describe.each([
  ['no file', () => {}, 'there is no store at'],
  ['a directory, and no file in it', () => mkdirSync(join(dir.path, 'data')), 'there is no store at'],
  ['an empty file', () => writeInData(''), 'there is no store at'],
  ['a file that is no database', () => writeInData('x'.repeat(5000)), 'not a database'],
])('%s', (_, prepare, said) => {
  test.each(ON_RECORDS.map((args) => [args.join(' '), args] as const))(
    '%s: 69, the whole path, and nothing is made',
    async (_, args) => {
      prepare();
      const before = tree();
      const { code, out, err } = await postern(...args);
      expect([code, out]).toEqual([69, '']);
      expect(err).toContain(database);
      expect(err).toContain(said);
      expect(tree()).toEqual(before);
    },
  );
});

describe('password create', () => {
  test('makes the store, and says where', async () => {
    const first = await postern('password', 'create', '--user', 'alice', '--name', 'Phone');
    ledger(first.out.replace(/\s/g, ''));
    expect(first.code).toBe(0);
    expect(first.err).toContain(`note: there was no store at ${database}: a new one was made\n`);
    expect(existsSync(database)).toBe(true);
    const second = await postern('password', 'create', '--user', 'alice', '--name', 'Laptop');
    ledger(second.out.replace(/\s/g, ''));
    expect(second.err).not.toContain('note:');
    expect((await postern('password', 'list')).out).toContain('Laptop');
  });

  test('a request that is no good makes none', async () => {
    const { code } = await postern('password', 'create', '--user', '*', '--name', 'Phone');
    expect([code, existsSync(database)]).toEqual([64, false]);
  });
});

describe('a name that nobody has', () => {
  const NOTE =
    'note: nobody@example.com has no app password, and had none of late: is the name spelt right?\n';
  beforeEach(async () => {
    ledger(
      (await postern('password', 'create', '--user', 'alice', '--name', 'Phone')).out.replace(/\s/g, ''),
    );
  });

  test('is disabled all the same, which is said', async () => {
    const { code, out, err } = await postern('user', 'disable', 'nobody');
    expect({ code, out, err }).toEqual({
      code: 0,
      out: 'disabled nobody@example.com: logins are refused and live sessions end; 0 app passwords kept\n',
      err: NOTE,
    });
    expect(await postern('user', 'disable', 'nobody')).toMatchObject({ code: 0, err: NOTE });
    expect(await postern('user', 'enable', 'nobody')).toMatchObject({ code: 0, err: NOTE });
  });

  test('is not made up by enabling', async () => {
    expect(await postern('user', 'enable', 'nobody')).toMatchObject({ code: 0, err: NOTE });
    expect((await postern('user', 'list', '--json')).out).not.toContain('nobody');
  });

  test('has none to revoke, nor to list', async () => {
    expect(await postern('password', 'revoke', '--user', 'nobody', '--all')).toMatchObject({
      code: 0,
      out: 'revoked 0 app passwords of nobody@example.com\n',
      err: NOTE,
    });
    expect(await postern('password', 'list', '--user', 'nobody')).toMatchObject({ code: 0, err: NOTE });
    expect(await postern('password', 'list', '--user', 'nobody', '--json')).toEqual({
      code: 0,
      out: '[]\n',
      err: NOTE,
    });
  });

  test('is not said of one who has, or had', async () => {
    expect((await postern('user', 'disable', 'alice')).err).toBe('');
    expect((await postern('user', 'enable', 'alice')).err).toBe('');
    expect((await postern('password', 'revoke', '--user', 'alice', '--all')).err).toBe('');
    expect((await postern('user', 'disable', 'alice')).err).toBe('');
    expect((await postern('password', 'list', '--user', 'alice')).err).toBe('');
  });
});

function writeInData(text: string): void {
  mkdirSync(join(dir.path, 'data'));
  writeFileSync(database, text);
}

function tree(): string[] {
  return readdirSync(dir.path, { recursive: true, encoding: 'utf8' }).sort();
}
