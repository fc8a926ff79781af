// Debian packages that exclude others which are installed: unpacked beside the system, under node_modules, so that only the tests know
// of them.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'postern-tests');

/** `apt-get` in a directory; false if it failed, in its own words. */
export type AptGet = (args: readonly string[], directory: string) => boolean;

/** The root of what was unpacked under this name, whether it is there or not. */
export function unpackedRoot(name: string): string {
  return join(CACHE, name);
}

/**
 * Downloads and unpacks what is not there yet, and keeps the packages beside it in `packages`. Needs no root; false if it could not
 * be done.
 */
export function unpackPackages(name: string, packages: readonly string[], aptGet: AptGet): boolean {
  const target = unpackedRoot(name);
  if (existsSync(target)) return true;
  mkdirSync(dirname(target), { recursive: true });
  // Renamed when it is complete: an interrupted run leaves nothing that looks like the whole.
  const aside = mkdtempSync(`${target}-`);
  try {
    const root = join(aside, 'root');
    const downloads = join(aside, 'packages');
    mkdirSync(root);
    mkdirSync(downloads);
    if (!aptGet(['download', ...packages], downloads)) return false;
    for (const file of readdirSync(downloads)) {
      const { status } = spawnSync('dpkg-deb', ['--extract', join(downloads, file), root], {
        stdio: 'inherit',
      });
      if (status !== 0) return false;
    }
    renameSync(downloads, join(root, 'packages'));
    renameSync(root, target);
    return true;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}
