// The keys file: when it is made, and everything that can be wrong with it. Each error stops the start.

import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/lib/errors.ts';
import { parseUser } from '../../../src/lib/user.ts';
import { AppPassword } from '../../../src/passwords/app-password.ts';
import { checkKeys, openKeys } from '../../../src/passwords/keys-file.ts';
import { StoreUnavailableError } from '../../../src/store/store.ts';
import { run } from '../../support/child-process.ts';
import { ledger } from '../../support/secrets-ledger.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

let dir: TempDir;
let file: string;
beforeEach(() => {
  dir = tempDir(0o755);
  file = join(dir.path, 'keys.json');
});
afterEach(() => dir[Symbol.dispose]());

/** A store whose records name these keys, and the check values that it has of them. */
const storeNaming = (...ids: string[]) => storeWith(...ids.map((id) => [id, null] as const));
function storeWith(...named: (readonly [id: string, check: string | null])[]) {
  const checks = new Map(named);
  return {
    checks,
    namedKeys: async () => [...checks].map(([id, check]) => ({ id, check })),
    noteKeyCheck: async (id: string, check: string) => void checks.set(id, checks.get(id) ?? check),
  };
}
const KEY = ledger(Buffer.alloc(32, 7).toString('base64'));
const entry = (id: string, selectorKey = KEY) => ({ id, selectorKey, createdAt: '2026-01-01T00:00:00Z' });
const write = (content: unknown, mode = 0o600) => {
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content), { mode });
  chmodSync(file, mode);
};
/** The error's text, as it reaches the admin. */
async function refusal(...ids: string[]): Promise<string> {
  const error = await openKeys({ file, store: storeNaming(...ids) }).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as Error).message.includes(KEY)).toBe(false);
  return (error as Error).message;
}

describe('made when it is missing and the store is empty', () => {
  test('mode 0600, one key of 32 bytes, nothing left beside it', async () => {
    const keys = await openKeys({ file, store: storeNaming() });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const content = JSON.parse(readFileSync(file, 'utf8'));
    expect(content.keys).toHaveLength(1);
    const [key] = content.keys;
    expect(Buffer.from(ledger(key.selectorKey), 'base64')).toHaveLength(32);
    expect(key.id).toMatch(/^[0-9a-f]{16}$/);
    expect(keys.current).toBe(key.id);
    expect(readdirSync(dir.path)).toEqual(['keys.json']);
  });

  test('in a directory that is made for it, mode 0700', async () => {
    file = join(dir.path, 'a', 'b', 'keys.json');
    await openKeys({ file, store: storeNaming() });
    expect(statSync(join(dir.path, 'a', 'b')).mode & 0o777).toBe(0o700);
  });

  test('once: the next start reads the same', async () => {
    const one = await openKeys({ file, store: storeNaming() });
    const two = await openKeys({ file, store: storeNaming(one.current) });
    expect(two.ids).toEqual(one.ids);
  });

  test('of eight processes that make it at once, all end with the same keys', async () => {
    const script = join(import.meta.dirname, '..', '..', 'support', 'open-keys.ts');
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, () => run(process.execPath, [script, file])),
    );
    const ids = outcomes.map((outcome) => outcome.stdout.trim());
    expect(ids[0]).toMatch(/^[0-9a-f]{16}$/);
    expect(new Set(ids).size).toBe(1);
    expect(readdirSync(dir.path)).toEqual(['keys.json']);
  });

  test('a process that made it, and a record, in between is no error', async () => {
    const store = {
      ...storeNaming(),
      namedKeys: async () => {
        write({ keys: [entry('0123456789abcdef')] });
        return [{ id: '0123456789abcdef', check: null }];
      },
    };
    expect((await openKeys({ file, store })).current).toBe('0123456789abcdef');
  });
});

