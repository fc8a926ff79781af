// Whatever a provider claims: nobody, or a user as everywhere else; nothing throws.

import { createSecretKey, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseUser } from '../../../src/lib/user.ts';
import { authTime, satisfies, userOf } from '../../../src/portal/claims.ts';
import { seal, unseal } from '../../../src/portal/seal.ts';

const claims = fc.dictionary(
  fc.constantFrom('email', 'email_verified', 'amr', 'auth_time', '__proto__', 'toString', 'constructor'),
  fc.oneof(fc.jsonValue(), fc.constantFrom('alice@example.com', 'mfa', ['mfa'], true, 'true', 1e12)),
);

test('any claims give a canonical user or none, and no proof that is not there', () => {
  fc.assert(
    fc.property(
      claims,
      fc.constantFrom('email', 'toString', '__proto__', 'constructor'),
      (given, userClaim) => {
        const user = userOf(given, { userClaim, userDomain: null, requireVerifiedEmail: false });
        if (user !== undefined) expect(parseUser(user)).toBe(user);
        const isProved = satisfies(given, { claim: 'amr', values: ['mfa'] });
        const { amr } = given;
        expect(isProved).toBe(amr === 'mfa' || (Array.isArray(amr) && amr.includes('mfa')));
        const at = authTime(given, 1000);
        expect(at === undefined || (at >= 0 && at <= 1000)).toBe(true);
      },
    ),
  );
});

test('what is sealed opens as it was, for the same purpose and key alone, and not when a byte has changed', () => {
  const [key, other] = [createSecretKey(randomBytes(32)), createSecretKey(randomBytes(32))];
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(), fc.integer({ min: 1, max: 255 }), (value, where, change) => {
      const text = JSON.stringify(value);
      fc.pre(text.length < 2000);
      const sealed = seal(value, key, 'a');
      expect(JSON.stringify(unseal(sealed, key, 'a'))).toBe(text);
      expect(unseal(sealed, key, 'b')).toBeUndefined();
      expect(unseal(sealed, other, 'a')).toBeUndefined();
      const bytes = Buffer.from(sealed, 'base64url');
      const at = where % bytes.length;
      bytes[at] = (bytes[at] as number) ^ change;
      expect(unseal(bytes.toString('base64url'), key, 'a')).toBeUndefined();
    }),
  );
  fc.assert(
    fc.property(fc.string({ maxLength: 5000 }), (text) => {
      expect(unseal(text, key, 'a')).toBeUndefined();
    }),
  );
});
