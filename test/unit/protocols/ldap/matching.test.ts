// Filters tried on an entry that Postern answers with itself.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseFilter } from '../../../../src/lib/search-filter.ts';
import { encodeFilter } from '../../../../src/protocols/ldap/filter.ts';
import { matches } from '../../../../src/protocols/ldap/matching.ts';
import { tlv } from '../../../support/ldap-bytes.ts';

const ENTRY = Object.entries({
  objectClass: ['top'],
  namingContexts: ['dc=example,dc=com', 'o=Other'],
  supportedLDAPVersion: ['3'],
  supportedControl: ['1.2.840.113556.1.4.319'],
}).map(([type, values]) => ({ type, values: values.map((value) => Buffer.from(value)) }));

const isFound = (text: string) => matches(encodeFilter(parseFilter(text)!), ENTRY);

describe('is found by', () => {
  test.each([
    '(objectClass=*)',
    '(OBJECTCLASS=*)',
    '(2.5.4.0=*)',
    '(objectClass=top)',
    '(objectclass=TOP)',
    '(objectClass=2.5.6.0)',
    '(objectClass~=top)',
    '(objectClass:=top)',
    '(namingContexts=DC=Example, DC=com)',
    '(namingContexts=o=other)',
    '(supportedControl=1.2.840.113556.1.4.319)',
    '(supportedControl=1.2.*)',
    '(supportedControl=*113556*319)',
    '(supportedControl=1*.840*4.3*19)',
    '(supportedLDAPVersion>=3)',
    '(supportedLDAPVersion<=10)',
    '(&(objectClass=top)(supportedLDAPVersion=3))',
    '(|(cn=x)(objectClass=*))',
    '(!(objectClass=person))',
    '(!(cn=x))',
    '(|(cn:caseExactMatch:=x)(objectClass=top))',
  ])('%s', (text) => {
    expect(isFound(text)).toBe(true);
  });

  test('an empty “and”, which is absolutely true', () => {
    expect(matches(tlv(0xa0), ENTRY)).toBe(true);
  });
});

describe('is not found by', () => {
  test.each([
    '(cn=x)',
    '(cn=*)',
    '(objectClass=person)',
    '(objectClass=to)',
    '(objectClass;x-y=top)',
    '(supportedControl=1.2.840.113556.1.4.31)',
    '(supportedControl=2*)',
    '(supportedControl=*.3)',
    '(supportedControl=*319*319)',
    '(supportedControl=1.2.840.113556.1.4.319*319)',
    '(supportedLDAPVersion>=10)',
    '(supportedLDAPVersion<=2)',
    '(&(objectClass=top)(cn=x))',
    '(|(cn=x)(sn=y))',
    '(!(objectClass=top))',
    // What is undefined is not found, nor is its negation.
    '(cn:caseExactMatch:=x)',
    '(!(cn:caseExactMatch:=x))',
    '(&(cn:caseExactMatch:=x)(objectClass=top))',
  ])('%s', (text) => {
    expect(isFound(text)).toBe(false);
  });

  test('an empty “or”, which is absolutely false', () => {
    expect(matches(tlv(0xa1), ENTRY)).toBe(false);
  });

  test('filters 10,000 deep, which it does not follow', () => {
    let filter: Buffer = tlv(0x87, 'objectClass');
    for (let n = 0; n < 10_000; n++) filter = tlv(0xa0, filter);
    expect(matches(filter, ENTRY)).toBe(false);
  });
});

test('no bytes make it throw', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.constantFrom(0xa0, 0xa2, 0xa3, 0xa4, 0xa9),
      (bytes, tag) => {
        expect(typeof matches(tlv(tag, bytes), ENTRY)).toBe('boolean');
      },
    ),
  );
});

test('a filter that is longer than anybody has use for finds nothing, whatever it says', () => {
  const present = tlv(0x87, 'objectClass');
  const anyOf = (count: number) => tlv(0xa1, ...Array.from({ length: count }, () => present));
  expect(matches(anyOf(100), ENTRY)).toBe(true);
  expect(matches(anyOf(400), ENTRY)).toBe(false);
  expect(matches(tlv(0xa2, anyOf(400)), ENTRY)).toBe(false);
});
