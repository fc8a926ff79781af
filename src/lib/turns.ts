// Who goes first where many come at once. A client that logs in needs a dozen turns of the event loop, for TLS, for the look-up, for the
// upstream: were each of them as long as all that two hundred guessing connections ask for, it would wait for thousands of guesses. So
// a turn takes in a few at most, fewer while somebody who has not failed yet is on the way in, and the others wait here:
//
//   who has not failed on the same connection goes before who has, though not all the time;
//   among equals networks take turns, so that one that crowds waits for itself (fair-line.ts).
//
// The wait depends on nothing else, so that it tells nothing about what is waited for. How many can wait is bounded by who comes: one
// for each connection.

import { FairLine } from './fair-line.ts';

/** One in so many is given to those who have failed, whoever else waits. */
const SHARE_OF_FAILED = 4;

export interface TurnsOptions {
  /** How many may begin in one turn of the event loop, or be under way. Small batches make each cost more. */
  readonly most: number;
  /** As many while there are newcomers. */
  readonly mostWithNewcomers: number;
  readonly newcomers: () => number;
}

export class Turns {
  readonly #options: TurnsOptions;
  readonly #first = new FairLine<() => void>();
  readonly #again = new FairLine<() => void>();
  #taken = 0;
  /** Those of the taken that are given back when the turn ends. */
  #left = 0;
  #begun = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** How many wait. */
  get length(): number {
    return this.#first.length + this.#again.length;
  }

  /**
   * Undefined: it can begin now, as it can unless others are before it; else it can when the promise resolves. Who was let in calls
   * `leave` once.
   */
  enter(network: string, hasFailed: boolean): Promise<void> | undefined {
    // Past the smaller bound too: it is there for those who have not failed.
    const most = hasFailed ? this.#most() : this.#options.most;
    const isNobodyBefore = this.#first.length === 0 && (!hasFailed || this.#again.length === 0);
    if (isNobodyBefore && this.#taken < most) {
      this.#taken++;
      return undefined;
    }
    return new Promise((start) => (hasFailed ? this.#again : this.#first).push(network, start));
  }

  /** It is done. Others are let in in the next turn of the event loop. */
  leave(): void {
    this.#left++;
    if (this.#left === 1) setImmediate(() => this.#next());
  }

  #most(): number {
    const { most, mostWithNewcomers, newcomers } = this.#options;
    return newcomers() > 0 ? mostWithNewcomers : most;
  }

  #next(): void {
    this.#taken -= this.#left;
    this.#left = 0;
    const most = this.#most();
    while (this.#taken < most && this.length > 0) {
      this.#taken++;
      this.#begun++;
      const isTheirShare = this.#begun % SHARE_OF_FAILED === 0 && this.#again.length > 0;
      const line = isTheirShare || this.#first.length === 0 ? this.#again : this.#first;
      line.shift()?.();
    }
  }
}
