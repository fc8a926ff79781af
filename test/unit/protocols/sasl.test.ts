// SASL messages as a server meets them, and base64 that is taken strictly.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../../src/lib/secret.ts';
import {
  decodeBase64Text,
  decodePlain,
  encodePlain,
  LOGIN_PROMPTS,
  MAX_SASL_OCTETS,
  readAnswer,
} from '../../../src/protocols/sasl.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** RFC 4648 §4 by the letter, for comparison: bits as a string, no Buffer. */
function strictBase64(text: string): number[] | undefined {
  const symbols = text.replace(/={0,2}$/, '');
  const padding = text.length - symbols.length;
  if (text.length % 4 !== 0 || padding !== (4 - (symbols.length % 4)) % 4) return undefined;
  if ([...symbols].some((symbol) => !ALPHABET.includes(symbol))) return undefined;
  const bits = [...symbols].map((symbol) => ALPHABET.indexOf(symbol).toString(2).padStart(6, '0')).join('');
  const whole = bits.length - (bits.length % 8);
  if (bits.slice(whole).includes('1')) return undefined;
  return (bits.slice(0, whole).match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2));
}

describe('base64', () => {
  test('all text is read back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(decodeBase64Text(Buffer.from(text).toString('base64'))).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });

  test('is taken if it is base64 by the letter, and otherwise not', () => {
    const almost = fc
      .tuple(
        fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes).toString('base64')),
        fc.nat(),
        fc.oneof(
          fc.constantFrom(...ALPHABET, '=', '==', '', ' ', '\n', '\r\n', '\0', '-', '_', '\u00e4'),
          fc.string(),
        ),
        fc.nat(2),
      )
      .map(([valid, at, inserted, removed]) => {
        const from = at % (valid.length + 1);
        return valid.slice(0, from) + inserted + valid.slice(from + removed);
      });
    const counts = { taken: 0, refused: 0 };
    fc.assert(
      fc.property(almost, (text) => {
        const expected = strictBase64(text);
        const decoded = decodeBase64Text(text);
        counts[decoded === undefined ? 'refused' : 'taken']++;
        if (expected === undefined) expect(decoded).toBeUndefined();
        else expect(decoded).toBe(asText(expected));
      }),
      { numRuns: 5000 },
    );
    expect(counts.taken).toBeGreaterThan(100);
    expect(counts.refused).toBeGreaterThan(100);
  });

  test.each([
    'A',
    'AA',
    'AAA',
    'A===',
    '=',
    '==',
    '====',
    'AA=A',
    'AB==',
    'AAB=',
    'AA==AA==',
    'AA-_',
    ' AAA',
    'AAA\n',
  ])('%j is not taken', (text) => {
    expect(decodeBase64Text(text)).toBeUndefined();
  });

  test('12,288 octets are taken, more are not looked at', () => {
    expect(decodeBase64Text('QUJD'.repeat(MAX_SASL_OCTETS / 4))).toHaveLength(9216);
    expect(decodeBase64Text('QUJD'.repeat(MAX_SASL_OCTETS / 4 + 1))).toBeUndefined();
  });

  test('nothing is text', () => {
    expect(decodeBase64Text('')).toBe('');
  });
});

test('an answer is what stands between white space; = is nothing, * is the end', () => {
  const around = fc.stringMatching(/^[ \t]{0,3}$/);
  fc.assert(
    fc.property(around, around, fc.string({ unit: 'binary' }), (before, behind, text) => {
      const line = (said: string) => readAnswer(`${before}${said}${behind}`);
      expect(line(Buffer.from(text).toString('base64'))).toEqual({ kind: 'text', text });
      expect(line('=')).toEqual({ kind: 'text', text: '' });
      expect(line('*')).toEqual({ kind: 'cancelled' });
      expect(line('A')).toEqual({ kind: 'bad base64' });
      expect(line('QUJD QUJD')).toEqual({ kind: 'bad base64' });
    }),
  );
  expect(readAnswer('A'.repeat(MAX_SASL_OCTETS + 1))).toEqual({ kind: 'too long' });
  expect(readAnswer(' '.repeat(MAX_SASL_OCTETS))).toEqual({ kind: 'text', text: '' });
});

test.each([' ', '\t', ' \t'])('a long row of %j costs no more than as much of anything else', (space) => {
  const fastest = (line: string) => {
    let least = Number.POSITIVE_INFINITY;
    for (let n = 0; n < 10; n++) {
      const before = performance.now();
      readAnswer(line);
      least = Math.min(least, performance.now() - before);
    }
    return least;
  };
  const row = space.repeat((MAX_SASL_OCTETS - 2) / space.length);
  // In proportion to its square it is a thousand times as long.
  expect(fastest(`A${row}A`)).toBeLessThan(100 * fastest('QUJD'.repeat(MAX_SASL_OCTETS / 4)));
});

describe('PLAIN', () => {
  const part = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', ''));
  const name = part.filter((text) => text !== '');

  test('what is encoded is read back', () => {
    fc.assert(
      fc.property(part, name, part, (authorizationId, login, password) => {
        const message = decodeBase64Text(encodePlain(authorizationId, login, new Secret(password)));
        const credentials = decodePlain(message!);
        expect(credentials).toMatchObject({ authorizationId, login });
        expect(credentials.secret.reveal()).toBe(password);
      }),
    );
  });

  test('any other number of NULs is a try that nobody can have made', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('\0', 'a', '\r', ' '), { maxLength: 10 }), (parts) => {
        const message = parts.join('');
        const { authorizationId, login, secret } = decodePlain(message);
        const isMessage = /^[^\0]*\0[^\0]*\0[^\0]*$/.test(message);
        if (isMessage) expect([authorizationId, login, secret.reveal()].join('\0')).toBe(message);
        else expect([authorizationId, login, secret.reveal()]).toEqual(['', '', message]);
      }),
      { numRuns: 1000 },
    );
  });

  test('its secret does not show', () => {
    const credentials = decodePlain('\0alice\0my own password');
    expect(JSON.stringify(credentials)).not.toContain('my own');
    expect(`${credentials.secret}`).toBe('[secret]');
  });
});

test('the prompts of LOGIN are those that old clients know', () => {
  expect(Buffer.from(LOGIN_PROMPTS.username, 'base64').toString()).toBe('Username:');
  expect(Buffer.from(LOGIN_PROMPTS.password, 'base64').toString()).toBe('Password:');
});

/** UTF-8 where it is valid, else one character an octet. */
function asText(octets: number[]): string {
  const bytes = Uint8Array.from(octets);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return String.fromCharCode(...octets);
  }
}
