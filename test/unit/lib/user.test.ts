// parseUser: one person is one user, and no spelling is anything else to an upstream.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseUser } from '../../../src/lib/user.ts';

test('case is folded, the rest stays', () => {
  expect(parseUser('Alice@EXAMPLE.com')).toBe('alice@example.com');
  expect(parseUser("o'hara+lists_{x}#1@example.com")).toBe("o'hara+lists_{x}#1@example.com");
  expect(parseUser('first.last@mail.example.com')).toBe('first.last@mail.example.com');
});

test('letters of other scripts are letters; a domain in Unicode becomes its A-labels', () => {
  expect(parseUser('JÜRGEN@example.com')).toBe('jürgen@example.com');
  expect(parseUser('ΣΑΣ@example.com')).toBe('σας@example.com');
  expect(parseUser('李@例え.jp')).toBe('李@xn--r8jz45g.jp');
  expect(parseUser('a@BÜCHER.example')).toBe('a@xn--bcher-kva.example');
  expect(parseUser('a@xn--bcher-kva.example')).toBe('a@xn--bcher-kva.example');
  expect(parseUser('a@㹨㹱㹷㹯.example')).toBe('a@xn--26mofy.example');
  expect(parseUser('a@xn--26mofy.example')).toBe('a@xn--26mofy.example');
});

describe('what cannot be a user', () => {
  const cases: readonly (readonly [what: string, text: string])[] = [
    ['nothing', ''],
    ['no @', 'alice'],
    ['two @', 'alice@example.com@example.org'],
    ['no local part', '@example.com'],
    ['no domain', 'alice@'],
    ['a leading dot', '.alice@example.com'],
    ['a doubled dot', 'a..b@example.com'],
    ['a trailing dot in the domain', 'alice@example.com.'],
    ['an address literal', 'alice@[192.0.2.1]'],
    ['an IPv4 address in disguise', 'alice@0x7f.1'],
    ['a label that starts with a hyphen', 'alice@-example.com'],
    ['an underscore in the domain', 'alice@ex_ample.com'],
    ['an A-label of plain ASCII', 'alice@xn--example-.com'],
    ['a second spelling of an A-label', 'alice@xn---26mofy.example'],
    ['a space', 'al ice@example.com'],
    ['a tab', 'al\tice@example.com'],
    ['a quoted local part', '"alice"@example.com'],
    ['a backslash', 'EXAMPLE\\alice@example.com'],
    ['a master separator: *', 'alice*postern@example.com'],
    ['a master separator: /', 'alice/postern@example.com'],
    ['a master separator: %', 'alice%postern@example.com'],
    ['a comma', 'alice,bob@example.com'],
    ['an equals sign', 'uid=alice@example.com'],
    ['CR LF', 'alice@example.com\r\nA1 LOGOUT'],
    ['NUL', 'alice\0@example.com'],
    ['NUL at the end', 'alice@example.com\0'],
    ['DEL', 'alice\x7f@example.com'],
    ['a C1 control', 'alice\x85@example.com'],
    ['a line separator', 'alice\u2028@example.com'],
    ['a lone surrogate', 'alice\ud800@example.com'],
    ['fullwidth letters', 'ａｌｉｃｅ@example.com'],
    ['a fullwidth @', 'alice＠example.com'],
    ['the Kelvin sign', 'mi\u212ae@example.com'],
    ['the Angstrom sign', '\u212bngstrom@example.com'],
    ['a long s', 'ali\u017fe@example.com'],
    ['a dotless i', 'al\u0131ce@example.com'],
    ['a capital I with a dot', 'AL\u0130CE@example.com'],
    ['a ligature', '\ufb01nn@example.com'],
    ['a sharp s', 'stra\u00dfe@example.com'],
    ['a decomposed accent', 'jose\u0301@example.com'],
    ['a zero width space', 'al\u200bice@example.com'],
    ['a right-to-left override', 'al\u202eice@example.com'],
    ['a variation selector', 'al\ufe0fice@example.com'],
    ['a grapheme joiner', 'al\u034fice@example.com'],
    ['a Hangul filler', 'al\u1160ice@example.com'],
    ['an emoji', '😀@example.com'],
    ['an ideographic full stop in the domain', 'alice@example\u3002com'],
    ['a soft hyphen in the domain', 'alice@exa\u00admple.com'],
    ['a zero width space in the domain', 'alice@exa\u200bmple.com'],
    ['a variation selector in the domain', 'alice@exa\ufe0fmple.com'],
    ['circled letters in the domain', 'alice@ⓔxample.com'],
    ['a dotless i in the domain', 'alice@m\u0131t.example'],
    ['a sharp s in the domain', 'alice@fa\u00df.example'],
    ['both forms of a label in one domain', 'a@bücher.xn--bcher-kva.example'],
    ['65 octets of local part', `${'a'.repeat(65)}@example.com`],
    ['65 octets in 33 letters', `${'ü'.repeat(33)}@example.com`],
    ['a label of 64', `a@${'b'.repeat(64)}.com`],
    ['254 octets of domain', `a@${`${'b'.repeat(49)}.`.repeat(5)}comm`],
    ['a megabyte', `${'a'.repeat(1_000_000)}@example.com`],
  ];
  test.each(cases)('%s', (_, text) => {
    expect(parseUser(text)).toBeUndefined();
  });
});

