// Step 1: what a client typed, and who that is.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalise } from '../../../src/gate/canonicalise.ts';
import { parseDnTemplate } from '../../../src/lib/distinguished-name.ts';
import { parseUser } from '../../../src/lib/user.ts';

const NAMES = {
  defaultDomain: 'example.com',
  netbiosDomains: { EXAMPLE: 'example.com', 'OLD-CO': 'old.example' },
};

test.each([
  ['alice', 'alice@example.com'],
  ['Alice', 'alice@example.com'],
  ['alice@example.com', 'alice@example.com'],
  ['alice@EXAMPLE.com', 'alice@example.com'],
  ['alice@example.org', 'alice@example.org'],
  ['EXAMPLE\\alice', 'alice@example.com'],
  ['example\\Alice', 'alice@example.com'],
  ['Old-Co\\bob.b', 'bob.b@old.example'],
])('%s is %s', (login, user) => {
  expect(canonicalise(login, NAMES)).toBe(user);
});

describe('is nobody', () => {
  test.each([
    ['nothing', ''],
    ['a domain alone', '@example.com'],
    ['a NetBIOS domain alone', 'EXAMPLE\\'],
    ['an unknown NetBIOS domain', 'OTHER\\alice'],
    ['no NetBIOS domain', '\\alice'],
    ['a property of every object', '__proto__\\alice'],
    ['another one', 'constructor\\alice'],
    ['two backslashes', 'EXAMPLE\\\\alice'],
    ['a backslash in the name', 'EXAMPLE\\al\\ice'],
    ['both ways at once', 'EXAMPLE\\alice@example.org'],
    ['both ways, the other way round', 'alice@example.org\\EXAMPLE'],
    ['a NetBIOS domain with a dotless i', 'OTHER\u0131\\alice'],
    ['a NetBIOS domain in fullwidth', 'ＥＸＡＭＰＬＥ\\alice'],
    ['a fullwidth backslash', 'EXAMPLE＼alice'],
    ['a master separator', 'alice*postern'],
    ['a master separator behind the domain', 'alice@example.com*postern'],
    ['quotes', '"alice"'],
    ['quotes and an @', '"alice@example.org"@example.com'],
    ['a DN', 'uid=alice,dc=example,dc=com'],
    ['CR LF', 'alice\r\na LOGOUT'],
    ['NUL', 'alice\0'],
    ['a space behind it', 'alice '],
    ['the Kelvin sign', 'mi\u212ae'],
    ['a dotless i', 'al\u0131ce'],
    ['fullwidth letters', 'ａｌｉｃｅ'],
    ['a megabyte', 'a'.repeat(1_000_000)],
    ['a megabyte of backslashes', '\\'.repeat(1_000_000)],
  ])('%s', (_, login) => {
    expect(canonicalise(login, NAMES)).toBeUndefined();
  });

  test('a bare name where there is no default domain', () => {
    const names = { ...NAMES, defaultDomain: null };
    expect(canonicalise('alice', names)).toBeUndefined();
    expect(canonicalise('EXAMPLE\\alice', names)).toBe('alice@example.com');
    expect(canonicalise('alice@example.com', names)).toBe('alice@example.com');
  });
});

test('a look-alike of a NetBIOS domain is not that domain', () => {
  const names = { defaultDomain: null, netbiosDomains: { SALES: 'example.com', ADMIN: 'example.com' } };
  expect(canonicalise('sales\\alice', names)).toBe('alice@example.com');
  expect(canonicalise('\u017fales\\alice', names)).toBeUndefined();
  expect(canonicalise('adm\u0131n\\alice', names)).toBeUndefined();
});

test('a canonical user is itself when it is typed, and no login throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (login) => {
      const user = canonicalise(login, NAMES);
      if (user !== undefined) expect(canonicalise(user, NAMES)).toBe(user);
    }),
    { numRuns: 2000 },
  );
});

describe('distinguished names', () => {
  const names = {
    ...NAMES,
    dnTemplates: [
      parseDnTemplate('uid={local},ou=people,dc=example,dc=com')!,
      parseDnTemplate('cn={user},ou=mail,dc=example,dc=com')!,
      parseDnTemplate('uid={local},ou={domain},o=hosting')!,
    ],
    dns: { 'cn=nextcloud,ou=services,dc=example,dc=com': parseUser('nextcloud@example.com')! },
  };

  test.each([
    ['uid=alice,ou=people,dc=example,dc=com', 'alice@example.com'],
    ['UID=Alice, OU=People, DC=Example, DC=COM', 'alice@example.com'],
    ['uid=\\61lice,ou=people,dc=example,dc=com', 'alice@example.com'],
    ['cn=bob@example.org,ou=mail,dc=example,dc=com', 'bob@example.org'],
    ['uid=carol,ou=example.net,o=hosting', 'carol@example.net'],
    ['CN=Nextcloud,ou=services, dc=example,dc=com', 'nextcloud@example.com'],
  ])('%s is %s', (login, user) => {
    expect(canonicalise(login, names)).toBe(user);
  });

  test.each([
    ['an asterisk', 'uid=*,ou=people,dc=example,dc=com'],
    ['an escaped asterisk', 'uid=\\2a,ou=people,dc=example,dc=com'],
    ['a filter', 'uid=alice)(uid=*,ou=people,dc=example,dc=com'],
    ['NUL', 'uid=alice\0,ou=people,dc=example,dc=com'],
    ['an escaped NUL', 'uid=alice\\00,ou=people,dc=example,dc=com'],
    ['a comma', 'uid=alice\\,bob,ou=people,dc=example,dc=com'],
    ['an escaped comma', 'uid=alice\\2C,ou=people,dc=example,dc=com'],
    ['a backslash', 'uid=alice\\\\,ou=people,dc=example,dc=com'],
    ['a quote', 'uid=\\"alice\\",ou=people,dc=example,dc=com'],
    ['quotes', 'uid="alice",ou=people,dc=example,dc=com'],
    ['two values', 'uid=alice+cn=bob,ou=people,dc=example,dc=com'],
    ['not UTF-8', 'uid=alice\\ff,ou=people,dc=example,dc=com'],
    ['an @ in the local part', 'uid=alice@example.org,ou=people,dc=example,dc=com'],
    ['a replacement character', 'uid=alic\ufffd,ou=people,dc=example,dc=com'],
    ['another place', 'uid=alice,ou=services,dc=example,dc=com'],
    ['a place below', 'uid=alice,ou=x,ou=people,dc=example,dc=com'],
    ['the place itself', 'ou=people,dc=example,dc=com'],
    ['a property of every object', '__proto__=x'],
    ['an equals sign behind a domain', 'EXAMPLE\\a=b'],
  ])('nobody: %s', (_, login) => {
    expect(canonicalise(login, names)).toBeUndefined();
  });

  test('without a default domain, a local part alone is nobody', () => {
    const without = { ...names, defaultDomain: null };
    expect(canonicalise('uid=alice,ou=people,dc=example,dc=com', without)).toBeUndefined();
    expect(canonicalise('uid=carol,ou=example.net,o=hosting', without)).toBe('carol@example.net');
  });
});
