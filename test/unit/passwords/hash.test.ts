// argon2id, checked against another implementation (the `argon2` package, which binds the reference C code).

import argon2 from 'argon2';
import { describe, expect, test } from 'vitest';
import { appPasswordsSchema } from '../../../src/config/sections/app-passwords.ts';
import { generateAppPassword } from '../../../src/passwords/app-password.ts';
import {
  hashAppPassword,
  MOST_HASH_PARAMETERS,
  needsRehash,
  verifyAppPassword,
} from '../../../src/passwords/hash.ts';

const DEFAULTS = { memoryKiB: 19_456, passes: 2, lanes: 1 };
const CHEAP = { memoryKiB: 64, passes: 1, lanes: 1 };

test('a PHC string with the parameters, a 16-byte salt and a 32-byte tag', async () => {
  const phc = await hashAppPassword(generateAppPassword(), DEFAULTS);
  expect(phc).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
});

test('the same secret hashes differently each time', async () => {
  const password = generateAppPassword();
  expect(await hashAppPassword(password, CHEAP)).not.toBe(await hashAppPassword(password, CHEAP));
});

describe.each([DEFAULTS, CHEAP, { memoryKiB: 256, passes: 3, lanes: 4 }])('with %o', (parameters) => {
  test('what we hash, the other implementation verifies', async () => {
    const password = generateAppPassword();
    const phc = await hashAppPassword(password, parameters);
    expect(await argon2.verify(phc, password.reveal())).toBe(true);
    expect(await argon2.verify(phc, generateAppPassword().reveal())).toBe(false);
  });

  test('what the other implementation hashes, we verify', async () => {
    const password = generateAppPassword();
    const phc = await argon2.hash(password.reveal(), {
      type: argon2.argon2id,
      memoryCost: parameters.memoryKiB,
      timeCost: parameters.passes,
      parallelism: parameters.lanes,
    });
    expect(await verifyAppPassword(phc, password)).toBe(true);
    expect(await verifyAppPassword(phc, generateAppPassword())).toBe(false);
    expect(needsRehash(phc, parameters)).toBe(false);
  });
});

describe('what needs a rehash', () => {
  test.each([
    ['less memory', { ...CHEAP, memoryKiB: 32 }],
    ['more memory', { ...CHEAP, memoryKiB: 128 }],
    ['other passes', { ...CHEAP, passes: 2 }],
    ['other lanes', { ...CHEAP, lanes: 2 }],
  ])('%s', async (_, parameters) => {
    const phc = await hashAppPassword(generateAppPassword(), parameters);
    expect(needsRehash(phc, parameters)).toBe(false);
    expect(needsRehash(phc, CHEAP)).toBe(true);
  });

  test('argon2i', async () => {
    const phc = await argon2.hash('abcdefghijkmnpqr', {
      type: argon2.argon2i,
      memoryCost: 64,
      timeCost: 1,
      parallelism: 1,
    });
    expect(needsRehash(phc, CHEAP)).toBe(true);
  });
});

test('no more is asked for than the configuration may ask for', () => {
  const { memoryKiB, passes, lanes } = MOST_HASH_PARAMETERS;
  const withHash = (hash: typeof MOST_HASH_PARAMETERS) => appPasswordsSchema.safeParse({ hash }).success;
  expect(withHash(MOST_HASH_PARAMETERS)).toBe(true);
  expect(withHash({ memoryKiB: memoryKiB + 1, passes, lanes })).toBe(false);
  expect(withHash({ memoryKiB, passes: passes + 1, lanes })).toBe(false);
  expect(withHash({ memoryKiB, passes, lanes: lanes + 1 })).toBe(false);
});

test.each([
  ['nothing', ''],
  ['no PHC string', 'hunter2'],
  ['a truncated one', '$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA'],
  ['one of 4 TiB', `$argon2id$v=19$m=4294967295,t=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`],
  ['one of too many passes', `$argon2id$v=19$m=64,t=101,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`],
  ['one of too many lanes', `$argon2id$v=19$m=136,t=1,p=17$${'A'.repeat(22)}$${'A'.repeat(43)}`],
])('a record whose hash is %s is an error, not a match', async (_, phc) => {
  await expect(verifyAppPassword(phc, generateAppPassword())).rejects.toThrow();
});
