// The packages that `npm run dist` makes of this checkout: made once in a run, by whichever test wants them first.

import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './child-process.ts';
import { runDirectory } from './run-directory.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const DONE = join(runDirectory, 'packages');
const PATIENCE = 400_000;

export interface BuiltPackages {
  readonly deb: string;
  readonly tarball: string;
}

/** A test that calls it needs time for it: half a minute on an idle machine. */
export async function builtPackages(): Promise<BuiltPackages> {
  const making = `${DONE}.making`;
  if (!existsSync(DONE)) {
    try {
      mkdirSync(making);
    } catch {
      return waitForOther(Date.now() + PATIENCE);
    }
    const { code, stdout, stderr } = await run(
      process.execPath,
      [join(ROOT, 'src/packaging/main.ts'), '--out', making],
      { patience: PATIENCE },
    );
    if (code !== 0) throw new Error(`npm run dist: exit ${code}\n${stdout}${stderr}`);
    renameSync(making, DONE);
  }
  const file = (end: string) => join(DONE, readdirSync(DONE).find((name) => name.endsWith(end))!);
  return { deb: file('.deb'), tarball: file('.tar.gz') };
}

async function waitForOther(deadline: number): Promise<BuiltPackages> {
  while (!existsSync(DONE)) {
    if (Date.now() > deadline) throw new Error('the test that makes the packages did not finish');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return builtPackages();
}
