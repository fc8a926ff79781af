// From the config's `store.url` to a store. What is not needed is not loaded: a command has the database in its own thread,
// the running program in threads beside it.

import { statSync } from 'node:fs';
import type { Clock } from '../lib/clock.ts';
import { ConfigError } from '../lib/errors.ts';
import type { RestoredStore, StoreCopy } from './backup.ts';
import type { StoreOptions } from './sqlite-store.ts';
import { type Store, StoreUnavailableError, type UnwatchedStore } from './store.ts';

/** How long a call tries while the database is locked, in milliseconds. */
const PATIENCE = 5000;

/**
 * For the running program: the event loop waits for no disk and no lock. `sqlite:/absolute/path`; `onChange` hears when the
 * store stops to work, and when it works again. Rejects with ConfigError for another URL or a database of a newer Postern,
 * with StoreUnavailableError if it cannot be opened.
 */
export async function openStore(url: string, options: StoreOptions): Promise<Store> {
  const file = sqliteFile(url);
  const { openSqliteStore } = await import('./sqlite-store.ts');
  return openSqliteStore(file, options);
}

/** There is nothing at the store's place, or an empty file. */
export class NoStoreError extends StoreUnavailableError {
  /** Where it would be, an absolute path. */
  readonly place: string;

  constructor(place: string) {
    super(`there is no store at ${place}`);
    this.place = place;
  }
}

/**
 * For a command that does one thing and ends: as `openStore`, in this thread. Unless it is to be made if it is missing, rejects with
 * NoStoreError then: an empty store would say that nobody has anything.
 */
export async function openStoreOnce(
  url: string,
  { clock, mode = 'create' }: { readonly clock: Clock; readonly mode?: 'create' | 'existing' },
): Promise<UnwatchedStore> {
  const file = sqliteFile(url);
  if (mode === 'existing' && isAbsent(file)) throw new NoStoreError(file);
  const { SqliteDatabase } = await import('./sqlite-database.ts');
  const deadline = () => clock.monotonic() + PATIENCE;
  try {
    const { store } = await SqliteDatabase.open(file, { role: 'writer', mode, clock, deadline });
    return store;
  } catch (error) {
    if (!(error instanceof StoreUnavailableError) || error.message.includes(file)) throw error;
    const { message, code } = error;
    throw new StoreUnavailableError(`${message}: ${file}`, { cause: error, code });
  }
}

/** What may not be looked at counts as there: opening it says why not. */
function isAbsent(file: string): boolean {
  try {
    return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0;
  } catch {
    return false;
  }
}

/** To look at what is there, see look.ts: makes and changes nothing. null if there is no store yet. */
export async function openStoreToRead(
  url: string,
  { clock }: { clock: Clock },
): Promise<UnwatchedStore | null> {
  const file = sqliteFile(url);
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return null;
  const { lookAt } = await import('./look.ts');
  return lookAt(file, { clock, deadline: () => clock.monotonic() + PATIENCE });
}

/** See backup.ts. Rejects with ConfigError, too, if the URL is no file's. */
export async function backUpStore(url: string, target: string): Promise<StoreCopy> {
  const file = sqliteFile(url);
  const { backUp } = await import('./backup.ts');
  return backUp(file, target);
}

/** See backup.ts. */
export async function restoreStore(url: string, source: string, at: Date): Promise<RestoredStore> {
  const file = sqliteFile(url);
  const { restore } = await import('./backup.ts');
  return restore(source, file, at);
}

function sqliteFile(url: string): string {
  const file = /^sqlite:(?:\/\/(?=\/))?(\/.+)$/s.exec(url)?.[1];
  if (file === undefined || file.includes('\0')) {
    throw new ConfigError(
      'store.url: not a store that this version knows; it would be sqlite:/path/to/postern.db',
    );
  }
  return file;
}
