// The compiled program has the portal's templates and static files beside it: the compiler does not carry them.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { carry, ROOT } from '../../../src/packaging/compile.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('the build copies whatever of the portal is no TypeScript', () => {
  using dir = tempDir();
  carry(dir.path);
  const files = (directory: string) =>
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.ts'))
      .map((entry) => entry.name)
      .sort();
  const wanted = files(join(ROOT, 'src', 'portal'));
  expect(wanted.length).toBeGreaterThan(10);
  expect(files(join(dir.path, 'portal'))).toEqual(wanted);
});
