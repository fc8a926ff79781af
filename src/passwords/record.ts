// What is stored about an app password. The secret itself is not in it.

import type { Protocol } from '../lib/protocol.ts';
import type { User } from '../lib/user.ts';

/** When, from where and by what an app password was used or tried. Times are milliseconds since the epoch. */
export interface Use {
  readonly at: number;
  /** The client's IP address. */
  readonly from: string;
  readonly protocol: Protocol;
  /** What the client calls itself (IMAP ID), at most 100 characters, if it did. */
  readonly client: string | null;
}

export interface PasswordRecord {
  readonly id: string;
  readonly user: User;
  /** The device, as its owner calls it. */
  readonly name: string;
  /** The selector key that `selector` was made with. */
  readonly keyId: string;
  /** First 16 bits of HMAC-SHA-256(selector key, user NUL secret): 0 to 65535, unique within user and key. */
  readonly selector: number;
  /** argon2id as a PHC string. */
  readonly hash: string;
  /** The protocols it is good for; null: all. */
  readonly scope: readonly Protocol[] | null;
  /** CIDR networks it may be used from; empty: anywhere. */
  readonly networks: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number | null;
  /** When it was revoked. A revoked record stays for a while as a tombstone. */
  readonly revokedAt: number | null;
  readonly lastUsed: Use | null;
  /** The last time a device presented the right secret and was refused: revoked, expired, out of scope. */
  readonly lastRefused: Use | null;
}
