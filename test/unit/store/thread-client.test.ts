// One store thread: what it says, when it ends, and when it says nothing.

import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigError } from '../../../src/lib/errors.ts';
import { DatabaseMovedError } from '../../../src/store/database-moved.ts';
import { StoreUnavailableError } from '../../../src/store/store.ts';
import { ThreadClient } from '../../../src/store/thread-client.ts';
import { fromFailure, toFailure } from '../../../src/store/thread-messages.ts';
import { PATIENCE } from '../../support/patience.ts';
import { NO_LIMITS, newRecord } from '../../support/records.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

let dir: TempDir;
let thread: ThreadClient;
beforeEach(() => {
  dir = tempDir();
  // Long enough for a thread to start on a busy machine.
  thread = new ThreadClient('writer', () => {}, { grace: PATIENCE });
});
afterEach(async () => {
  await thread.terminate();
  dir[Symbol.dispose]();
});

const file = () => join(dir.path, 'a.db');
const open = () => thread.ask({ kind: 'open', file: file(), mode: 'create', patience: 0 });
const create = () =>
  thread.ask({ kind: 'call', call: 'create', args: [newRecord(), NO_LIMITS], patience: 0 });

test('answers in order, once it has a database open', async () => {
  await expect(create()).rejects.toThrow('the database is not open');
  await open();
  expect(await Promise.all([create(), create()])).toEqual(['created', 'created']);
});

test('a thread that ends leaves nobody waiting, and the next request starts another', async () => {
  await open();
  const asked = Promise.allSettled(Array.from({ length: 50 }, create));
  await thread.terminate();
  const outcomes = await asked;
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(failed.length).toBeGreaterThan(0);
  for (const { reason } of failed) expect(reason).toBeInstanceOf(StoreUnavailableError);
  await open();
  expect(await create()).toBe('created');
});

test('a thread that says nothing is given up, and until it speaks nothing more is asked of it', async () => {
  await open();
  await thread.terminate();
  const database = new Database(file());
  const insert = database.prepare(
    `insert into records (id, user_name, name, key_id, selector, hash, networks, created_at, revoked_at)
     values (?, 'a@example.com', 'x', ?, ?, 'x', '', 1, 1)`,
  );
  database.transaction(() => {
    for (let n = 0; n < 200_000; n++) insert.run(`ap_${n}`, `key${n}`, n % 65_536);
  })();
  database.close();
  thread = new ThreadClient('writer', () => {}, { grace: 100 });
  await open();
  // Long work stands in for a disk that hangs.
  const purge = thread.ask({ kind: 'call', call: 'purge', args: [{ before: 2, keep: 0 }], patience: 0 });
  await expect(purge).rejects.toThrow('the store does not answer: its disk may hang');
  // Before anything could come from the thread.
  const soon = new Promise((resolve) => setImmediate(resolve, 'it waits'));
  const turnedAway = create().catch((error: unknown) => error);
  expect(await Promise.race([turnedAway, soon])).toBeInstanceOf(StoreUnavailableError);
  await expect.poll(open).toBeUndefined();
  await expect.poll(() => create().catch(String)).toBe('created');
});

test('errors keep their kind on the way', () => {
  const back = (error: unknown) => fromFailure(structuredClone(toFailure(error)));
  const full = back(new StoreUnavailableError('full', { code: 'SQLITE_FULL', cause: new Error('x') }));
  expect(full).toBeInstanceOf(StoreUnavailableError);
  expect(full).toMatchObject({ message: 'full', code: 'SQLITE_FULL' });
  const gone = back(new DatabaseMovedError('gone'));
  expect(gone).toBeInstanceOf(DatabaseMovedError);
  expect(gone).toMatchObject({ how: 'gone' });
  expect(back(new ConfigError(['a', 'b']))).toMatchObject({ name: 'ConfigError', messages: ['a', 'b'] });
  const bug = back(new TypeError('no such function'));
  expect(bug).not.toBeInstanceOf(StoreUnavailableError);
  expect(bug).toMatchObject({ message: 'no such function', stack: expect.stringContaining('.test.ts') });
  expect(back('not an error')).toMatchObject({ message: 'not an error' });
});
