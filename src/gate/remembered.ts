// What argon2id said lately, so that a mail client that logs in every minute costs one run in a while, and a wrong secret
// that collides with a selector costs one too. Keyed by HMAC(key of this process, user NUL secret): nothing in here leads back
// to a secret. An entry speaks of one record as it was hashed; the gate reads the record again at every hit, and uses the
// remembered one only while the store does not answer.

import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import type { NameMark, User } from '../lib/user.ts';
import type { AppPassword } from '../passwords/app-password.ts';
import type { PasswordRecord } from '../passwords/record.ts';

/** Bounds memory: about 1 KiB an entry. */
const MAX_ENTRIES = 20_000;

export interface Remembered {
  readonly record: PasswordRecord;
  readonly userDisabled: boolean;
  readonly match: boolean;
  readonly until: number;
}

export class RememberedVerifications {
  /** As a KeyObject: with bytes, Node makes one of them for each HMAC, which takes seven times as long. */
  readonly #key = createSecretKey(randomBytes(32));
  readonly #entries = new Map<string, Remembered>();
  readonly #clock: Clock;
  #life: number;

  /** `life` in milliseconds; 0 remembers nothing. */
  constructor(life: number, clock: Clock) {
    this.#life = life;
    this.#clock = clock;
  }

  /** For what is remembered from now on; with 0 the rest is forgotten too. */
  configure(life: number): void {
    this.#life = life;
    if (life === 0) this.#entries.clear();
  }

  /** The key that a user's secret has here. */
  keyOf(user: User | NameMark, password: AppPassword): string {
    return createHmac('sha256', this.#key).update(`${user}\0${password.reveal()}`).digest('base64');
  }

  /** What is remembered of this secret against this record, as it is hashed now. */
  recall(key: string, record: PasswordRecord): boolean | undefined {
    const entry = this.#fresh(key);
    const same = entry?.record.id === record.id && entry.record.hash === record.hash;
    return same ? entry?.match : undefined;
  }

  /** The record that this secret matched, for when the store does not answer. */
  lastMatch(key: string): Remembered | undefined {
    const entry = this.#fresh(key);
    return entry?.match ? entry : undefined;
  }

  remember(key: string, record: PasswordRecord, userDisabled: boolean, match: boolean): void {
    if (this.#life === 0) return;
    this.#entries.delete(key);
    this.#entries.set(key, { record, userDisabled, match, until: this.#clock.monotonic() + this.#life });
    if (this.#entries.size <= MAX_ENTRIES) return;
    const [oldest] = this.#entries.keys();
    this.#entries.delete(oldest as string);
  }

  /** A later look at the record, without a verification: the time it is good for does not grow. */
  refresh(key: string, record: PasswordRecord, userDisabled: boolean): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#entries.set(key, { ...entry, record, userDisabled });
  }

  /** The records that secrets matched. */
  matchedIds(): string[] {
    return [...new Set([...this.#entries.values()].flatMap(({ match, record }) => (match ? record.id : [])))];
  }

  /** Forgets what is remembered of these records. */
  forget(ids: ReadonlySet<string>): void {
    for (const [key, { record }] of this.#entries) if (ids.has(record.id)) this.#entries.delete(key);
  }

  #fresh(key: string): Remembered | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.until > this.#clock.monotonic()) return entry;
    this.#entries.delete(key);
    return undefined;
  }
}
