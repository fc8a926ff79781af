// The selector of a secret: 16 bits that say which of a user's records a secret can belong to, so that a wrong one
// costs a look-up and no argon2id. Without the key it says nothing; with it, 16 of 80 bits.

import { createHmac, type KeyObject } from 'node:crypto';
import type { NameMark, User } from '../lib/user.ts';
import type { AppPassword } from './app-password.ts';

/** First 16 bits, big-endian, of HMAC-SHA-256(key, user NUL secret): 0 to 65535. A user cannot hold a NUL. */
export function selectorOf(key: KeyObject, user: User | NameMark, password: AppPassword): number {
  return createHmac('sha256', key).update(`${user}\0${password.reveal()}`).digest().readUInt16BE(0);
}
