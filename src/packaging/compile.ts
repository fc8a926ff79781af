// `npm run build`: the program as JavaScript in dist/, with what the compiler does not carry. The package and the bench compile
// into directories of their own.

import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..', '..');

/** Parts of src/ that are no TypeScript. */
const CARRIED = ['portal/views', 'portal/static'];

/** Compiles src/ into `directory`, in place of what was there. Throws if the compiler finds a mistake, which it prints. */
export function compile(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  execFileSync(
    process.execPath,
    [
      join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'),
      '-p',
      'tsconfig.build.json',
      '--outDir',
      directory,
    ],
    { cwd: ROOT, stdio: 'inherit' },
  );
  carry(directory);
}

/** Copies what the compiler leaves behind. */
export function carry(directory: string): void {
  for (const part of CARRIED) cpSync(join(ROOT, 'src', part), join(directory, part), { recursive: true });
}

if (import.meta.main) compile(join(ROOT, 'dist'));