test('the longest names that can be', () => {
  const local = 'a'.repeat(64);
  const domain = `${`${'b'.repeat(49)}.`.repeat(5)}com`;
  expect(domain).toHaveLength(253);
  expect(parseUser(`${local}@${domain}`)).toBe(`${local}@${domain}`);
});

describe('properties', () => {
  const nasty = fc.constantFrom(
    ...'aZ09.@*\\/%,="\'<>()[]:; \t\r\n\0\u200b\u212a\u0131\u017f\ufb01\uff21éÉßσςΣ。İ',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ unit: nasty, maxLength: 40 }),
    fc
      .tuple(
        fc.string({ unit: fc.oneof(nasty, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 })) }),
        nasty,
      )
      .map(([local, more]) => `${local}${more}@example.com`),
    fc.stringMatching(/^[A-Za-z0-9ÄäÖöÉéßςΣσ李+_-]{1,12}$/).map((local) => `${local}@Bücher.Example`),
    fc.tuple(fc.emailAddress(), fc.boolean()).map(([email, upper]) => (upper ? email.toUpperCase() : email)),
  );

  test('reading never throws, and a user read again is the same user', () => {
    let users = 0;
    fc.assert(
      fc.property(text, (given) => {
        const user = parseUser(given);
        if (user === undefined) return;
        users += 1;
        expect(parseUser(user)).toBe(user);
      }),
      { numRuns: 3000 },
    );
    expect(users).toBeGreaterThan(300);
  });

  test('a user holds no control, no blank, no separator, one @, and nothing that folds', () => {
    fc.assert(
      fc.property(text, (given) => {
        const user = parseUser(given);
        if (user === undefined) return;
        expect(user).not.toMatch(/[\p{C}\p{Z}*\\/%,="]/u);
        expect(user.split('@')).toHaveLength(2);
        expect(user.normalize('NFKC')).toBe(user);
        expect(user.toLowerCase()).toBe(user);
        expect(user.toUpperCase().toLowerCase()).toBe(user);
        expect(user.split('@')[1]).toMatch(/^[a-z0-9.-]+$/);
      }),
      { numRuns: 3000 },
    );
  });

  test('no two users are one under NFKC and case folding, whatever the single character', () => {
    const seen = new Map<string, string>();
    const twice: string[] = [];
    for (let code = 0; code <= 0x2ffff; code++) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const user = parseUser(`x${String.fromCodePoint(code)}y@example.com`);
      if (user === undefined) continue;
      const folded = user.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
      const other = seen.get(folded);
      if (other !== undefined && other !== user) twice.push(`${other} ${user}`);
      seen.set(folded, user);
    }
    expect(seen.size).toBeGreaterThan(10_000);
    expect(twice).toEqual([]);
  });
});