test('the first key is for new records, all are for look-ups', async () => {
  const other = ledger(Buffer.alloc(32, 9).toString('base64'));
  write({ keys: [entry('22222222', other), entry('11111111')] });
  const keys = await openKeys({ file, store: storeNaming('11111111') });
  const user = parseUser('alice@example.com')!;
  const password = new AppPassword('abcdefghijkmnpqr');
  expect(keys.currentSelector(user, password).keyId).toBe('22222222');
  expect(keys.selectors(user, password).map((selector) => selector.keyId)).toEqual(['22222222', '11111111']);
});

test('a link to it, as container platforms mount secrets, is followed', async () => {
  mkdirSync(join(dir.path, 'real'));
  writeFileSync(join(dir.path, 'real', 'k'), JSON.stringify({ keys: [entry('11111111')] }), { mode: 0o400 });
  symlinkSync(join(dir.path, 'real', 'k'), file);
  expect((await openKeys({ file, store: storeNaming() })).current).toBe('11111111');
});

describe('the check values that the store has of its keys', () => {
  const OTHER = ledger(Buffer.alloc(32, 9).toString('base64'));
  const checkOf = async (selectorKey: string) => {
    write({ keys: [entry('11111111', selectorKey)] });
    return (await openKeys({ file, store: storeNaming() })).checkOf('11111111')!;
  };

  test('are 64 bits that depend on the whole key, and the same at each start', async () => {
    expect(await checkOf(KEY)).toMatch(/^[0-9a-f]{16}$/);
    expect(await checkOf(KEY)).toBe(await checkOf(KEY));
    const bytes = Buffer.alloc(32, 7);
    for (const at of [0, 31]) {
      const changed = Buffer.from(bytes);
      changed[at] = 8;
      expect(await checkOf(ledger(changed.toString('base64')))).not.toBe(await checkOf(KEY));
    }
  });

  test('stop a start with other bytes under the same id: which file, which key, what to do', async () => {
    const store = storeWith(['11111111', await checkOf(KEY)], ['22222222', null]);
    write({ keys: [entry('22222222'), entry('11111111', OTHER)] });
    const says = `${file}: the selectorKey of key 11111111 is not the one that app passwords in the store were made with, and every one of them would be refused; restore the keys file that belongs to this store from a backup`;
    for (const open of [openKeys, checkKeys]) {
      const error = await open({ file, store }).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as Error).message).toBe(says);
    }
    // What is wrong with the file says nothing for the rest of it.
    expect(store.checks.get('22222222')).toBeNull();
  });

  test('name every key that has changed', async () => {
    const check = await checkOf(KEY);
    write({ keys: [entry('11111111', OTHER), entry('22222222', OTHER)] });
    await expect(
      openKeys({ file, store: storeWith(['11111111', check], ['22222222', check]) }),
    ).rejects.toThrow('the selectorKey of keys 11111111, 22222222 is not');
  });

  test('are noted at a start where the store has none, and by nobody who only looks', async () => {
    const check = await checkOf(KEY);
    write({ keys: [entry('22222222', OTHER), entry('11111111')] });
    const store = storeNaming('11111111');
    await checkKeys({ file, store });
    expect(store.checks).toEqual(new Map([['11111111', null]]));
    await openKeys({ file, store });
    // Of a key that no record names, the first record that does will note it.
    expect(store.checks).toEqual(new Map([['11111111', check]]));
    await openKeys({ file, store });
    write({ keys: [entry('11111111', OTHER)] });
    await expect(openKeys({ file, store })).rejects.toThrow(ConfigError);
  });

  test('that cannot be noted now keep nobody from starting', async () => {
    write({ keys: [entry('11111111')] });
    const noteKeyCheck = () => Promise.reject(new StoreUnavailableError('the disk is full'));
    const keys = await openKeys({ file, store: { ...storeNaming('11111111'), noteKeyCheck } });
    expect(keys.current).toBe('11111111');
  });
});

