// Records for tests of the store: all that a test does not care about is filled in.

import { randomBytes } from 'node:crypto';
import type { User } from '../../src/lib/user.ts';
import type { NewRecord } from '../../src/store/store.ts';

let made = 0;

export function newRecord(given: Partial<NewRecord> = {}): NewRecord {
  made += 1;
  return {
    id: `ap_${randomBytes(6).toString('hex')}`,
    user: 'alice@example.com' as User,
    name: `device ${made}`,
    keyId: '11111111',
    selector: made,
    hash: '$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    scope: null,
    networks: [],
    createdAt: 1_000 + made,
    expiresAt: null,
    ...given,
  };
}

export const NO_LIMITS = { maxPerUser: 1_000_000, maxRecent: 1_000_000, recentSince: 0 };
