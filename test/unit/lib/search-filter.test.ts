// Filters as text: what is read, and that no name that is put in changes what a filter asks.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fillFilter, filterFields, parseFilter, type SearchFilter } from '../../../src/lib/search-filter.ts';

const equal = (attribute: string, value: string) => ({ kind: 'equal', attribute, value });

test.each<[string, unknown]>([
  ['(uid=alice)', equal('uid', 'alice')],
  ['(uid=)', equal('uid', '')],
  ['(cn;lang-de=a=b)', equal('cn;lang-de', 'a=b')],
  ['(cn=a\\2ab\\28\\c3\\A9)', equal('cn', 'a*b(é')],
  ['(uid=*)', { kind: 'present', attribute: 'uid' }],
  ['(uid>=a)', { kind: 'greaterOrEqual', attribute: 'uid', value: 'a' }],
  ['(uid<=a)', { kind: 'lessOrEqual', attribute: 'uid', value: 'a' }],
  ['(uid~=a)', { kind: 'approximately', attribute: 'uid', value: 'a' }],
  ['(cn=a*b*)', { kind: 'substrings', attribute: 'cn', parts: ['a', 'b', ''] }],
  ['(!(a=b))', { kind: 'not', of: equal('a', 'b') }],
  [
    '(&(a=b)(|(c=d)(e=*)))',
    {
      kind: 'and',
      of: [equal('a', 'b'), { kind: 'or', of: [equal('c', 'd'), { kind: 'present', attribute: 'e' }] }],
    },
  ],
  [
    '(userAccountControl:1.2.840.113556.1.4.803:=2)',
    {
      kind: 'extensible',
      attribute: 'userAccountControl',
      rule: '1.2.840.113556.1.4.803',
      dnAttributes: false,
      value: '2',
    },
  ],
  ['(ou:dn:=x)', { kind: 'extensible', attribute: 'ou', rule: '', dnAttributes: true, value: 'x' }],
])('%s', (text, filter) => {
  expect(parseFilter(text)).toEqual(filter);
});

test.each([
  '',
  'uid=alice',
  '(uid)',
  '(uid=a',
  '(uid=a))',
  '(=a)',
  '(u d=a)',
  '(uid=a(b)',
  '(uid=a\\)',
  '(uid=\\zz)',
  '(uid=\\ff)',
  '(&)',
  '(!(a=b)(c=d))',
  '(&(a=b)x)',
  '(cn=a**b)',
  '(cn>=a*)',
  '(:=a)',
  `${'(!'.repeat(20)}(a=b)${')'.repeat(20)}`,
  `(cn=${'a'.repeat(2000)})`,
])('%j is no filter', (text) => {
  expect(parseFilter(text)).toBeUndefined();
});

test('fields are found and filled', () => {
  const filter = parseFilter('(|(uid={login})(mail={login}@{domain})(cn=*{x}*))')!;
  expect(filterFields(filter)).toEqual(['login', 'login', 'domain', 'x']);
  expect(fillFilter(filter, { login: '{domain}', domain: 'example.com' })).toEqual({
    kind: 'or',
    of: [
      equal('uid', '{domain}'),
      equal('mail', '{domain}@example.com'),
      { kind: 'substrings', attribute: 'cn', parts: ['', '{x}', ''] },
    ],
  });
});

test('no name changes what is asked', () => {
  const shape = (filter: SearchFilter): unknown =>
    JSON.parse(JSON.stringify(filter), (key, value) => (key === 'value' ? '' : value));
  const filter = parseFilter('(|(uid={login})(mail={login}))')!;
  const piece = fc.constantFrom('*', ')', '(', 'uid=', '\\', '\\00', '\0', 'a', '|', '{login}');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(piece).map((pieces) => pieces.join('')),
      ),
      (login) => {
        const filled = fillFilter(filter, { login });
        expect(shape(filled)).toEqual(shape(filter));
        expect(filled).toEqual({ kind: 'or', of: [equal('uid', login), equal('mail', login)] });
        parseFilter(login);
      },
    ),
    { numRuns: 2000 },
  );
});
