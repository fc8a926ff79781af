// `postern store backup` and `restore`: on the real program, while it runs and while it does not, and with what could stand in the
// place of a backup.

import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PosternWithStore, startPosternWithStore } from '../support/postern-with-store.ts';
import { tempDir } from '../support/temp-dir.ts';

let setting: PosternWithStore;
let first: { id: string; password: string };
const dir = tempDir();
const backup = join(dir.path, 'backup.db');
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

beforeAll(async () => {
  setting = await startPosternWithStore();
  first = await setting.make('alice@example.com');
});
afterAll(async () => {
  await setting[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

const cli = (...args: string[]) => setting.postern.cli(args);
/** What is beside the store; the log of writes, the socket and so on aside. */
const records = (file: string): string[] => {
  const database = new Database(file, { readonly: true });
  try {
    return database.prepare('select id from records order by id').pluck().all() as string[];
  } finally {
    database.close();
  }
};

describe('backup, while Postern runs', () => {
  test('is one whole file, closed to others, of the data directory’s owner', async () => {
    if (isRoot) chownSync(dirname(setting.file), NOBODY, NOBODY);
    const { code, stdout, stderr } = await cli('store', 'backup', backup, '--json');
    if (isRoot) chownSync(dirname(setting.file), 0, 0);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ file: backup, appPasswords: 1 });
    expect(stderr).toMatch(/^note: the keys file .*keys\.json is not in it/);
    const { mode, uid } = statSync(backup);
    expect((mode & 0o777).toString(8)).toBe('600');
    if (isRoot) expect(uid).toBe(NOBODY);
    for (const end of ['-wal', '-shm', '-journal']) expect(existsSync(backup + end)).toBe(false);
    expect(records(backup)).toEqual([first.id]);
  });

  test('has what is still in the log of writes only, and goes on while others write', async () => {
    const other = join(dir.path, 'other.db');
    const made = Promise.all(Array.from({ length: 3 }, () => setting.make('bob@example.com')));
    const { code } = await cli('store', 'backup', other);
    await made;
    expect(code).toBe(0);
    expect(records(other)).toContain(first.id);
  });

  test('a file that is there stays as it is: 1', async () => {
    const there = join(dir.path, 'precious');
    writeFileSync(there, 'mine');
    const { code, stderr } = await cli('store', 'backup', there);
    expect([code, readFileSync(there, 'utf8')]).toEqual([1, 'mine']);
    expect(stderr).toContain('is there already');
    symlinkSync(join(dir.path, 'nowhere'), join(dir.path, 'link'));
    expect((await cli('store', 'backup', join(dir.path, 'link'))).code).toBe(1);
    expect(existsSync(join(dir.path, 'nowhere'))).toBe(false);
  });

  test('a directory that is not there, or is no directory: 1, in one line', async () => {
    for (const target of [join(dir.path, 'no/such/b.db'), join(backup, 'b.db')]) {
      const { code, stderr } = await cli('store', 'backup', target);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^postern: [^\n]*\n$/);
    }
  });
});

test('restore while Postern runs is refused: 1', async () => {
  const { code, stderr } = await cli('store', 'restore', backup);
  expect(code).toBe(1);
  expect(stderr).toContain('a Postern is running');
});

describe('restore, while Postern does not run', () => {
  let before: string[];
  beforeAll(async () => {
    await setting.postern.stop();
    before = records(setting.file);
    expect(before.length).toBe(4);
  });

  test.each([
    ['no file', () => join(dir.path, 'none.db')],
    ['a directory', () => mkdirSync(join(dir.path, 'folder/in'), { recursive: true })!],
    ['some text', () => file('text', 'x'.repeat(5000))],
    ['an empty file', () => file('empty', '')],
    ['another program’s database', () => foreign('create table notes (text)')],
    [
      'a newer Postern’s',
      () =>
        foreign(
          "create table migrations (name text, applied_at int); insert into migrations values ('999-new', 0)",
        ),
    ],
    ['a damaged one', () => damaged()],
    ['the store itself', () => setting.file],
  ])('%s is refused, and nothing has changed', async (_, source) => {
    const { code, stderr } = await cli('store', 'restore', source());
    expect(code).toBe(1);
    expect(stderr).toMatch(/^postern: [^\n]*\n$/);
    expect(records(setting.file)).toEqual(before);
  });

  test('another process that has the store open: refused', async () => {
    const other = new Database(setting.file);
    other.pragma('journal_mode = WAL');
    other.prepare('select count(*) from records').get();
    const { code, stderr } = await cli('store', 'restore', backup);
    other.close();
    expect(code).toBe(1);
    expect(stderr).toContain('in use by another process');
    expect(records(setting.file)).toEqual(before);
  });

  test('what was there is kept, and the app passwords are those of the backup', async () => {
    chmodSync(backup, 0o644);
    const { code, stdout, stderr } = await cli('store', 'restore', backup, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const answer = JSON.parse(stdout);
    expect(answer).toEqual({
      file: backup,
      appPasswords: 1,
      before: expect.stringContaining(`${setting.file}.before-`),
    });
    expect(records(setting.file)).toEqual([first.id]);
    expect(records(answer.before)).toEqual(before);
    expect((statSync(setting.file).mode & 0o777).toString(8)).toBe('600');
    expect((await cli('check-config')).stdout).not.toContain('postern.db');
    expect(JSON.parse((await cli('password', 'list', '--json')).stdout)).toHaveLength(1);
  });

  test('in the place of a store that is damaged, or missing', async () => {
    writeFileSync(setting.file, 'no database any more');
    expect((await cli('store', 'restore', backup)).code).toBe(0);
    expect(records(setting.file)).toEqual([first.id]);
  });

  test('without its keys file it says so', async () => {
    const keys = join(setting.postern.directory, 'keys.json');
    const kept = readFileSync(keys);
    writeFileSync(
      keys,
      JSON.stringify({
        keys: [
          {
            id: 'aaaaaaaaaaaaaaaa',
            selectorKey: Buffer.alloc(32, 1).toString('base64'),
            createdAt: '2026-01-01T00:00:00Z',
          },
        ],
      }),
    );
    const { code, stderr } = await cli('store', 'restore', backup);
    writeFileSync(keys, kept);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^note: before Postern starts: .*keys\.json: /);
  });
});

function file(name: string, text: string): string {
  writeFileSync(join(dir.path, name), text);
  return join(dir.path, name);
}

function foreign(sql: string): string {
  const path = join(dir.path, `foreign-${sql.length}.db`);
  const database = new Database(path);
  database.exec(sql);
  database.close();
  return path;
}

/** Its first page is whole, a later one is not. */
function damaged(): string {
  const path = join(dir.path, 'damaged.db');
  const bytes = readFileSync(backup);
  bytes.fill(0xff, 4096 * 2, 4096 * 8);
  writeFileSync(path, bytes);
  return path;
}
