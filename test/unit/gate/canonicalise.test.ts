// Step 1: what a client typed, and who that is.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalise, isSelf, spelling } from '../../../src/gate/canonicalise.ts';
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

test.each([
  ['spaces', 'alice@example.com ', '  alice'],
  ['TAB', 'alice\t', '\tEXAMPLE\\alice'],
  ['no-break space', 'alice\u00a0', '\u00a0alice@example.com', '\u202falice\u202f'],
  ['a figure, en, em, thin or ideographic space', 'alice\u2007\u2002\u2003\u2009\u3000'],
  ['what is shown as nothing', '\ufeffalice\u200b', 'alice\u00ad', '\u2060alice\u200e'],
])('%s around a name is none of it', (_, ...logins) => {
  for (const login of logins) expect(canonicalise(login, NAMES)).toBe('alice@example.com');
});

test('white space around a name that only a directory knows makes no other name of it, to count guesses by', () => {
  for (const typed of ['smith', ' smith', 'smith\u200b', '\ufeffsmith\u00a0', 'smith\t', '\u00adsmith']) {
    expect(spelling(typed)).toBe('smith');
  }
  expect(spelling('\u200bcn=Smith, dc=example\u00a0')).toBe(spelling('cn=smith,dc=example'));
});

test('a megabyte of white space is nobody, at once', () => {
  expect(canonicalise(' '.repeat(1_000_000), NAMES)).toBeUndefined();
  expect(canonicalise(`a${' '.repeat(500_000)}b${'\u00a0'.repeat(500_000)}`, NAMES)).toBeUndefined();
});

describe('an authorization identity', () => {
  const names = { ...NAMES, dnTemplates: [parseDnTemplate('uid={local},ou=people,dc=example,dc=com')!] };
  test.each([
    ['', 'whoever'],
    [' ', 'alice'],
    ['alice', 'alice'],
    ['ALICE', 'alice'],
    ['alice@example.com', 'alice'],
    ['EXAMPLE\\alice', 'alice@EXAMPLE.com '],
    ['u:alice', 'alice'],
    ['U:alice@example.com', 'alice'],
    ['dn:uid=alice,ou=people,dc=example,dc=com', 'alice'],
    ['u:alice', 'UID=alice, ou=people, dc=example, dc=com'],
    ['dn:cn=only a directory knows', 'CN = Only a  directory knows'],
  ])('%s is no other than %s', (authorizationId, login) => {
    expect(isSelf(authorizationId, login, names)).toBe(true);
  });

  test.each([
    ['bob', 'alice'],
    ['alice@example.org', 'alice'],
    ['alice', 'alice@example.org'],
    ['*', 'alice'],
    ['alice', ''],
    ['nobody*x', 'nobody*y'],
    ['al\u200bice', 'alice'],
    ['u:u:alice', 'alice'],
    ['dn:uid=bob,ou=people,dc=example,dc=com', 'alice'],
    ['alice', 'cn=only a directory knows'],
    ['alice\n', 'alice'],
  ])('%s is another than %s', (authorizationId, login) => {
    expect(isSelf(authorizationId, login, names)).toBe(false);
  });
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
    ['a space within it', 'ali ce'],
    ['a space within the domain', 'alice@ example.com'],
    ['a line end behind it', 'alice\n'],
    ['white space alone', ' \t\u00a0'],
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
    ['\u00a0uid=alice,ou=people,dc=example,dc=com\t', 'alice@example.com'],
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
    ['an escaped space at its end', 'ou=people,dc=example,uid=alice\\ '],
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
