// Which glibc native code needs: the newest of the versions of symbols that it names (in an ELF file's table of strings they
// stand as GLIBC_2.28).

import { readFileSync } from 'node:fs';

/** `2.28`. */
export function newestGlibc(files: readonly string[]): string {
  const versions = files.flatMap((file) =>
    [...readFileSync(file, 'latin1').matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [
      Number(major),
      Number(minor),
    ]),
  );
  const newest = versions.sort(([a = 0, b = 0], [c = 0, d = 0]) => c - a || d - b)[0];
  if (newest === undefined) throw new Error('no native code of glibc’s is among the files');
  return newest.join('.');
}
