// The configurations of docs/ldap.md are right, and its numbers are those of the program.

import { expect, test } from 'vitest';
import { parseConfig } from '../../../src/config/config.ts';
import { configWarnings } from '../../../src/config/warnings.ts';
import { canonicalise } from '../../../src/gate/canonicalise.ts';
import { NOT_PASSED } from '../../../src/protocols/ldap/controls.ts';
import { fenced, read, section } from './markdown.ts';

const configIn = (heading: string) =>
  parseConfig(fenced(section(read('docs/ldap.md'), heading), 'yaml')[0]!, {
    file: '/etc/postern/postern.yaml',
    env: {},
    readFile: () => ({ content: Buffer.from('a service password\n'), mode: 0o640 }),
  });

test('before slapd', () => {
  const config = configIn('## Before slapd');
  expect(configWarnings(config)).toEqual([]);
  const who = (login: string) => canonicalise(login, config.users);
  expect(who('uid=alice,ou=people,dc=example,dc=com')).toBe('alice@example.com');
  expect(who('cn=nextcloud,ou=services,dc=example,dc=com')).toBe('nextcloud@example.com');
  expect(who('EXAMPLE\\alice')).toBe('alice@example.com');
});

test('before Active Directory', () => {
  const config = configIn('## Before Active Directory');
  expect(configWarnings(config)).toEqual([]);
  expect(config.upstreams['active-directory']).toMatchObject({ login: { method: 'bind' } });
  expect(config.users.directory).toMatchObject({ upstream: 'active-directory', timeout: 1000 });
});

test('the controls that are not passed on are those of the table', () => {
  const rows = section(read('docs/ldap.md'), '## Controls and extended operations')
    .split('\n')
    .filter((line) => line.includes('| not passed on |'));
  const told = rows.flatMap((row) => row.match(/\b\d+(?:\.\d+){5,}\b/g) ?? []);
  expect(told.sort()).toEqual([...NOT_PASSED.keys()].sort());
  for (const [oid, name] of NOT_PASSED) {
    const [row = ''] = rows.filter((line) => line.includes(oid));
    expect(row.toLowerCase()).toContain(
      name
        .replace(/[,(].*/, '')
        .trim()
        .toLowerCase(),
    );
  }
});
