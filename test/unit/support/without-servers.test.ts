// `npm run test:quick` is for any machine: what is in test/unit and test/protocol starts no program from Debian, not by its support
// either. A test that needs one belongs into test/e2e.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { DEBIAN_PACKAGES } from '../../support/debian-packages.ts';
import { sourceFacts } from '../../support/module-imports.ts';

const TEST = join(import.meta.dirname, '..', '..');
// Every Debian has script(1), whose name is also that of many other things.
const programs = DEBIAN_PACKAGES.map(({ program }) => program)
  .filter((program) => program !== 'script')
  .map((program) => `'${program}'`);

/** The file, and all of test/ that it imports. */
function reached(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file) || !file.startsWith(TEST)) return seen;
  seen.add(file);
  for (const specifier of sourceFacts(file, readFileSync(file, 'utf8')).imports) {
    if (specifier.startsWith('.')) reached(resolve(dirname(file), specifier), seen);
  }
  return seen;
}

/** The files that name such a program. */
function starting(files: Iterable<string>): string[] {
  // The list itself starts nothing.
  const others = [...files].filter((file) => !file.endsWith('debian-packages.ts'));
  return others
    .filter((file) => programs.some((program) => readFileSync(file, 'utf8').includes(program)))
    .map((file) => relative(TEST, file));
}

test('unit and protocol tests start no program from Debian', () => {
  const files = ['unit', 'protocol'].flatMap((part) =>
    readdirSync(join(TEST, part), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => join(TEST, part, name)),
  );
  const all = new Set<string>();
  for (const file of files) reached(file, all);
  expect(starting(all)).toEqual([]);
  // It would be seen.
  expect(starting(reached(join(TEST, 'e2e', 'redis-throttle.test.ts')))).toEqual(['support/redis.ts']);
});
