// The selector keys in memory: what is computed with them. The keys themselves never leave this object.

import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { NameMark, User } from '../lib/user.ts';
import type { Selector } from '../store/store.ts';
import type { AppPassword } from './app-password.ts';
import { selectorOf } from './selector.ts';

/** Bytes of a selector key. */
export const SELECTOR_KEY_BYTES = 32;
/** Bytes of a fingerprint: enough to tell guesses apart, too few to tell a secret by. */
const FINGERPRINT_BYTES = 8;
/**
 * Bytes of a key's check value, which lies in the store: enough to notice every change, by accident or not, and of no use to who reads
 * it. It is an HMAC under the key, of a text that no user and secret make; a key of 256 random bits is not found by trying, with a
 * check value or without.
 */
const CHECK_BYTES = 8;
/** Bytes of what stands for a name. */
const MARK_BYTES = 12;

export interface SelectorKey {
  readonly id: string;
  /** A KeyObject prints nothing of its value. */
  readonly key: KeyObject;
}

export class SelectorKeys {
  readonly #keys: readonly SelectorKey[];
  readonly #first: SelectorKey;
  /** Yesterday's and today's fingerprint keys: an attempt around midnight may ask for either. */
  readonly #daily = new Map<number, KeyObject>();
  #names: KeyObject | undefined;

  /** The first key is used for new records, all of them in look-ups. Throws RangeError if there is none. */
  constructor(keys: readonly SelectorKey[]) {
    const [first] = keys;
    if (first === undefined) throw new RangeError('no selector key');
    this.#keys = keys;
    this.#first = first;
  }

  /** The id of the key that new records are made with. */
  get current(): string {
    return this.#first.id;
  }

  get ids(): readonly string[] {
    return this.#keys.map((key) => key.id);
  }

  /** In hex; undefined for an id that is none of these keys'. */
  checkOf(id: string): string | undefined {
    const key = this.#keys.find((one) => one.id === id);
    return key && createHmac('sha256', key.key).update('check').digest().toString('hex', 0, CHECK_BYTES);
  }

  /** The selectors to look up, one for each key. */
  selectors(user: User | NameMark, password: AppPassword): Selector[] {
    return this.#keys.map(({ id, key }) => ({ keyId: id, selector: selectorOf(key, user, password) }));
  }

  /** The selector that a new record gets. */
  currentSelector(user: User, password: AppPassword): Selector {
    return { keyId: this.#first.id, selector: selectorOf(this.#first.key, user, password) };
  }

  /**
   * Tells guesses apart without telling what they are: 64 bits of an HMAC in base64url, under a key that is derived
   * from the first selector key and the day, so that replicas that share the keys file agree and days cannot be joined.
   * `day` is whole days since the epoch.
   */
  fingerprint(user: User | NameMark, password: AppPassword, day: number): string {
    return createHmac('sha256', this.#dailyKey(day))
      .update(`${user}\0${password.reveal()}`)
      .digest()
      .subarray(0, FINGERPRINT_BYTES)
      .toString('base64url');
  }

  /** Stands for a name, the same in all processes that share the keys file: 96 bits of an HMAC in base64url. */
  mark(name: string): NameMark {
    this.#names ??= this.derive('names');
    const digest = createHmac('sha256', this.#names).update(name).digest();
    return `~${digest.subarray(0, MARK_BYTES).toString('base64url')}`;
  }

  /** A key for another purpose, the same in all processes that share the keys file; it says nothing of those in there. */
  derive(purpose: string): KeyObject {
    return createSecretKey(createHmac('sha256', this.#first.key).update(`derived\0${purpose}`).digest());
  }

  #dailyKey(day: number): KeyObject {
    let key = this.#daily.get(day);
    if (key === undefined) {
      key = createSecretKey(createHmac('sha256', this.#first.key).update(`fingerprint\0${day}`).digest());
      if (this.#daily.size >= 2) this.#daily.delete(Math.min(...this.#daily.keys()));
      this.#daily.set(day, key);
    }
    return key;
  }
}