describe('stops the start when', () => {
  test('it is missing while the store holds records', async () => {
    expect(await refusal('11111111')).toMatch(/keys file is missing, and the store holds app passwords/);
    expect(readdirSync(dir.path)).toEqual([]);
  });

  test.each([0o640, 0o604, 0o644, 0o620, 0o602, 0o660, 0o666, 0o777])('its mode is %o', async (mode) => {
    write({ keys: [entry('11111111')] }, mode);
    expect(await refusal()).toMatch(/can be read or written by others \(mode 0\d{3}\); chmod 0600/);
  });

  test('it belongs to another store', async () => {
    write({ keys: [entry('11111111')] });
    expect(await refusal('11111111', '33333333')).toMatch(
      /belongs to another store, or a key was removed.*33333333/,
    );
  });

  test('its user may not read it', async () => {
    write({ keys: [entry('11111111')] }, 0o000);
    const script = join(import.meta.dirname, '..', '..', 'support', 'open-keys.ts');
    // Root reads everything, so this must be somebody else.
    const identity = process.geteuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const outcome = await run(process.execPath, [script, file], identity);
    expect(outcome.stderr).toMatch(/ConfigError.*keys file cannot be read \(EACCES\)/);
    expect(outcome.code).toBe(1);
  });

  test('its directory may not be written', async () => {
    const closed = join(dir.path, 'closed');
    mkdirSync(closed, { mode: 0o555 });
    const script = join(import.meta.dirname, '..', '..', 'support', 'open-keys.ts');
    const identity = process.geteuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const outcome = await run(process.execPath, [script, join(closed, 'keys.json')], identity);
    expect(outcome.stderr).toMatch(/ConfigError.*keys file cannot be made \(EACCES\)/);
  });

  test('it is a directory', async () => {
    mkdirSync(file, { mode: 0o700 });
    expect(await refusal()).toMatch(/is not a file/);
  });

  test('it is a FIFO, without waiting for a writer', async () => {
    await run('mkfifo', ['-m', '600', file]);
    expect(await refusal()).toMatch(/is not a file/);
  });

  test('it is larger than keys could be', async () => {
    write(' '.repeat(70_000));
    expect(await refusal()).toMatch(/too large/);
  });

  test.each([
    ['empty', ''],
    ['cut off', `{"keys":[{"id":"11111111","selectorKey":"${KEY}"`],
    ['binary', '\u0000\u0001\u0002'],
  ])('it is %s', async (_, text) => {
    write(text);
    expect(await refusal()).toMatch(/is not JSON/);
  });

  test.each<[string, unknown, RegExp]>([
    ['a number', 5, /malformed at the whole/],
    ['null', null, /malformed at the whole/],
    ['without keys', { keys: [] }, /malformed at keys/],
    [
      'a key of 31 bytes',
      { keys: [entry('11111111', Buffer.alloc(31, 7).toString('base64'))] },
      /keys\.0\.selectorKey/,
    ],
    [
      'a key of 33 bytes',
      { keys: [entry('11111111', Buffer.alloc(33, 7).toString('base64'))] },
      /keys\.0\.selectorKey/,
    ],
    [
      'a key in base64 with junk',
      { keys: [entry('11111111', `${KEY.slice(0, 20)} ${KEY.slice(20)}`)] },
      /keys\.0\.selectorKey/,
    ],
    ['a key that is a number', { keys: [{ ...entry('11111111'), selectorKey: 7 }] }, /keys\.0\.selectorKey/],
    ['a short id', { keys: [entry('1234567')] }, /keys\.0\.id/],
    ['an id with a comma', { keys: [entry('1234567,89')] }, /keys\.0\.id/],
    ['two keys of one id', { keys: [entry('11111111'), entry('11111111')] }, /malformed at keys/],
    ['no date', { keys: [{ id: '11111111', selectorKey: KEY }] }, /keys\.0\.createdAt/],
    ['something unknown beside', { keys: [entry('11111111')], more: 1 }, /malformed at the whole/],
  ])('it holds %s', async (_, content, message) => {
    write(content);
    expect(await refusal()).toMatch(message);
  });
});
