// A look at a store by a command that makes and changes nothing. It sees what a start would have: the tables of an older version are
// brought up to date in a copy, in memory.

import { closeSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { Clock } from '../lib/clock.ts';
import { migrate, schemaOf } from './migrate.ts';
import { SqlStore } from './sql-store.ts';
import { queryBuilder, whenFree } from './sqlite-connection.ts';
import { StoreUnavailableError, type UnwatchedStore } from './store.ts';

/**
 * null if there are no tables yet. Rejects with ConfigError if a newer Postern made it, with StoreUnavailableError if it cannot be opened,
 * is no database or stays locked. `deadline`: until when to try while it is locked, on the monotonic clock; asked at each call.
 */
export async function lookAt(
  file: string,
  { clock, deadline }: { readonly clock: Clock; readonly deadline: () => number },
): Promise<UnwatchedStore | null> {
  const database = await whenFree(clock, deadline(), () => openToRead(file, clock));
  if (database === null) return null;
  const queries = queryBuilder(database);
  return new SqlStore({
    quick: queries,
    durable: queries,
    whenFree: (work) => whenFree(clock, deadline(), work),
    close: async () => void database.close(),
  });
}

async function openToRead(file: string, clock: Clock): Promise<Database.Database | null> {
  const database = new Database(file, { timeout: 0, fileMustExist: true });
  try {
    database.pragma('query_only = ON');
    database.pragma('trusted_schema = OFF');
    const schema = await schemaOf(queryBuilder(database));
    if (schema === 'current') return database;
    const copy = schema === 'older' ? await migratedCopy(database, clock.now()) : null;
    if (schema === 'older') checkWritable(file);
    database.close();
    return copy;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The database as it is after its migration, in memory. `at`: now, milliseconds since the epoch. */
export async function migratedCopy(database: Database.Database, at: number): Promise<Database.Database> {
  const content = database.serialize();
  // There is no log of writes in memory: the versions of the format that say there is one have to go
  // (https://www.sqlite.org/c3ref/deserialize.html).
  content[18] = 1;
  content[19] = 1;
  const copy = new Database(content);
  await migrate(queryBuilder(copy), at);
  return copy;
}

/** By opening it: access(2) would ask for the real user, not the effective one. */
function checkWritable(file: string): void {
  try {
    closeSync(openSync(file, 'r+'));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StoreUnavailableError(`the store cannot be brought up to date: ${file} (${code})`, { cause });
  }
}
