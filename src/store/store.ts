// What must last, as the rest of Postern sees it. Implementations keep records in SQL.

import { UnavailableError } from '../lib/errors.ts';
import type { NameMark, User } from '../lib/user.ts';
import type { PasswordRecord, Use } from '../passwords/record.ts';
import type { PortalStore } from './portal-store.ts';

/** The store cannot answer now: locked for too long, full, gone. Never means "there is no such record". */
export class StoreUnavailableError extends UnavailableError {
  override readonly name = 'StoreUnavailableError';
  /** The database's own code, such as `SQLITE_FULL`, where there is one. */
  readonly code: string | undefined;

  constructor(message: string, options: { cause?: unknown; code?: string | undefined } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.code = options.code;
  }
}

/** One candidate key of a look-up: the selector that the secret has under that selector key. */
export interface Selector {
  readonly keyId: string;
  readonly selector: number;
}

/** What the gate reads for one attempt, in one look-up. An unknown user gives the same shape, empty. */
export interface Selection {
  /** Records, tombstones included, that have one of the selectors. At most one for each key. */
  readonly records: readonly PasswordRecord[];
  readonly userDisabled: boolean;
}

/** A selector key that records name. */
export interface NamedKey {
  readonly id: string;
  /** The check value (see selector-keys.ts) of the bytes that they were made with; null: not known. */
  readonly check: string | null;
}

export type NewRecord = Omit<PasswordRecord, 'revokedAt' | 'lastUsed' | 'lastRefused'>;

export type CreateOutcome =
  | 'created'
  /** The user has `maxPerUser` records that are not revoked. */
  | 'limit'
  /** The user made too many of late. */
  | 'too-fast'
  /** The user has a record or tombstone with that selector: draw another secret. */
  | 'collision'
  /** Other records that name the key were made with other bytes under its id. */
  | 'other-key';

export interface CreateLimits {
  readonly maxPerUser: number;
  /** At most this many creations … */
  readonly maxRecent: number;
  /** … since this time (milliseconds since the epoch). */
  readonly recentSince: number;
}

/** When, from where and how a record's secret was presented last, and whether that was good for anything. */
export interface NotedUse {
  readonly id: string;
  readonly kind: 'used' | 'refused';
  readonly use: Use;
}

/** What decides whether a live session may go on. */
export interface Standing {
  readonly revoked: boolean;
  readonly expiresAt: number | null;
  readonly userDisabled: boolean;
}

/** Which records: some by their ids, with `user` only those that are that user's; or all of a user's. */
export type WhichRecords =
  | { readonly ids: readonly string[]; readonly user?: User }
  | { readonly user: User };

export interface Store extends PortalStore, AsyncDisposable {
  /** Every method rejects with StoreUnavailableError when the store does not answer. */
  select(user: User | NameMark, selectors: readonly Selector[]): Promise<Selection>;
  /**
   * Counts and inserts as one atomic step, between processes too. `keyCheck`: of the key that the record names; it is noted with the
   * first record that does.
   */
  create(record: NewRecord, limits: CreateLimits, keyCheck?: string): Promise<CreateOutcome>;
  /** All records that are not tombstones, or with `tombstones` those too; oldest first. */
  list(options: { user?: User; tombstones?: boolean }): Promise<PasswordRecord[]>;
  /** Revokes those that exist and are not revoked yet; gives the ids that it revoked. */
  revoke(which: WhichRecords, at: number): Promise<string[]>;
  /** Gives whether the user has such a record that is not revoked. */
  rename(id: string, user: User, name: string): Promise<boolean>;
  /** Replaces the hash if it still is `oldHash`. */
  rehash(id: string, oldHash: string, newHash: string): Promise<boolean>;
  /** All in one transaction. The newest use of a record wins, in whatever order they come. */
  noteUses(uses: readonly NotedUse[]): Promise<void>;
  /** Ends the user's sign-ins to the portal for good, those too that are added while the user is disabled. */
  setUserDisabled(user: User, disabledAt: number | null): Promise<void>;
  /** Standing of records by id; an id that does not exist any more counts as revoked. */
  standings(ids: readonly string[]): Promise<Map<string, Standing>>;
  /** Selector keys that any record or tombstone names, by id. */
  namedKeys(): Promise<NamedKey[]>;
  /** Notes the check value of a key that has none. */
  noteKeyCheck(id: string, check: string): Promise<void>;
  /** Deletes tombstones revoked before `before`, and for each user (or only `user`) all but the newest `keep`. */
  purge(options: { before: number; keep: number; user?: User }): Promise<number>;
  /**
   * Calls `changed` soon (within half a second) after another connection or process revoked a record or disabled a user,
   * and perhaps at other times. Returns a function that stops it.
   */
  watch(changed: () => void): () => void;
}

/** The store of a command, which ends before it could hear of anything. */
export type UnwatchedStore = Omit<Store, 'watch'>;
