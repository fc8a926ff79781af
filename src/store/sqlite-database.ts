// An SQLite database as one thread has it open, with the store's queries on it. It looks at its files before each piece
// of work, and after each write: what is written to a file that was deleted is lost.

import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type Database from 'better-sqlite3';
import type { Clock } from '../lib/clock.ts';
import { DatabaseMovedError } from './database-moved.ts';
import { appliedMigrations, migrate } from './migrate.ts';
import { RevisionWatch } from './revision.ts';
import { SqlStore } from './sql-store.ts';
import { connect, createDatabaseFile, queryBuilder, whenFree } from './sqlite-connection.ts';
import { compareIdentity, type FileIdentity, identityOf, removeStaleLog } from './sqlite-file.ts';
import { StoreUnavailableError } from './store.ts';

/** Bytes that have to be free on the disk before it counts as not full any more. */
const ROOM = 1_048_576;

export interface OpenOptions {
  /** A reader has one connection that cannot write; a writer has two, see sql-store.ts, and migrates. */
  readonly role: 'reader' | 'writer';
  /**
   * `create`: a missing file is made. `existing`: there must be a database that was a store of Postern's before. An
   * empty file would mean that everyone is refused, and nobody asked for that.
   */
  readonly mode: 'create' | 'existing';
  readonly clock: Clock;
  /** Until when to try while it is locked, on the monotonic clock; asked at each call. */
  readonly deadline: () => number;
}

export class SqliteDatabase {
  readonly store: SqlStore;
  readonly #file: string;
  readonly #clock: Clock;
  readonly #deadline: () => number;
  readonly #connections: readonly Database.Database[];
  readonly #identity: FileIdentity;
  readonly #revision: RevisionWatch | undefined;

  /**
   * Rejects with ConfigError if a newer Postern made it, with StoreUnavailableError if it cannot be opened, is no database
   * or stays locked.
   */
  static async open(file: string, options: OpenOptions): Promise<SqliteDatabase> {
    const { role, mode, clock, deadline } = options;
    const until = deadline();
    if (mode === 'create') createDatabaseFile(file);
    const connections: Database.Database[] = [];
    try {
      const { database: inode } = identityOf(file);
      if (inode === undefined) throw new DatabaseMovedError('gone');
      await whenFree(clock, until, () => connections.push(connect(file, { durable: false })));
      const quick = connections[0] as Database.Database;
      if (role === 'writer') {
        await whenFree(clock, until, () => connections.push(connect(file, { durable: true })));
        const durable = queryBuilder(connections[1] as Database.Database);
        await whenFree(clock, until, () => prepareTables(durable, mode, clock));
      } else {
        quick.pragma('query_only = ON');
      }
      const revision =
        role === 'reader' ? await whenFree(clock, until, () => watchRevision(quick)) : undefined;
      const identity = identityOf(file);
      if (identity.database !== inode) throw new DatabaseMovedError('replaced');
      return new SqliteDatabase({ file, clock, deadline, connections, identity, revision });
    } catch (error) {
      for (const connection of connections) connection.close();
      throw error;
    }
  }

  private constructor(opened: {
    file: string;
    clock: Clock;
    deadline: () => number;
    connections: readonly Database.Database[];
    identity: FileIdentity;
    revision: RevisionWatch | undefined;
  }) {
    this.#file = opened.file;
    this.#clock = opened.clock;
    this.#deadline = opened.deadline;
    this.#connections = opened.connections;
    this.#identity = opened.identity;
    this.#revision = opened.revision;
    const [quick, durable] = this.#connections.map(queryBuilder);
    const isWriter = durable !== undefined;
    this.store = new SqlStore({
      quick: quick as NonNullable<typeof quick>,
      durable: (durable ?? quick) as NonNullable<typeof quick>,
      whenFree: (work) =>
        whenFree(this.#clock, this.#deadline(), async () => {
          this.checkFiles();
          const result = await work();
          if (isWriter) this.checkFiles();
          return result;
        }),
      close: async () => this.#close(),
    });
  }

  /** Throws DatabaseMovedError if the files that are open are not the ones at the path. */
  checkFiles(): void {
    const is = compareIdentity(this.#identity, identityOf(this.#file));
    if (is !== 'same') throw new DatabaseMovedError(is);
  }

  /** Whether something was revoked since the last look, by whatever process. */
  async look(): Promise<boolean> {
    return whenFree(this.#clock, this.#deadline(), () => {
      this.checkFiles();
      return this.#revision?.look() ?? false;
    });
  }

  /** Does what a call of this thread's kind needs: reads, or writes without changing anything. */
  async probe(): Promise<void> {
    await whenFree(this.#clock, this.#deadline(), () => {
      this.checkFiles();
      const [quick, durable] = this.#connections;
      if (durable === undefined) {
        quick?.prepare('select revision from revision').get();
      } else {
        this.#checkRoom();
        // There and back: SQLite does not write what does not change.
        const add = durable.prepare('update revision set revision = revision + ?');
        durable.transaction(() => [add.run(1), add.run(-1)]).immediate();
      }
    });
  }

  /**
   * Reads the whole database; rejects with StoreUnavailableError if it is damaged. Through a connection of its own: one that
   * is in use has pages in memory.
   */
  async check(): Promise<void> {
    const verdict = await whenFree(this.#clock, this.#deadline(), () => {
      this.checkFiles();
      const fresh = connect(this.#file, { durable: false });
      try {
        return fresh.pragma('quick_check(1)', { simple: true });
      } finally {
        fresh.close();
      }
    });
    if (verdict === 'ok') return;
    throw new StoreUnavailableError(`the database is damaged: ${verdict}`, { code: 'SQLITE_CORRUPT' });
  }

  /** On a full disk a small write may still fit where a large one does not. */
  #checkRoom(): void {
    const { bavail, bsize } = statfsSync(dirname(this.#file));
    if (bavail * bsize >= ROOM) return;
    throw new StoreUnavailableError('the disk is full', { code: 'SQLITE_FULL' });
  }

  #close(): void {
    try {
      removeStaleLog(this.#file, this.#identity);
    } finally {
      for (const connection of this.#connections) connection.close();
    }
  }
}

async function prepareTables(
  durable: ReturnType<typeof queryBuilder>,
  mode: OpenOptions['mode'],
  clock: Clock,
): Promise<void> {
  if (mode === 'existing' && (await appliedMigrations(durable)).length === 0) {
    throw new StoreUnavailableError(
      'the database file was replaced by one that is no store of Postern: restore it, or restart to begin anew',
    );
  }
  await migrate(durable, clock.now());
}

function watchRevision(database: Database.Database): RevisionWatch {
  const watch = new RevisionWatch(database);
  watch.look();
  return watch;
}
