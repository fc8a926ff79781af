// Selectors and fingerprints, against HMACs computed here from their definition.

import { createHmac, createSecretKey } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parseUser } from '../../../src/lib/user.ts';
import { AppPassword } from '../../../src/passwords/app-password.ts';
import { SelectorKeys } from '../../../src/passwords/selector-keys.ts';

const alice = parseUser('alice@example.com')!;
const bob = parseUser('bob@example.com')!;
const password = new AppPassword('abcdefghijkmnpqr');
const other = new AppPassword('abcdefghijkmnpqs');
const bytes = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] as const;
const first = { id: '00000001', key: createSecretKey(bytes[0]) };
const second = { id: '00000002', key: createSecretKey(bytes[1]) };
const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();

test('a selector is the first 16 bits of HMAC-SHA-256(key, user NUL secret), one for each key', () => {
  const keys = new SelectorKeys([first, second]);
  const text = 'alice@example.com\0abcdefghijkmnpqr';
  const expected = bytes.map((key) => {
    const tag = hmac(key, text);
    return tag[0]! * 256 + tag[1]!;
  });
  expect(keys.selectors(alice, password)).toEqual([
    { keyId: '00000001', selector: expected[0] },
    { keyId: '00000002', selector: expected[1] },
  ]);
  expect(keys.currentSelector(alice, password)).toEqual({ keyId: '00000001', selector: expected[0] });
  expect(keys.current).toBe('00000001');
});

test('selectors of many secrets spread over 16 bits', () => {
  const keys = new SelectorKeys([first]);
  const seen = new Set<number>();
  for (let n = 0; n < 2000; n++) {
    const value = n.toString(16).padStart(16, 'a').replace(/[01l]/g, 'z');
    seen.add(keys.currentSelector(alice, new AppPassword(value)).selector);
  }
  expect(Math.max(...seen)).toBeLessThan(65536);
  expect(Math.min(...seen)).toBeGreaterThanOrEqual(0);
  // 2000 draws of 65,536 leave about 1970 different ones, fewer here for the few values that were folded together.
  expect(seen.size).toBeGreaterThan(700);
});

describe('a fingerprint', () => {
  const day = 20_000;

  test('is 64 bits of an HMAC under a key of the day', () => {
    const daily = hmac(bytes[0], `fingerprint\0${day}`);
    const expected = hmac(daily, 'alice@example.com\0abcdefghijkmnpqr').subarray(0, 8).toString('base64url');
    expect(new SelectorKeys([first]).fingerprint(alice, password, day)).toBe(expected);
  });

  test('is the same on replicas that share the file, and after days in between', () => {
    const one = new SelectorKeys([first, second]);
    const two = new SelectorKeys([first, second]);
    const before = one.fingerprint(alice, password, day);
    for (const later of [day + 1, day + 2, day + 3]) one.fingerprint(alice, password, later);
    expect(one.fingerprint(alice, password, day)).toBe(before);
    expect(two.fingerprint(alice, password, day)).toBe(before);
  });

  test('differs by user, secret, day and key', () => {
    const keys = new SelectorKeys([first]);
    const all = [
      keys.fingerprint(alice, password, day),
      keys.fingerprint(bob, password, day),
      keys.fingerprint(alice, other, day),
      keys.fingerprint(alice, password, day + 1),
      new SelectorKeys([second]).fingerprint(alice, password, day),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
});

test('the keys are not printed', () => {
  const keys = new SelectorKeys([first]);
  keys.fingerprint(alice, password, 1);
  const printed = inspect(keys, { showHidden: true, depth: 9 }) + JSON.stringify(keys);
  for (const dress of ['hex', 'base64'] as const) {
    expect(printed.includes(bytes[0].toString(dress))).toBe(false);
  }
  expect(printed).not.toMatch(/01 01 01 01/);
});

test('no key at all is an error', () => {
  expect(() => new SelectorKeys([])).toThrow(RangeError);
});
