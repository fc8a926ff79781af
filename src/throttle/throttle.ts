// Limits on guessing, as the gate sees them. Implementations count in this process, or in Redis for several.
//
// What is counted is distinct guesses: a guess is a (user, secret) pair that cannot be right, known here only by its
// fingerprint. A device that repeats one stale password for a week is one guess. A block never stops a right secret:
// the gate asks about blocks for attempts that have no candidate record, and for those that have one only about the
// budget of verifications.

import type { NameMark, User } from '../lib/user.ts';

export interface Origin {
  /** The client's network as `networkOf` gives it. */
  readonly network: string;
  /** A mark where the name does not say by itself who it is: so that nothing depends on whose it turns out to be. */
  readonly user: User | NameMark;
}

export interface Guess extends Origin {
  /** Truncated HMAC of user and secret under a key that changes daily. */
  readonly fingerprint: string;
}

export type BlockKind = 'network' | 'network_and_user' | 'attempts';

export interface Block {
  readonly kind: BlockKind;
  /** Milliseconds until it ends. */
  readonly retryAfter: number;
}

/** A block in force, as an operator sees it. */
export interface BlockEntry {
  readonly kind: BlockKind;
  readonly network: string;
  readonly user: User | NameMark | null;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

export interface Throttle {
  /**
   * Counts a guess, and gives the block that was in force before it, if one was: then it is not counted as a distinct
   * guess. Networks that are exempt are neither counted nor blocked.
   */
  guess(guess: Guess): Promise<Block | undefined>;
  /** Counts an attempt that is no guess (a secret without the shape of an app password). */
  attempt(network: string): Promise<Block | undefined>;
  /** Whether one more argon2id verification of this record for this network is within the budget of mismatches. */
  mayVerify(network: string, recordId: string): Promise<boolean>;
  /** A verification that did not match takes one from the budget. */
  mismatch(network: string, recordId: string): Promise<void>;
  /** A success clears the count of the network+user pair, never that of the network. */
  success(origin: Origin): Promise<void>;
  list(): Promise<BlockEntry[]>;
  /** Ends blocks and forgets counts of a network, a user, both, or (empty) all. Gives the number of blocks ended. */
  clear(which: { network?: string; user?: User }): Promise<number>;
}

export interface Limit {
  /** This many distinct guesses … */
  readonly distinct: number;
  /** … within this many milliseconds lead to … */
  readonly window: number;
  /** … a block of this many milliseconds, which doubles with each further block up to a day, and halves again for each quiet day. */
  readonly block: number;
}

export interface ThrottleSettings {
  /** CIDR networks that are never counted or blocked. */
  readonly exempt: readonly string[];
  readonly network: Limit;
  readonly networkAndUser: Limit;
}
