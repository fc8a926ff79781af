// Runs after all other tests: nothing secret is in anything that the suite or a program in it has logged or printed.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { logDirectory, runDirectory } from '../support/run-directory.ts';
import { leaksIn, notedSecrets, Wanted } from '../support/secrets-ledger.ts';

const files = readdirSync(logDirectory, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(runDirectory, join(entry.parentPath, entry.name)));

test('there are secrets to search for, and logs of Postern and of the servers behind it to search', () => {
  expect(notedSecrets().length).toBeGreaterThan(3);
  for (const program of ['postern', 'dovecot']) {
    const logs = files.filter((file) => file.startsWith(join('logs', program)));
    expect(logs.length, `logs of ${program}`).toBeGreaterThan(0);
    const bytes = logs.reduce((sum, file) => sum + readFileSync(join(runDirectory, file)).length, 0);
    expect(bytes, `bytes in the logs of ${program}`).toBeGreaterThan(1000);
  }
});

test('no log has any secret that a test used, in any dress', () => {
  const wanted = new Wanted(notedSecrets());
  const leaks = files.flatMap((file) =>
    leaksIn(file, readFileSync(join(runDirectory, file), 'latin1'), wanted),
  );
  expect(leaks).toEqual([]);
});
