// One connection to an SQLite file. It never waits inside SQLite for another process's lock, which would stop the event
// loop: a locked database answers at once, and `whenFree` tries again a little later.

import { closeSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  Kysely,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { Clock } from '../lib/clock.ts';
import { createPrivateFile, makePrivateDirectory, syncDirectory } from '../lib/ownership.ts';
import type { Schema } from './schema.ts';
import { StoreUnavailableError } from './store.ts';

const LONGEST_PAUSE = 25;

/** Primary result codes that say nothing about the query: the database cannot serve now. */
const UNAVAILABLE =
  /^SQLITE_(BUSY|LOCKED|PROTOCOL|IOERR|FULL|CORRUPT|READONLY|CANTOPEN|NOTADB|NOMEM|PERM|SCHEMA)(_|$)/;
/** Those that another process's lock leads to, and that pass. */
const LOCKED = /^SQLITE_(BUSY|LOCKED|PROTOCOL)(_|$)/;
/** What a file says that was emptied under the running process: it was migrated when it was opened. */
const EMPTIED = /^no such (table|column): /;

/**
 * Runs `work`, and again with short pauses while the database is locked, until `deadline` (on the monotonic clock); once
 * at least. `work` must be whole: a statement or a transaction. Rejects with StoreUnavailableError for what is the
 * database's fault, with the cause.
 */
export async function whenFree<T>(clock: Clock, deadline: number, work: () => T | Promise<T>): Promise<T> {
  for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    try {
      return await work();
    } catch (error) {
      const code = sqliteCode(error);
      if (code === undefined) throw error;
      if (!LOCKED.test(code) || clock.monotonic() + pause > deadline) throw unavailable(code, error);
      await sleep(pause);
    }
  }
}

/** The code of an error that is the database's fault, undefined for one that is ours. */
function sqliteCode(error: unknown): string | undefined {
  if (!(error instanceof Database.SqliteError)) return undefined;
  return UNAVAILABLE.test(error.code) || EMPTIED.test(error.message) ? error.code : undefined;
}

function unavailable(code: string, cause: unknown): StoreUnavailableError {
  const what = LOCKED.test(code)
    ? 'the store is locked by another process'
    : `the store does not answer: ${(cause as Error).message}`;
  return new StoreUnavailableError(`${what} (${code})`, { cause, code });
}

/** Makes the file, its directory too, if it is missing: mode 0600, of the directory's owner. */
export function createDatabaseFile(file: string): void {
  try {
    makePrivateDirectory(dirname(file));
    // SQLite gives -wal and -shm the mode and, as root, the owner of this file.
    closeSync(createPrivateFile(file));
    syncDirectory(dirname(file));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    throw new StoreUnavailableError(`the store cannot be made: ${file} (${code})`, { cause });
  }
}

/**
 * Opens a file that exists. With `durable`, what was committed survives a loss of power (synchronous FULL); without,
 * the last commits may be lost then, but never the database's integrity (NORMAL, WAL).
 */
export function connect(file: string, { durable }: { durable: boolean }): Database.Database {
  const database = new Database(file, { timeout: 0, fileMustExist: true });
  try {
    database.pragma('journal_mode = WAL');
    database.pragma(`synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
    database.pragma('foreign_keys = ON');
    database.pragma('trusted_schema = OFF');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Kysely over one connection: statements are prepared once, transactions take the write lock at their start. */
export function queryBuilder(database: Database.Database): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: new WriteFirstSqliteDialect(database) });
}

class WriteFirstSqliteDialect implements Dialect {
  readonly #database: Database.Database;

  constructor(database: Database.Database) {
    this.#database = database;
  }

  createDriver(): SqliteDriver {
    return new WriteFirstSqliteDriver(this.#database);
  }
  createAdapter(): SqliteAdapter {
    return new SqliteAdapter();
  }
  createQueryCompiler(): SqliteQueryCompiler {
    return new SqliteQueryCompiler();
  }
  createIntrospector(db: Kysely<unknown>): SqliteIntrospector {
    return new SqliteIntrospector(db);
  }
}

/** A transaction that reads first and then writes would fail if another process wrote in between. */
class WriteFirstSqliteDriver extends SqliteDriver {
  readonly #database: Database.Database;

  constructor(database: Database.Database) {
    super({ database: new PreparedStatements(database) });
    this.#database = database;
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  /** A full disk or an I/O error has rolled back already; a second rollback would hide that error behind its own. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#database.inTransaction) await super.rollbackTransaction(connection);
  }
}

/** Keeps prepared statements by their text; queries are few, and those that vary in length vary within bounds. */
class PreparedStatements implements SqliteDatabase {
  readonly #database: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();

  constructor(database: Database.Database) {
    this.#database = database;
  }

  prepare(text: string): ReturnType<SqliteDatabase['prepare']> {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.#database.prepare(text);
      if (this.#statements.size >= 200) this.#statements.clear();
      this.#statements.set(text, statement);
    }
    return statement as unknown as ReturnType<SqliteDatabase['prepare']>;
  }

  close(): void {
    this.#database.close();
  }
}
