// Hearing of other connections' revocations through an SQLite file. `PRAGMA data_version` changes with every commit of
// another connection and costs microseconds; the revision tells revocations from the notes of last use.

import type Database from 'better-sqlite3';

/** Milliseconds between two looks for revocations and at the files: a session ends within a second. */
export const LOOK_INTERVAL = 200;

export class RevisionWatch {
  readonly #version: Database.Statement;
  readonly #revision: Database.Statement;
  #lastVersion: unknown;
  #lastRevision: unknown;

  /** `database` is a connection that writes nothing: its own commits would not show. */
  constructor(database: Database.Database) {
    this.#version = database.prepare('pragma data_version').pluck();
    this.#revision = database.prepare('select revision from revision').pluck();
  }

  /** Whether something was revoked since the last look that succeeded; the first one says yes. Throws SQLite's errors. */
  look(): boolean {
    const version = this.#version.get();
    if (version === this.#lastVersion) return false;
    const revision = this.#revision.get();
    // Only after both were read: a failure is looked at again.
    this.#lastVersion = version;
    const isNews = revision !== this.#lastRevision;
    this.#lastRevision = revision;
    return isNews;
  }
}
