// The life of an app password: made, listed, revoked, buried. What the command line and the portal call.

import type { Clock } from '../lib/clock.ts';
import { RefusedError } from '../lib/errors.ts';
import { parseNetwork } from '../lib/network.ts';
import type { Protocol } from '../lib/protocol.ts';
import type { User } from '../lib/user.ts';
import type { NewRecord, UnwatchedStore, WhichRecords } from '../store/store.ts';
import { type AppPassword, generateAppPassword, randomSymbols } from './app-password.ts';
import { type HashParameters, hashAppPassword } from './hash.ts';
import { readDeviceName } from './name.ts';
import type { PasswordRecord } from './record.ts';
import type { SelectorKeys } from './selector-keys.ts';

/**
 * Creations of one user in an hour. Together with the tombstones it bounds how many selectors a user can fill. They are
 * counted by their records, so it has to be less than the tombstones that stay.
 */
const MAX_PER_HOUR = 120;
const HOUR = 3_600_000;
/** How long a revoked record stays to be recognised, in milliseconds, and how many of one user. */
const TOMBSTONE_LIFE = 90 * 24 * HOUR;
const TOMBSTONES_PER_USER = 150;
/** 190 selectors of 65,536 can be taken: eight collisions in a row mean that something else is wrong. */
const MAX_DRAWS = 8;
const MAX_NETWORKS = 32;

/** Why something was refused, in a word: what a page chooses its text by. */
export type Refusal =
  | 'limit'
  | 'too_fast'
  | 'name'
  | 'duplicate_name'
  | 'scope'
  | 'networks'
  | 'expiry'
  | 'no_such_password';

/** Refused, with a text for the person who asked. */
export class PasswordRefusedError extends RefusedError {
  readonly reason: Refusal;

  constructor(reason: Refusal, message: string) {
    super(message);
    this.reason = reason;
  }
}

export interface PasswordsOptions {
  readonly store: UnwatchedStore;
  readonly keys: SelectorKeys;
  readonly hash: HashParameters;
  /** Hashes in place of `hashAppPassword`: in a queue, with the user as the one whose turn it is. */
  readonly runHash?: (password: AppPassword, parameters: HashParameters, user: User) => Promise<string>;
  readonly clock: Clock;
  readonly limits: { readonly maxPerUser: number };
  readonly random?: (bytes: number) => Uint8Array;
}

export interface PasswordRequest {
  readonly user: User;
  readonly name: string;
  /** Refuse a name that another of the user's app passwords has, in whatever case. Default: false. */
  readonly uniqueName?: boolean;
  /** null: all protocols. */
  readonly scope?: readonly Protocol[] | null;
  /** As `parseNetwork` reads them; empty: anywhere. */
  readonly networks?: readonly string[];
  /** Milliseconds since the epoch; null: never. */
  readonly expiresAt?: number | null;
}

export interface Passwords {
  /**
   * Makes an app password; its record is durable when this resolves. Rejects with PasswordRefusedError, whose text is for
   * the person who asked, with StoreUnavailableError, and with what `runHash` rejects with.
   */
  create(request: PasswordRequest): Promise<{ record: PasswordRecord; password: AppPassword }>;
  list(options?: { user?: User; tombstones?: boolean }): Promise<PasswordRecord[]>;
  /** Gives the ids that it revoked: those that exist and were not revoked before. */
  revoke(which: WhichRecords): Promise<string[]>;
  /**
   * Gives the name that it has now. Rejects with PasswordRefusedError: no such app password of that user, a name that cannot be
   * one or that another of the user's has.
   */
  rename(id: string, user: User, name: string): Promise<string>;
  /** Gives whether that changed anything. */
  setUserDisabled(user: User, disabled: boolean): Promise<boolean>;
  /** Deletes tombstones older than 90 days, and for each user all but the newest 150; gives how many. */
  purge(): Promise<number>;
}

