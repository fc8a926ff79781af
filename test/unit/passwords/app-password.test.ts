// The shape of an app password, and what a client may send in its place.

import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../../src/lib/secret.ts';
import {
  APP_PASSWORD_ALPHABET,
  AppPassword,
  generateAppPassword,
  readAppPassword,
} from '../../../src/passwords/app-password.ts';
import { decodeText } from '../../../src/protocols/imap/wire.ts';

/** What keyboards, word processors, web pages and phones make of a space and of a hyphen. */
const SEPARATORS = [
  ' -\t\u00a0\u202f\u2007\u2002\u2003\u2009\u200a\u205f\u3000',
  '\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202c',
  '\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe63\uff0d',
].join('');

const symbol = fc.constantFrom(...APP_PASSWORD_ALPHABET);
const bare = fc.array(symbol, { minLength: 16, maxLength: 16 }).map((symbols) => symbols.join(''));
const read = (text: string) => readAppPassword(new Secret(text))?.reveal();

describe('generating', () => {
  test('every symbol is drawn by as many byte values as any other', () => {
    const counts = new Map<string, number>();
    for (let first = 0; first < 256; first += 16) {
      const password = generateAppPassword((n) => Uint8Array.from({ length: n }, (_, i) => first + i));
      for (const character of password.reveal()) counts.set(character, (counts.get(character) ?? 0) + 1);
    }
    expect([...counts.keys()].sort().join('')).toBe([...APP_PASSWORD_ALPHABET].sort().join(''));
    expect(new Set(counts.values())).toEqual(new Set([8]));
  });

  test('two are never the same', () => {
    const drawn = new Set(Array.from({ length: 1000 }, () => generateAppPassword().reveal()));
    expect(drawn.size).toBe(1000);
  });

  test('a random source that gives too little is an error, not a short app password', () => {
    expect(() => generateAppPassword(() => new Uint8Array(15))).toThrow(RangeError);
  });
});

describe('reading', () => {
  test('however it is grouped or capitalised, it is the same one', () => {
    const separator = fc.string({ unit: fc.constantFrom(...SEPARATORS), maxLength: 2 });
    fc.assert(
      fc.property(
        bare,
        fc.array(separator, { minLength: 17, maxLength: 17 }),
        fc.array(fc.boolean(), { minLength: 16, maxLength: 16 }),
        (value, between, capital) => {
          const typed =
            between[16]! +
            [...value].map((c, i) => between[i]! + (capital[i] ? c.toUpperCase() : c)).join('');
          expect(read(typed)).toBe(value);
        },
      ),
    );
  });

  test('in whatever octets the spaces and hyphens come', () => {
    const value = 'abcdefghijkmnpqr';
    const grouped = (separator: string) => value.replace(/.{4}(?=.)/g, `$&${separator}`);
    for (const separator of SEPARATORS) {
      const octets = Buffer.from(` ${grouped(separator)}${separator}`);
      expect(read(decodeText(octets))).toBe(value);
    }
    // Latin-1's no-break space and soft hyphen, Windows-1252's en and em dash.
    for (const separator of ['\xa0', '\xad', '\x96', '\x97', '\t', '-']) {
      expect(read(decodeText(Buffer.from(grouped(separator), 'latin1')))).toBe(value);
    }
  });

  test('as it is displayed, it reads back', () => {
    const password = generateAppPassword();
    expect(password.display()).toMatch(/^[a-z2-9]{4}( [a-z2-9]{4}){3}$/);
    expect(read(password.display())).toBe(password.reveal());
  });

  test('any text gives a whole app password that it holds, or nothing', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 80 }),
          fc.string({ unit: symbol, minLength: 14, maxLength: 18 }),
        ),
        (text) => {
          const value = read(text);
          if (value === undefined) return;
          expect(value).toMatch(new RegExp(`^[${APP_PASSWORD_ALPHABET}]{16}$`));
          expect(
            [...text]
              .filter((c) => !/[\t\p{Zs}\p{Pd}\p{Cf}\u2043\u2212\u0096\u0097]/u.test(c))
              .join('')
              .toLowerCase(),
          ).toBe(value);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['nothing', ''],
    ['separators only', ' - \u00a0 - '],
    ['15 characters', 'abcdefghijkmnpq'],
    ['17 characters', 'abcdefghijkmnpqrs'],
    ['a look-alike, l', 'abcdefghijkmnpql'],
    ['a look-alike, 0', 'abcdefghijkmnpq0'],
    ['a line end after it', 'abcdefghijkmnpqr\n'],
    ['a line separator after it', 'abcdefghijkmnpqr\u2028'],
    ['an underscore in it', 'abcdefgh_ijkmnpqr'],
    ['a combining mark in it', 'abcdefghijkmnpqr\u0301'],
    ['a NUL after it', 'abcdefghijkmnpqr\0'],
    ['the Kelvin sign, which lower-cases to k', 'abcdefghij\u212amnpqr'],
    ['the dotted capital I', 'abcdefgh\u0130jkmnpq'],
    ['fullwidth letters', '\uff41bcdefghijkmnpqr'],
    ['long s', 'abcdefghijkmnpq\u017f'],
    ['more separators than anyone types', `${'-'.repeat(60)}abcdefghijkmnpqr`],
    ['a megabyte', 'a'.repeat(1_000_000)],
    ['a megabyte of spaces', ' '.repeat(1_000_000)],
    ["a record's id", 'ap_abcdefghijkm'],
  ])('%s is not one', (_, text) => {
    expect(read(text)).toBeUndefined();
  });
});

describe('secrecy', () => {
  test('it prints as a placeholder, whatever prints it', () => {
    const password = generateAppPassword();
    const printed = [
      String(password),
      JSON.stringify({ password }),
      inspect(password),
      inspect({ a: [password] }),
      `${password}`,
    ];
    for (const text of printed) {
      expect(text.includes(password.reveal())).toBe(false);
      expect(text).toContain('[secret]');
    }
  });

  test('what is refused as one is not in the error', () => {
    const real = 'correct horse battery';
    let message = 'no error';
    try {
      new AppPassword(real);
    } catch (error) {
      message = inspect(error);
    }
    expect(message).toContain('not the shape of an app password');
    expect(message.includes(real)).toBe(false);
  });
});
