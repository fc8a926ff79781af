// Names of entries: what is read, what is not, and that a template and what it gives are each other's inverse.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  dnKey,
  fillDnTemplate,
  formatDn,
  isWithin,
  matchDnTemplate,
  parseDn,
  parseDnTemplate,
  userFields,
} from '../../../src/lib/distinguished-name.ts';
import { parseUser } from '../../../src/lib/user.ts';

test.each([
  ['uid=alice,dc=example', ['uid', 'alice'], ['dc', 'example']],
  ['UID = alice , DC= Example', ['uid', 'alice'], ['dc', 'Example']],
  ['cn=Smith\\, Alice,dc=x', ['cn', 'Smith, Alice'], ['dc', 'x']],
  ['cn=Smith\\2C Alice,dc=x', ['cn', 'Smith, Alice'], ['dc', 'x']],
  ['cn=Ren\\c3\\A9,dc=x', ['cn', 'René'], ['dc', 'x']],
  ['cn=René,dc=x', ['cn', 'René'], ['dc', 'x']],
  ['cn=\\ a\\ ,dc=x', ['cn', ' a '], ['dc', 'x']],
  ['cn=😀\\#,dc=x', ['cn', '😀#'], ['dc', 'x']],
  ['2.5.4.3=alice,dc=x', ['2.5.4.3', 'alice'], ['dc', 'x']],
  ['cn=a=b,dc=x', ['cn', 'a=b'], ['dc', 'x']],
])('%s', (text, ...rdns) => {
  expect(parseDn(text)?.map(({ type, value }) => [type, value])).toEqual(rdns);
});

test('the empty name has no RDNs', () => {
  expect(parseDn('')).toEqual([]);
  expect(parseDn('  ')).toEqual([]);
});

test.each([
  'alice',
  'uid',
  'uid=',
  '=alice',
  'uid=alice,',
  ',uid=alice',
  'uid=alice,,dc=x',
  'uid=a+cn=b,dc=x',
  'uid="alice",dc=x',
  'uid=alice;dc=x',
  'uid=<a>',
  'uid=#0405616c696365',
  'uid=a\\',
  'uid=a\\zz',
  'uid=a\\4',
  'uid=a\\00b',
  'uid=a\0b',
  'uid=a\\0Ab',
  'uid=\\ff\\fe',
  'uid=\\c3',
  'uid=\ufffd',
  'u_d=alice',
  `uid=${'a'.repeat(1000)}`,
  'a=b,'.repeat(60),
])('%j is no name that is compared', (text) => {
  expect(parseDn(text)).toBeUndefined();
});

test('case and space make no other name, an escape makes none either', () => {
  const key = (text: string) => dnKey(parseDn(text)!);
  expect(key('CN=Nextcloud , OU=Services,dc=X')).toBe(key('cn=next\\63loud,ou=services,dc=x'));
  expect(key('cn=a  b')).toBe(key('cn=A B'));
  expect(key('cn=a\\,dc=x')).not.toBe(key('cn=a,dc=x'));
});

test('an entry is below another, or not', () => {
  const within = (dn: string, base: string) => isWithin(parseDn(dn)!, parseDn(base)!);
  expect(within('uid=a,OU=people,dc=x', 'ou=People, dc=x')).toBe(true);
  expect(within('ou=people,dc=x', 'ou=people,dc=x')).toBe(true);
  expect(within('uid=a,dc=x', '')).toBe(true);
  expect(within('dc=x', 'ou=people,dc=x')).toBe(false);
  expect(within('uid=a\\,ou=people,dc=x', 'ou=people,dc=x')).toBe(false);
});

describe('templates', () => {
  test.each(['uid={local}', 'uid={user},dc=x', 'uid={local},dc={domain},dc=x'])('%s', (text) => {
    expect(parseDnTemplate(text)?.text).toBe(text);
  });
  test.each([
    'uid=alice',
    'dc={domain}',
    'uid={local}x',
    'uid={local},cn={local}',
    'uid={login}',
    '{local}',
    '',
  ])('not %s', (text) => {
    expect(parseDnTemplate(text)).toBeUndefined();
  });

  const template = parseDnTemplate('uid={local},ou={domain},ou=people,dc=x')!;

  test.each([
    ['UID=Alice,OU=example.com,ou=People, dc=X', { local: 'Alice', domain: 'example.com' }],
    ['uid=a\\,b,ou=d,ou=people,dc=x', { local: 'a,b', domain: 'd' }],
  ])('%s fits', (dn, fields) => {
    expect(matchDnTemplate(template, parseDn(dn)!)).toEqual(fields);
  });
  test.each([
    'uid=alice,ou=people,dc=x',
    'cn=alice,ou=d,ou=people,dc=x',
    'uid=alice,ou=d,ou=person,dc=x',
    '',
  ])('%j does not', (dn) => {
    expect(matchDnTemplate(template, parseDn(dn)!)).toBeUndefined();
  });

  test('what a template gives for a user is read as that user', () => {
    const odd = fc.stringMatching(/^[a-z0-9!#$&'+?^_`{|}~é-]{1,20}$/);
    fc.assert(
      fc.property(odd, odd, (local, second) => {
        const user = parseUser(`${local}.${second}@example.com`);
        fc.pre(user !== undefined);
        const fields = userFields(user!);
        const dn = fillDnTemplate(template, fields);
        expect(matchDnTemplate(template, parseDn(dn)!)).toEqual({
          local: fields.local,
          domain: 'example.com',
        });
      }),
    );
  });
});

test('any text is read or not, and what is read is written so that it is read again', () => {
  const piece = fc.constantFrom(
    'uid',
    'cn',
    '=',
    ',',
    '+',
    '\\',
    '2C',
    '00',
    ' ',
    '#',
    '"',
    'é',
    'a',
    '\\,',
    '\\c3\\a9',
    '*',
    ')',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece).map((pieces) => pieces.join('')),
  );
  fc.assert(
    fc.property(text, (written) => {
      const dn = parseDn(written);
      if (dn !== undefined) expect(parseDn(formatDn(dn))).toEqual(dn);
    }),
    { numRuns: 3000 },
  );
});
