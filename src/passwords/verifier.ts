// The queue before argon2id. Each run takes megabytes and milliseconds, so it is bounded both in how many run at once
// and in how many wait; past that the answer is "not now", never a pile of memory.

import type { AppPassword } from './app-password.ts';
import { type HashParameters, hashAppPassword, verifyAppPassword } from './hash.ts';

/** Too many verifications wait already. */
export class HashQueueFullError extends Error {
  override readonly name = 'HashQueueFullError';
}

export interface VerifierBounds {
  /** How many run at once. More than libuv's threads (4 unless UV_THREADPOOL_SIZE says otherwise) is no faster. */
  readonly concurrency: number;
  /** How many may wait. */
  readonly queue: number;
}

export interface VerifierOptions extends VerifierBounds {
  /** Called after each argon2id run that checked a secret. */
  readonly onVerified?: (result: 'match' | 'mismatch') => void;
  /** Stands in for argon2id in tests. */
  readonly verify?: (hash: string, password: AppPassword) => Promise<boolean>;
}

export class Verifier {
  #bounds: VerifierBounds;
  readonly #onVerified: (result: 'match' | 'mismatch') => void;
  readonly #verify: (hash: string, password: AppPassword) => Promise<boolean>;
  /** Who waits, by network; the network that is first is the next. */
  readonly #waiting = new Map<string | undefined, (() => void)[]>();
  #length = 0;
  #running = 0;

  constructor(options: VerifierOptions) {
    this.#bounds = options;
    this.#onVerified = options.onVerified ?? (() => {});
    this.#verify = options.verify ?? verifyAppPassword;
  }

  /** Other bounds from now on. What runs or waits goes on. */
  configure(bounds: VerifierBounds): void {
    this.#bounds = bounds;
    while (this.#running < bounds.concurrency && this.#length > 0) {
      this.#running++;
      this.#startNext();
    }
  }

  /** How many wait. */
  get length(): number {
    return this.#length;
  }

  /**
   * Whether the secret is the one that was hashed. `network` is whom the work is for: networks take turns, and one may
   * hold at most a quarter of the queue, so that a hostile device neither fills it for everybody nor makes them wait.
   * Rejects with HashQueueFullError, or with what argon2 says of a malformed hash.
   */
  async verify(hash: string, password: AppPassword, network?: string): Promise<boolean> {
    const match = await this.#enqueue(() => this.#verify(hash, password), network);
    this.#onVerified(match ? 'match' : 'mismatch');
    return match;
  }

  /** Hashes in the same queue: it costs what a verification costs. Rejects with HashQueueFullError. */
  hash(password: AppPassword, parameters: HashParameters, network?: string): Promise<string> {
    return this.#enqueue(() => hashAppPassword(password, parameters), network);
  }

  async #enqueue<T>(work: () => Promise<T>, key: string | undefined): Promise<T> {
    if (this.#running >= this.#bounds.concurrency) await this.#turn(key);
    else this.#running++;
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  /** Waits until a run that ended hands its place over: `#running` stays as it is. */
  #turn(key: string | undefined): Promise<void> {
    const { queue } = this.#bounds;
    const waiting = this.#waiting.get(key) ?? [];
    const isTooMany = key !== undefined && waiting.length >= Math.max(1, Math.floor(queue / 4));
    if (this.#length >= queue || isTooMany) {
      return Promise.reject(new HashQueueFullError('too many verifications are waiting'));
    }
    this.#waiting.set(key, waiting);
    this.#length++;
    return new Promise((start) => waiting.push(start));
  }

  /** A run has ended: its place is handed over, unless there are fewer places by now. */
  #next(): void {
    if (this.#length === 0 || this.#running > this.#bounds.concurrency) this.#running--;
    else this.#startNext();
  }

  #startNext(): void {
    const [next] = this.#waiting;
    if (next === undefined) return;
    const [key, waiting] = next;
    const start = waiting.shift();
    this.#length--;
    // Behind the other networks, or gone.
    this.#waiting.delete(key);
    if (waiting.length > 0) this.#waiting.set(key, waiting);
    start?.();
  }
}
