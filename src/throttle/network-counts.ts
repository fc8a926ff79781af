// What is counted for a network as a whole: attempts of any kind, and distinct guesses. Bounded; a few expired entries
// are dropped at each use.

import { BoundedMap } from './bounded-map.ts';
import { DistinctCounter } from './distinct-counter.ts';
import { isOver, type Tally } from './tally.ts';
import type { Limit } from './throttle.ts';

export interface Counts {
  readonly attempts: Tally;
  distinct: DistinctCounter;
}

/** What sweeping looks at per use; more than one, so that the map shrinks faster than uses can fill it. */
const SWEPT_PER_USE = 2;

export class NetworkCounts {
  readonly #counts: BoundedMap<Counts>;
  #attemptsWindow: number;
  #limit: Limit;

  constructor(most: number, attemptsWindow: number, limit: Limit) {
    this.#counts = new BoundedMap(most);
    this.#attemptsWindow = attemptsWindow;
    this.#limit = limit;
  }

  get size(): number {
    return this.#counts.size;
  }

  /** What has expired is judged by these from now on. */
  configure(attemptsWindow: number, limit: Limit): void {
    this.#attemptsWindow = attemptsWindow;
    this.#limit = limit;
  }

  /** The counts of a network, made if they are missing. */
  touch(network: string, now: number): Counts {
    // First, so that what is given out below is not swept while it is in use.
    this.#sweep(now);
    let counts = this.#counts.touch(network);
    if (counts === undefined) {
      counts = { attempts: { count: 0, since: now }, distinct: new DistinctCounter() };
      this.#counts.set(network, counts);
    }
    return counts;
  }

  deleteNetworks(matches: (network: string) => boolean): void {
    for (const network of [...this.#counts.keys()]) if (matches(network)) this.#counts.delete(network);
  }

  #sweep(now: number): void {
    for (let n = 0; n < SWEPT_PER_USE; n++) {
      const oldest = this.#counts.oldest();
      if (oldest === undefined) return;
      const { attempts, distinct } = oldest.value;
      if (!isOver(attempts, now, this.#attemptsWindow) || !distinct.isExpired(now, this.#limit)) return;
      this.#counts.delete(oldest.key);
    }
  }
}
