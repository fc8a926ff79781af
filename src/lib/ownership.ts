// Who owns the files that Postern makes. An admin runs `postern password create` as root while the service runs as a
// user of its own: what such a command makes must belong to whoever owns the data directory, or the service could not
// read it.

import { closeSync, constants, fchownSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Makes a directory and its missing parents, mode 0700, owned like the nearest one that was there. */
export function makePrivateDirectory(directory: string): void {
  const missing: string[] = [];
  let nearest = resolve(directory);
  while (statSync(nearest, { throwIfNoEntry: false }) === undefined && dirname(nearest) !== nearest) {
    missing.unshift(nearest);
    nearest = dirname(nearest);
  }
  for (const path of missing) {
    // Recursive only so that another process that makes it at the same time is no error.
    if (mkdirSync(path, { recursive: true, mode: 0o700 }) === undefined || !isRoot()) continue;
    const { uid, gid } = statSync(nearest);
    giveDirectory(path, uid, gid);
  }
}

/** By its descriptor: who owns the directory around it can put a link to something else in its place, which root must not give away. */
function giveDirectory(path: string, uid: number, gid: number): void {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    fchownSync(descriptor, uid, gid);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Makes an empty file, mode 0600, that belongs to its directory's owner, and gives its descriptor, open for writing.
 * Throws the system's error, EEXIST if it is there.
 */
export function createPrivateFile(path: string): number {
  const descriptor = openSync(path, 'wx', 0o600);
  if (isRoot()) {
    const { uid, gid } = statSync(dirname(path));
    fchownSync(descriptor, uid, gid);
  }
  return descriptor;
}

/** Makes a directory's entries last: a file that was synced is lost with its name if this is not. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}
