// The limits of one process. What is counted, and when a block starts and ends, is in throttle.ts. Everything is
// bounded, and nothing runs by itself: what has expired is found and dropped a little at each use.

import type { Clock } from '../lib/clock.ts';
import { networkMatcher } from '../lib/network.ts';
import type { NameMark, User } from '../lib/user.ts';
import { Blocks } from './blocks.ts';
import { DistinctCounter } from './distinct-counter.ts';
import { exemptNetworks } from './exempt-networks.ts';
import { type Counts, NetworkCounts } from './network-counts.ts';
import { NetworkMap } from './network-map.ts';
import { add, isOver, type Tally } from './tally.ts';
import type { Block, BlockEntry, BlockKind, Origin, Throttle, ThrottleSettings } from './throttle.ts';

const LONGEST_BLOCK = 86_400_000;

/** Mismatching verifications that one network has for one record, in `window` milliseconds. */
export const VERIFICATION_BUDGET = { mismatches: 10, window: 600_000 } as const;

/** Entries of each map. Measured: a hundred thousand networks with 9 guesses each take 90 MB, with 29 each 165 MB. */
const MOST = 100_000;
/** Users, or records, that one network may have counts for. */
const MOST_PER_NETWORK = 1000;

export interface MemoryThrottleSettings extends ThrottleSettings {
  /** `most` attempts of a network, whatever they are, within `window` milliseconds block it for `window`. */
  readonly attempts: { readonly most: number; readonly window: number };
}

export interface MemoryThrottleOptions {
  readonly settings: MemoryThrottleSettings;
  readonly clock: Clock;
  /** Entries of each map; for tests. */
  readonly most?: number;
}

export interface MemoryThrottle extends Throttle {
  /** Other settings for what comes from now on. Counts stay, and blocks end when they would have. */
  configure(settings: MemoryThrottleSettings): void;
}

export function createMemoryThrottle({
  settings,
  clock,
  most = MOST,
}: MemoryThrottleOptions): MemoryThrottle {
  let { network: networkLimit, networkAndUser: pairLimit, attempts: attemptsLimit } = settings;
  let isExempt = exemptNetworks(settings.exempt);
  const networks = new NetworkCounts(most, attemptsLimit.window, networkLimit);
  const pairs = new NetworkMap<DistinctCounter>({ most, perNetwork: MOST_PER_NETWORK });
  const budgets = new NetworkMap<Tally>({ most, perNetwork: MOST_PER_NETWORK });
  const attemptBlocks = new Blocks(constant(attemptsLimit.window), most);
  const networkBlocks = new Blocks(growing(networkLimit.block), most);
  const pairBlocks = new Blocks(growing(pairLimit.block), most);

  /** Whole milliseconds: V8 keeps them without an allocation. */
  const monotonic = () => Math.floor(clock.monotonic());

  /** The network's counts, with this attempt among them unless attempts are blocked already. */
  function countAttempt(network: string, now: number): Counts {
    const counts = networks.touch(network, now);
    if (attemptBlocks.remaining(network, now) > 0) return counts;
    if (add(counts.attempts, now, attemptsLimit.window) >= attemptsLimit.most) {
      counts.attempts.count = 0;
      attemptBlocks.impose(network, network, null, now);
    }
    return counts;
  }

  /** The block that holds longest, of those that hold. */
  function blockOf(network: string, pair: string, now: number): Block | undefined {
    let kind: BlockKind = 'network';
    let retryAfter = networkBlocks.remaining(network, now);
    const attempts = attemptBlocks.remaining(network, now);
    if (attempts > retryAfter) {
      kind = 'attempts';
      retryAfter = attempts;
    }
    const both = pairBlocks.remaining(pair, now);
    if (both > retryAfter) {
      kind = 'network_and_user';
      retryAfter = both;
    }
    return retryAfter === 0 ? undefined : { kind, retryAfter };
  }

  return {
    configure(next) {
      ({ network: networkLimit, networkAndUser: pairLimit, attempts: attemptsLimit } = next);
      isExempt = exemptNetworks(next.exempt);
      networks.configure(attemptsLimit.window, networkLimit);
      attemptBlocks.configure(constant(attemptsLimit.window));
      networkBlocks.configure(growing(networkLimit.block));
      pairBlocks.configure(growing(pairLimit.block));
    },

    async guess({ network, user, fingerprint }) {
      if (isExempt(network)) return undefined;
      const now = monotonic();
      const pair = pairKey(network, user);
      const block = blockOf(network, pair, now);
      const counts = countAttempt(network, now);
      if (block !== undefined) return block;
      if (counts.distinct.add(fingerprint, now, networkLimit)) {
        counts.distinct = new DistinctCounter();
        networkBlocks.impose(network, network, null, now);
      }
      pairs.sweep(network, (counter) => counter.isExpired(now, pairLimit));
      if (pairs.touch(network, user, newCounter).add(fingerprint, now, pairLimit)) {
        pairs.delete(network, user);
        pairBlocks.impose(pair, network, user, now);
      }
      return undefined;
    },

    // Only the cap on attempts answers here: to someone who typed the real password, "wrong password" is the useful
    // answer even where strangers' guesses have blocked the network.
    async attempt(network) {
      if (isExempt(network)) return undefined;
      const now = monotonic();
      const retryAfter = attemptBlocks.remaining(network, now);
      countAttempt(network, now);
      return retryAfter > 0 ? { kind: 'attempts', retryAfter } : undefined;
    },

    async mayVerify(network, recordId) {
      const spent = budgets.peek(network, recordId);
      if (spent === undefined || isOver(spent, monotonic(), VERIFICATION_BUDGET.window)) return true;
      return spent.count < VERIFICATION_BUDGET.mismatches;
    },

    async mismatch(network, recordId) {
      if (isExempt(network)) return;
      const now = monotonic();
      budgets.sweep(network, (spent) => isOver(spent, now, VERIFICATION_BUDGET.window));
      const spent = budgets.touch(network, recordId, () => ({ count: 0, since: now }));
      add(spent, now, VERIFICATION_BUDGET.window);
    },

    async success({ network, user }) {
      pairs.delete(network, user);
      pairBlocks.lift(pairKey(network, user), monotonic());
    },

    async list() {
      const now = monotonic();
      const epoch = clock.now() - now;
      const entries: BlockEntry[] = [];
      for (const [kind, blocks] of [
        ['network', networkBlocks],
        ['attempts', attemptBlocks],
        ['network_and_user', pairBlocks],
      ] as const) {
        for (const { network, user, until } of blocks.inForce(now)) {
          entries.push({ kind, network, user: user as Origin['user'] | null, until: epoch + until });
        }
      }
      return entries;
    },

    async clear({ network, user }) {
      const now = monotonic();
      const inNetwork = network === undefined ? () => true : networkMatcher(network);
      const lifted = pairBlocks.liftWhere((n, u) => inNetwork(n) && (user === undefined || u === user), now);
      if (user !== undefined) {
        pairs.deleteKey(user, inNetwork);
        return lifted;
      }
      pairs.deleteNetworks(inNetwork);
      budgets.deleteNetworks(inNetwork);
      networks.deleteNetworks(inNetwork);
      return lifted + networkBlocks.liftWhere(inNetwork, now) + attemptBlocks.liftWhere(inNetwork, now);
    },
  };
}

const newCounter = () => new DistinctCounter();

/** Neither a network nor a user can hold a space. */
const pairKey = (network: string, user: User | NameMark) => `${network} ${user}`;

const constant = (length: number) => ({ first: length, longest: length });
const growing = (first: number) => ({ first, longest: Math.max(first, LONGEST_BLOCK) });