export function createPasswords(options: PasswordsOptions): Passwords {
  const { store, keys, clock, limits, random } = options;
  const runHash = options.runHash ?? hashAppPassword;

  async function create(request: PasswordRequest) {
    const { user } = request;
    const wanted = checkRequest(request, clock.now());
    const present = await store.list({ user });
    // Counted again when it is stored; here it spares the work of hashing.
    if (present.length >= limits.maxPerUser) throw tooMany(user);
    if (request.uniqueName === true) refuseDuplicate(wanted.name, present);
    for (let draw = 0; draw < MAX_DRAWS; draw++) {
      const password = generateAppPassword(random);
      const now = clock.now();
      const record: NewRecord = {
        ...wanted,
        ...keys.currentSelector(user, password),
        id: `ap_${randomSymbols(12, random)}`,
        user,
        hash: await runHash(password, options.hash, user),
        createdAt: now,
      };
      const outcome = await store.create(
        record,
        { maxPerUser: limits.maxPerUser, maxRecent: MAX_PER_HOUR, recentSince: now - HOUR },
        keys.checkOf(record.keyId),
      );
      if (outcome === 'collision') continue;
      if (outcome === 'other-key') {
        throw new Error(`app passwords in the store were made with another key ${record.keyId}: restart`);
      }
      if (outcome === 'limit') throw tooMany(user);
      if (outcome === 'too-fast') {
        throw new PasswordRefusedError(
          'too_fast',
          `${user} made ${MAX_PER_HOUR} app passwords within an hour: try again later`,
        );
      }
      return { record: { ...record, revokedAt: null, lastUsed: null, lastRefused: null }, password };
    }
    throw new Error(
      `${MAX_DRAWS} app passwords in a row had a selector that is taken: the random source is broken`,
    );
  }

  function tooMany(user: User): PasswordRefusedError {
    return new PasswordRefusedError(
      'limit',
      `${user} has ${limits.maxPerUser} app passwords, which is the most: revoke one that is not needed first`,
    );
  }

  return {
    async create(request) {
      const made = await create(request);
      // Tombstones go when new ones come; a failure of that must not lose the app password that was just made.
      await purge(request.user).catch(() => 0);
      return made;
    },
    list: (which = {}) => store.list(which),
    revoke: (which) => store.revoke(which, clock.now()),
    async rename(id, user, name) {
      const wanted = checkName(name);
      const present = await store.list({ user });
      const others = present.filter((record) => record.id !== id);
      if (others.length < present.length) refuseDuplicate(wanted, others);
      if (await store.rename(id, user, wanted)) return wanted;
      throw new PasswordRefusedError('no_such_password', 'there is no such app password');
    },
    async setUserDisabled(user, disabled) {
      const { userDisabled } = await store.select(user, []);
      if (userDisabled === disabled) return false;
      await store.setUserDisabled(user, disabled ? clock.now() : null);
      return true;
    },
    purge: () => purge(),
  };

  function purge(user?: User): Promise<number> {
    const bounds = { before: clock.now() - TOMBSTONE_LIFE, keep: TOMBSTONES_PER_USER };
    return store.purge(user === undefined ? bounds : { ...bounds, user });
  }
}

function checkRequest(
  request: PasswordRequest,
  now: number,
): Pick<NewRecord, 'name' | 'scope' | 'networks' | 'expiresAt'> {
  const name = checkName(request.name);
  const { scope = null, networks = [], expiresAt = null } = request;
  if (scope?.length === 0) {
    throw new PasswordRefusedError('scope', 'an app password must be good for at least one protocol');
  }
  if (networks.length > MAX_NETWORKS) {
    throw new PasswordRefusedError('networks', `at most ${MAX_NETWORKS} networks can be named`);
  }
  const canonical = networks.map((network) => {
    const parsed = parseNetwork(network);
    if (parsed === undefined) {
      throw new PasswordRefusedError('networks', `not a network: ${JSON.stringify(network.slice(0, 64))}`);
    }
    return parsed;
  });
  if (expiresAt !== null && !(expiresAt > now)) {
    throw new PasswordRefusedError('expiry', 'the expiry date lies in the past');
  }
  return {
    name,
    scope: scope === null ? null : [...new Set(scope)],
    networks: [...new Set(canonical)],
    expiresAt,
  };
}

function checkName(text: string): string {
  const name = readDeviceName(text);
  if (typeof name === 'string') return name;
  throw new PasswordRefusedError('name', name.problem);
}

/** To its owner `Phone` and `phone` are one device. */
function refuseDuplicate(name: string, others: readonly PasswordRecord[]): void {
  if (others.every((other) => other.name.toLowerCase() !== name.toLowerCase())) return;
  throw new PasswordRefusedError('duplicate_name', 'there is an app password of that name already');
}
