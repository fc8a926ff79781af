// docs/clients.md says which clients the tests run, in which version, and where.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { codes, ROOT, read, table } from './markdown.ts';

const rows = table(read('docs/clients.md'));

test.each(rows.map((row) => [row[0]!, row] as const))(
  '%s stands in the tests that are named',
  (client, row) => {
    const [, , , , run, tests] = row;
    expect(run).toMatch(/^20\d\d-[01]\d$/);
    expect(codes(tests!)).not.toEqual([]);
    for (const file of codes(tests!)) expect(readFileSync(join(ROOT, file), 'utf8'), file).toContain(client);
  },
);

test('those from npm have the version that package.json asks for', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json'));
  const fromNpm = rows.filter(([client]) => client! in { ...dependencies, ...devDependencies });
  expect(fromNpm.map(([client]) => client)).toEqual(['imapflow', 'nodemailer', 'ldapts', 'ldapjs']);
  for (const [client, version] of fromNpm) {
    expect(version, client).toBe({ ...dependencies, ...devDependencies }[client!]);
  }
});
