// A store copied whole to another file, and back. Both ways by SQLite's own backup, which reads one state of the database whatever
// is written meanwhile; both look through the copy before anything is called by its name.

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fchownSync,
  fsyncSync,
  linkSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { RefusedError } from '../lib/errors.ts';
import { createPrivateFile, makePrivateDirectory, syncDirectory } from '../lib/ownership.ts';
import { namedKeys } from './key-queries.ts';
import { migratedCopy } from './look.ts';
import { schemaOf } from './migrate.ts';
import { connect, queryBuilder } from './sqlite-connection.ts';
import { type NamedKey, StoreUnavailableError } from './store.ts';

export interface StoreCopy {
  /** App passwords in it, revoked ones too. */
  readonly appPasswords: number;
  /** The keys that they were made with. */
  readonly keys: readonly NamedKey[];
}

export interface RestoredStore extends StoreCopy {
  /** Where the store that was there is now; null if there was none. */
  readonly before: string | null;
}

/**
 * Copies the store in `file` to `target`, mode 0600, owned like the store's directory. Rejects with StoreUnavailableError if there is
 * no sound store, with RefusedError if something is at `target` already, which stays.
 */
export async function backUp(file: string, target: string): Promise<StoreCopy> {
  const owner = ownerOf(dirname(file));
  if (existsSync(target)) throw taken(target);
  return whole(file, target, owner, unavailable, (copy) => {
    try {
      linkSync(copy, target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw taken(target);
      throw error;
    }
  });
}

/**
 * Puts the store in `source` in the place of the one in `file`, which is kept beside it. Rejects with RefusedError if `source` is no sound store of this or an older Postern, or if a process has `file` open.
 */
export async function restore(source: string, file: string, at: Date): Promise<RestoredStore> {
  makePrivateDirectory(dirname(file));
  if (isSameFile(source, file)) {
    throw new RefusedError(`${source} is the store itself`);
  }
  let before: string | null = null;
  const refuse = (why: string, cause: unknown) => new RefusedError(`${source}: ${why}`, { cause });
  const found = await whole(source, file, ownerOf(dirname(file)), refuse, (copy) => {
    if (existsSync(file)) {
      settle(file);
      before = `${file}.before-${at.toISOString().replace(/[:.]/g, '-')}`;
      for (const end of ['-wal', '-shm']) {
        if (existsSync(`${file}${end}`)) renameSync(`${file}${end}`, `${before}${end}`);
      }
      // And not renamed: at no time is there nothing.
      linkSync(file, before);
    }
    renameSync(copy, file);
  });
  return { ...found, before };
}

/** An inode number alone says nothing: a backup on another file system may have the store's. */
function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

type Refusal = (why: string, cause: unknown) => Error;

const unavailable: Refusal = (why, cause) =>
  new StoreUnavailableError(`the store cannot be copied: ${why}`, { cause });
const taken = (target: string) =>
  new RefusedError(`${target} is there already; give another name, or move it away`);

/** Copies `from` beside `to`, looks through the copy and hands it to `use`; it does not last otherwise. */
async function whole(
  from: string,
  to: string,
  owner: { uid: number; gid: number },
  refusal: Refusal,
  use: (copy: string) => void,
): Promise<StoreCopy> {
  const copy = join(dirname(to), `.${basename(to)}.${randomBytes(6).toString('hex')}`);
  try {
    await copyDatabase(from, copy, owner, refusal);
    const found = await lookThrough(copy, refusal);
    use(copy);
    syncDirectory(dirname(to));
    return found;
  } finally {
    // Not by `force` alone: that would still stumble over a directory that is none.
    for (const end of ['', '-journal', '-wal', '-shm'])
      if (existsSync(`${copy}${end}`)) rmSync(`${copy}${end}`);
  }
}

async function copyDatabase(
  from: string,
  copy: string,
  { uid, gid }: { uid: number; gid: number },
  refusal: Refusal,
): Promise<void> {
  let descriptor: number;
  try {
    descriptor = createPrivateFile(copy);
  } catch (error) {
    throw new RefusedError(
      `${dirname(copy)}: no file can be made there (${(error as NodeJS.ErrnoException).code})`,
    );
  }
  try {
    if (process.geteuid?.() === 0) fchownSync(descriptor, uid, gid);
    const source = new Database(from, { readonly: true, fileMustExist: true, timeout: 5000 });
    try {
      // All pages in one step: with more, another process that writes would begin it anew each time.
      await source.backup(copy, { progress: () => 2 ** 30 });
    } finally {
      source.close();
    }
    fsyncSync(descriptor);
  } catch (error) {
    throw refusal((error as Error).message, error);
  } finally {
    closeSync(descriptor);
  }
}

/** It is one file afterwards, without a log of writes beside it. */
async function lookThrough(copy: string, refusal: Refusal): Promise<StoreCopy> {
  let database: Database.Database | undefined;
  try {
    database = new Database(copy, { fileMustExist: true });
    database.pragma('journal_mode = DELETE');
    const [first] = database.pragma('integrity_check(1)') as { integrity_check: string }[];
    if (first?.integrity_check !== 'ok') {
      throw new Error(`it is damaged: ${first?.integrity_check.replaceAll('\n', ' ')}`);
    }
    const schema = await schemaOf(queryBuilder(database));
    if (schema === 'none') throw new Error('it is no store of Postern');
    const count = database.prepare('select count(*) from records').pluck().get();
    const migrated = schema === 'older' ? await migratedCopy(database, 0) : undefined;
    const keys = await namedKeys(queryBuilder(migrated ?? database));
    migrated?.close();
    return { appPasswords: Number(count), keys };
  } catch (error) {
    throw refusal((error as Error).message, error);
  } finally {
    database?.close();
  }
}

/**
 * Throws RefusedError if another process has the database open; otherwise what is in its log of writes is in the file itself
 * afterwards. One that cannot be opened at all is left as it is: it is why somebody restores.
 */
function settle(file: string): void {
  let database: Database.Database;
  try {
    database = connect(file, { durable: true });
  } catch (error) {
    if (/^SQLITE_(BUSY|LOCKED)/.test((error as { code?: string }).code ?? '')) throw inUse(file);
    return;
  }
  try {
    // Everyone who has it open holds a shared lock as long as that lasts (https://sqlite.org/wal.html#use_of_wal_without_shared_memory).
    database.pragma('locking_mode = EXCLUSIVE');
    database.exec('begin exclusive; commit');
  } catch (error) {
    if (/^SQLITE_(BUSY|LOCKED)/.test((error as { code?: string }).code ?? '')) throw inUse(file);
  } finally {
    database.close();
  }
}

const inUse = (file: string) =>
  new RefusedError(`${file} is in use by another process: stop Postern, and whatever else has it open`);

function ownerOf(directory: string): { uid: number; gid: number } {
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (stat === undefined)
    throw new StoreUnavailableError(`the store cannot be copied: there is no ${directory}`);
  return stat;
}
