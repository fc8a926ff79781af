// Which files an open SQLite database is, so that it is noticed when they are no longer the ones at its path: deleted,
// renamed, or replaced by a copy. SQLite does not notice; it would go on in files that nobody else sees.

import { type BigIntStats, rmSync, statSync } from 'node:fs';

/** The device and inode of the database, of its log of writes and of that log's index; undefined where there is no file. */
export interface FileIdentity {
  readonly database: string | undefined;
  readonly wal: string | undefined;
  readonly shm: string | undefined;
}

/** What is at the path now. A file that may not be looked at counts as absent. */
export function identityOf(file: string): FileIdentity {
  return { database: inodeOf(file), wal: inodeOf(`${file}-wal`), shm: inodeOf(`${file}-shm`) };
}

/** `gone`: nothing is at the path. `replaced`: something else is, or the log of writes is not the one in use. */
export function compareIdentity(opened: FileIdentity, now: FileIdentity): 'same' | 'gone' | 'replaced' {
  if (now.database === undefined) return 'gone';
  const isSame = now.database === opened.database && now.wal === opened.wal && now.shm === opened.shm;
  return isSame ? 'same' : 'replaced';
}

/**
 * Takes the old database's log of writes from beside a database that replaced it: SQLite would play it into the new one
 * and corrupt it. Call it while the old one is still open, since inodes are used again.
 */
export function removeStaleLog(file: string, opened: FileIdentity): void {
  const now = identityOf(file);
  if (now.database === opened.database) return;
  // The other thread does the same at the same time.
  if (now.wal !== undefined && now.wal === opened.wal) rmSync(`${file}-wal`, { force: true });
  if (now.shm !== undefined && now.shm === opened.shm) rmSync(`${file}-shm`, { force: true });
}

function inodeOf(path: string): string | undefined {
  let stat: BigIntStats | undefined;
  try {
    stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
}
