// Directories that vanish with the test. In the system's temporary directory and not in the project, because unprivileged
// daemons must be able to enter them, and because the path of a Unix socket has 108 bytes at most.

import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { temporaryPrefix } from './run-directory.ts';

export interface TempDir extends Disposable {
  readonly path: string;
}

const live = new Set<string>();
process.on('exit', () => {
  for (const path of live) remove(path);
});

/** `mode` 0o755 lets an unprivileged daemon enter it. */
export function tempDir(mode = 0o700): TempDir {
  const path = mkdtempSync(temporaryPrefix);
  live.add(path);
  chmodSync(path, mode);
  return { path, [Symbol.dispose]: () => remove(path) };
}

function remove(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
  live.delete(path);
}
