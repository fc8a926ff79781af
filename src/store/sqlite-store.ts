// The embedded store: one SQLite file in WAL mode, next to Postern, shared by its processes on one machine.

import type Database from 'better-sqlite3';
import type { Clock } from '../lib/clock.ts';
import { migrate } from './migrate.ts';
import { SqlStore } from './sql-store.ts';
import { connect, createDatabaseFile, queryBuilder, whenFree } from './sqlite-connection.ts';
import { watchRevision } from './sqlite-watch.ts';
import type { Store } from './store.ts';

/**
 * Opens the file, makes it if it is missing, and migrates it. Rejects with ConfigError if a newer Postern made it, with
 * StoreUnavailableError if it cannot be opened, is no database or stays locked.
 */
export async function openSqliteStore(file: string, { clock }: { clock: Clock }): Promise<Store> {
  createDatabaseFile(file);
  const open: Database.Database[] = [];
  const opened = async (durable: boolean): Promise<Database.Database> => {
    const database = await whenFree(clock, () => connect(file, { durable }));
    open.push(database);
    return database;
  };
  const close = async () => {
    // The queries' own transactions are over by now or fail as unavailable: closing does not wait for them.
    for (const database of open) database.close();
  };
  try {
    const durable = queryBuilder(await opened(true));
    await whenFree(clock, () => migrate(durable, clock.now()));
    const quick = queryBuilder(await opened(false));
    const watched = await opened(false);
    const watchers = new Set<() => void>();
    return new SqlStore({
      quick,
      durable,
      whenFree: (work) => whenFree(clock, work),
      watch(changed) {
        const stop = watchRevision(watched, changed);
        watchers.add(stop);
        return () => {
          watchers.delete(stop);
          stop();
        };
      },
      async close() {
        for (const stop of watchers) stop();
        await close();
      },
    });
  } catch (error) {
    await close();
    throw error;
  }
}
