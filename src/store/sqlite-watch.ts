// Hearing of other processes' revocations through an SQLite file. `PRAGMA data_version` changes with every commit of
// another connection and costs microseconds; the revision tells revocations from the notes of last use.

import type Database from 'better-sqlite3';

/** Milliseconds between two looks. */
const INTERVAL = 200;

/**
 * `database` is a connection that nothing else uses: its own commits would not show. Errors are left to those who read
 * records; what was missed shows at the next look that succeeds.
 */
export function watchRevision(database: Database.Database, changed: () => void): () => void {
  const readVersion = database.prepare('pragma data_version').pluck();
  const readRevision = database.prepare('select revision from revision').pluck();
  let version: unknown;
  let revision: unknown;
  let first = true;
  const look = () => {
    try {
      const newVersion = readVersion.get();
      if (newVersion === version) return;
      const newRevision = readRevision.get();
      // Only after both were read: a failure is looked at again.
      version = newVersion;
      const news = newRevision !== revision && !first;
      revision = newRevision;
      if (!news) return;
    } catch {
      return;
    }
    changed();
  };
  look();
  // If not even the first look succeeded, the first that does counts as news.
  first = false;
  const timer = setInterval(look, INTERVAL);
  timer.unref();
  return () => clearInterval(timer);
}
