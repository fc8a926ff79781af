// The compiled program has the portal's templates and static files beside it: the compiler does not carry them.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempDir } from '../../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

test('the build copies whatever of the portal is no TypeScript', () => {
  using dir = tempDir();
  symlinkSync(join(ROOT, 'src'), join(dir.path, 'src'));
  const { build } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).scripts;
  // What it does after the compiler.
  execFileSync('sh', ['-c', build.split('tsconfig.build.json && ')[1]], { cwd: dir.path });
  const files = (directory: string) =>
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.ts'))
      .map((entry) => entry.name)
      .sort();
  const wanted = files(join(ROOT, 'src', 'portal'));
  expect(wanted.length).toBeGreaterThan(10);
  expect(files(join(dir.path, 'dist', 'portal'))).toEqual(wanted);
});
