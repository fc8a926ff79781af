// The life of an app password: made, listed, revoked, buried. What the command line and the portal call.

import type { Clock } from '../lib/clock.ts';
import { RefusedError } from '../lib/errors.ts';
import { parseNetwork } from '../lib/network.ts';
import type { Protocol } from '../lib/protocol.ts';
import type { User } from '../lib/user.ts';
import type { NewRecord, UnwatchedStore } from '../store/store.ts';
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

export interface PasswordsOptions {
  readonly store: UnwatchedStore;
  readonly keys: SelectorKeys;
  readonly hash: HashParameters;
  readonly clock: Clock;
  readonly limits: { readonly maxPerUser: number };
  readonly random?: (bytes: number) => Uint8Array;
}

export interface PasswordRequest {
  readonly user: User;
  readonly name: string;
  /** null: all protocols. */
  readonly scope?: readonly Protocol[] | null;
  /** As `parseNetwork` reads them; empty: anywhere. */
  readonly networks?: readonly string[];
  /** Milliseconds since the epoch; null: never. */
  readonly expiresAt?: number | null;
}

export interface Passwords {
  /**
   * Makes an app password; its record is durable when this resolves. Rejects with RefusedError, whose text is for the
   * person who asked, and with StoreUnavailableError.
   */
  create(request: PasswordRequest): Promise<{ record: PasswordRecord; password: AppPassword }>;
  list(options?: { user?: User; tombstones?: boolean }): Promise<PasswordRecord[]>;
  /** Gives the ids that it revoked: those that exist and were not revoked before. */
  revoke(which: { ids: readonly string[] } | { user: User }): Promise<string[]>;
  /** Gives whether that changed anything. */
  setUserDisabled(user: User, disabled: boolean): Promise<boolean>;
  /** Deletes tombstones older than 90 days, and for each user all but the newest 150; gives how many. */
  purge(): Promise<number>;
}

export function createPasswords(options: PasswordsOptions): Passwords {
  const { store, keys, hash, clock, limits, random } = options;

  async function create(request: PasswordRequest) {
    const { user } = request;
    const wanted = checkRequest(request, clock.now());
    for (let draw = 0; draw < MAX_DRAWS; draw++) {
      const password = generateAppPassword(random);
      const now = clock.now();
      const record: NewRecord = {
        ...wanted,
        ...keys.currentSelector(user, password),
        id: `ap_${randomSymbols(12, random)}`,
        user,
        hash: await hashAppPassword(password, hash),
        createdAt: now,
      };
      const outcome = await store.create(record, {
        maxPerUser: limits.maxPerUser,
        maxRecent: MAX_PER_HOUR,
        recentSince: now - HOUR,
      });
      if (outcome === 'collision') continue;
      if (outcome === 'limit') {
        throw new RefusedError(
          `${user} has ${limits.maxPerUser} app passwords, which is the most: revoke one that is not needed first`,
        );
      }
      if (outcome === 'too-fast') {
        throw new RefusedError(`${user} made ${MAX_PER_HOUR} app passwords within an hour: try again later`);
      }
      return { record: { ...record, revokedAt: null, lastUsed: null, lastRefused: null }, password };
    }
    throw new Error(
      `${MAX_DRAWS} app passwords in a row had a selector that is taken: the random source is broken`,
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
  const name = readDeviceName(request.name);
  if (typeof name !== 'string') throw new RefusedError(name.problem);
  const { scope = null, networks = [], expiresAt = null } = request;
  if (scope?.length === 0) throw new RefusedError('an app password must be good for at least one protocol');
  if (networks.length > MAX_NETWORKS) throw new RefusedError(`at most ${MAX_NETWORKS} networks can be named`);
  const canonical = networks.map((network) => {
    const parsed = parseNetwork(network);
    if (parsed === undefined)
      throw new RefusedError(`not a network: ${JSON.stringify(network.slice(0, 64))}`);
    return parsed;
  });
  if (expiresAt !== null && !(expiresAt > now)) throw new RefusedError('the expiry date lies in the past');
  return {
    name,
    scope: scope === null ? null : [...new Set(scope)],
    networks: [...new Set(canonical)],
    expiresAt,
  };
}
