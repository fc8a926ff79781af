// The queue before argon2id. Each run takes megabytes and milliseconds, so it is bounded both in how many run at once
// and in how many wait; past that the answer is "not now", never a pile of memory.
//
// Behind it is a second line, for what is most probably a guess (gate.ts): it goes when nobody else waits, one run at a time, and rests
// after each for three times as long as it took. So it costs a quarter of a core at most, whoever fills it, and whoever is right in it
// gets in.

import { type Clock, systemClock } from '../lib/clock.ts';
import { FairLine } from '../lib/fair-line.ts';
import type { AppPassword } from './app-password.ts';
import { type HashParameters, hashAppPassword, verifyAppPassword } from './hash.ts';

/** Too many verifications wait already. */
export class HashQueueFullError extends Error {
  override readonly name = 'HashQueueFullError';
}

export interface VerifierBounds {
  /** How many run at once. More than libuv's threads (4 unless UV_THREADPOOL_SIZE says otherwise) is no faster. */
  readonly concurrency: number;
  /** How many may wait; a quarter of it in the second line. */
  readonly queue: number;
}

/** How long the second line rests, by how long its last run took. */
const REST = 3;
/** While others wait without end, one in so many runs is given to the second line all the same. */
const SHARE_OF_LAST = 16;

export interface VerifierOptions extends VerifierBounds {
  /** Called after each argon2id run that checked a secret. */
  readonly onVerified?: (result: 'match' | 'mismatch') => void;
  /** Called after each argon2id run: how long it waited for its turn, and how long it took, in seconds. */
  readonly onRun?: (wait: number, run: number) => void;
  /** Stands in for argon2id in tests. */
  readonly verify?: (hash: string, password: AppPassword) => Promise<boolean>;
  readonly clock?: Pick<Clock, 'monotonic'>;
}

export class Verifier {
  #bounds: VerifierBounds;
  readonly #onVerified: (result: 'match' | 'mismatch') => void;
  readonly #onRun: (wait: number, run: number) => void;
  readonly #verify: (hash: string, password: AppPassword) => Promise<boolean>;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #waiting = new FairLine<() => void>();
  readonly #last = new FairLine<() => void>();
  #running = 0;
  /** One of the second line runs, or the line rests after it. */
  #isLastBusy = false;
  /** Runs of others that began while the second line could have had one. */
  #passedOver = 0;

  constructor(options: VerifierOptions) {
    this.#bounds = options;
    this.#onVerified = options.onVerified ?? (() => {});
    this.#onRun = options.onRun ?? (() => {});
    this.#verify = options.verify ?? verifyAppPassword;
    this.#clock = options.clock ?? systemClock;
  }

  /** Other bounds from now on. What runs or waits goes on. */
  configure(bounds: VerifierBounds): void {
    this.#bounds = bounds;
    while (this.#running < bounds.concurrency && this.#waiting.length > 0) {
      this.#running++;
      this.#waiting.shift()?.();
    }
    this.#startLast();
  }

  /** How many wait. */
  get length(): number {
    return this.#waiting.length + this.#last.length;
  }

  /**
   * Whether the secret is the one that was hashed. `network` is whom the work is for: networks take turns, and one may
   * hold at most a quarter of the queue, so that a hostile device neither fills it for everybody nor makes them wait.
   * Rejects with HashQueueFullError, or with what argon2 says of a malformed hash.
   */
  async verify(hash: string, password: AppPassword, network = ''): Promise<boolean> {
    const match = await this.#enqueue(() => this.#verify(hash, password), network);
    this.#onVerified(match ? 'match' : 'mismatch');
    return match;
  }

  /** The same in the second line, of which one network may hold half. */
  async verifyLast(hash: string, password: AppPassword, network: string): Promise<boolean> {
    const match = await this.#enqueueLast(() => this.#verify(hash, password), network);
    this.#onVerified(match ? 'match' : 'mismatch');
    return match;
  }

  /** Hashes in the same queue: it costs what a verification costs. Rejects with HashQueueFullError. */
  hash(password: AppPassword, parameters: HashParameters, network = ''): Promise<string> {
    return this.#enqueue(() => hashAppPassword(password, parameters), network);
  }

  async #enqueue<T>(work: () => Promise<T>, network: string): Promise<T> {
    const arrivedAt = this.#clock.monotonic();
    if (this.#running < this.#bounds.concurrency) {
      this.#running++;
    } else {
      const { queue } = this.#bounds;
      // What nobody in particular waits for has no share to exceed.
      const share = network === '' ? queue : queue / 4;
      // It waits until a run that ended hands its place over: `#running` stays as it is.
      await wait(this.#waiting, network, queue, share);
    }
    const startedAt = this.#clock.monotonic();
    try {
      return await work();
    } finally {
      this.#ran(arrivedAt, startedAt);
      this.#next();
    }
  }

  #ran(arrivedAt: number, startedAt: number): void {
    this.#onRun((startedAt - arrivedAt) / 1000, (this.#clock.monotonic() - startedAt) / 1000);
  }

  async #enqueueLast<T>(work: () => Promise<T>, network: string): Promise<T> {
    const arrivedAt = this.#clock.monotonic();
    const most = Math.max(1, Math.floor(this.#bounds.queue / 4));
    const turn = wait(this.#last, network, most, most / 2);
    this.#startLast();
    await turn;
    const startedAt = this.#clock.monotonic();
    try {
      return await work();
    } finally {
      this.#ran(arrivedAt, startedAt);
      const rest = REST * (this.#clock.monotonic() - startedAt);
      setTimeout(() => {
        this.#isLastBusy = false;
        this.#startLast();
      }, rest);
      this.#next();
    }
  }

  /** A run has ended: its place is handed over, unless there are fewer places by now. */
  #next(): void {
    const hasPlace = this.#running <= this.#bounds.concurrency;
    const isTheirShare = this.#mayStartLast && this.#passedOver >= SHARE_OF_LAST - 1;
    if (hasPlace && this.#waiting.length > 0 && !isTheirShare) {
      if (this.#mayStartLast) this.#passedOver++;
      this.#waiting.shift()?.();
      return;
    }
    this.#running--;
    this.#startLast(isTheirShare);
  }

  get #mayStartLast(): boolean {
    return !this.#isLastBusy && this.#last.length > 0;
  }

  #startLast(isTheirShare = false): void {
    const isNobodyBefore = this.#waiting.length === 0 || isTheirShare;
    if (!this.#mayStartLast || !isNobodyBefore || this.#running >= this.#bounds.concurrency) return;
    this.#passedOver = 0;
    this.#running++;
    this.#isLastBusy = true;
    this.#last.shift()?.();
  }
}

/** Rejects at once if the line, or the network's share of it, is full; a share is at least 1. */
function wait(line: FairLine<() => void>, network: string, most: number, share: number): Promise<void> {
  if (line.length >= most || line.lengthOf(network) >= Math.max(1, Math.floor(share)))
    return Promise.reject(new HashQueueFullError('too many verifications are waiting'));
  return new Promise((start) => line.push(network, start));
}
