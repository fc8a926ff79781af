// Limits in Redis while Redis is well, and of this process alone while it is not. Nobody's login waits for a Redis that
// does not answer: the first operation that it fails, or keeps waiting for `timeout`, opens the circuit; from then on the
// process's own limits answer at once, and a check in the background closes it again.
//
//   shared ──an operation or a check fails──▶ degraded ──a check: connects, and writes within `timeout`──▶ shared
//
// A connection that breaks off is no failure by itself: a check that replaces it at once decides.
//
// Checks go on while all is well too, so that readiness and metrics tell the truth when nobody logs in.

import type { Clock } from '../lib/clock.ts';
import type { User } from '../lib/user.ts';
import { within } from './deadline.ts';
import { isConnectionLost, whyRedisFailed } from './redis-connection.ts';
import type { SharedThrottle } from './redis-throttle.ts';
import type { Block, BlockEntry, Guess, Origin, Throttle } from './throttle.ts';

export interface FallbackThrottleOptions {
  readonly shared: SharedThrottle;
  /** This process's own limits. */
  readonly own: Throttle;
  /** Milliseconds that one operation may take. */
  readonly timeout: number;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Redis was asked: seconds until its answer, or until none was waited for any more. */
  readonly onAsked?: ((seconds: number, isAnswered: boolean) => void) | undefined;
  readonly events: {
    /** Once for each reason of an outage. */
    throttleDegraded(detail: string): void;
    throttleRecovered(): void;
  };
}

/** Milliseconds between checks. */
const CHECK_INTERVAL = 1000;
/** Milliseconds for what an operator asks for: many commands. */
const OPERATOR_DEADLINE = 5000;
/** Operations that may wait for Redis at a time; more are answered by this process's own limits. */
const MOST_WAITING = 1000;
/** A recovery that lasts less than so many milliseconds was none: the next check waits longer, up to `LONGEST_WAIT`. */
const SHORT_RECOVERY = 5000;
const LONGEST_WAIT = 60_000;

export class FallbackThrottle implements Throttle, Disposable {
  readonly #options: FallbackThrottleOptions;
  readonly #reasons = new Set<string>();
  #isDegraded = false;
  #isStopped = false;
  #waiting = 0;
  #check: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #recoveredAt = Number.NEGATIVE_INFINITY;
  /** Milliseconds that the next check after an outage began waits. */
  #patience = CHECK_INTERVAL;

  constructor(options: FallbackThrottleOptions) {
    this.#options = options;
    options.shared.onLost(() => this.#checkNow());
  }

  /** Whether this process's own limits answer. */
  get isDegraded(): boolean {
    return this.#isDegraded;
  }

  /** The first check; resolves when it is known whether Redis is there, after about 2 s at most. Never rejects. */
  start(): Promise<void> {
    return this.#checkNow();
  }

  guess(guess: Guess): Promise<Block | undefined> {
    return this.#ask((throttle) => throttle.guess(guess));
  }

  attempt(network: string): Promise<Block | undefined> {
    return this.#ask((throttle) => throttle.attempt(network));
  }

  // Budgets of verifications are each process's own: see redis-throttle.ts.
  mayVerify(network: string, recordId: string): Promise<boolean> {
    return this.#options.own.mayVerify(network, recordId);
  }

  mismatch(network: string, recordId: string): Promise<void> {
    return this.#options.own.mismatch(network, recordId);
  }

  /** What this process counted by itself during an outage is forgotten too: there may be another. */
  async success(origin: Origin): Promise<void> {
    await this.#options.own.success(origin);
    await this.#ask((throttle) => (throttle === this.#options.own ? undefined : throttle.success(origin)));
  }

  list(): Promise<BlockEntry[]> {
    return this.#ask((throttle) => throttle.list(), OPERATOR_DEADLINE);
  }

  /** The number is that of the limits that answer. */
  async clear(which: { network?: string; user?: User }): Promise<number> {
    const own = await this.#options.own.clear(which);
    return this.#ask(
      (throttle) => (throttle === this.#options.own ? own : throttle.clear(which)),
      OPERATOR_DEADLINE,
    );
  }

  [Symbol.dispose](): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#options.shared.drop();
  }

  async #ask<T>(
    operation: (throttle: SharedThrottle | Throttle) => Promise<T> | T,
    deadline = this.#options.timeout,
  ): Promise<T> {
    const { shared, own } = this.#options;
    if (this.#isDegraded || this.#isStopped || this.#waiting >= MOST_WAITING) return operation(own);
    this.#waiting++;
    try {
      return await this.#timed(within(deadline, Promise.resolve(operation(shared))));
    } catch (error) {
      // Others that were waiting too have nothing to add. A lost connection is replaced, unless a check finds that it cannot be.
      if (!this.#isDegraded) {
        if (isConnectionLost(error)) void this.#checkNow();
        else this.#failed(error);
      }
      return operation(own);
    } finally {
      this.#waiting--;
    }
  }

  /** Checks now, or waits for the check that is under way. */
  #checkNow(): Promise<void> {
    this.#check ??= this.#runCheck().finally(() => {
      this.#check = undefined;
      this.#scheduleCheck();
    });
    return this.#check;
  }

  async #runCheck(): Promise<void> {
    if (this.#isStopped) return;
    try {
      await this.#probe().catch((error: unknown) => {
        if (this.#isDegraded || !isConnectionLost(error)) throw error;
        this.#options.shared.drop();
        return this.#probe();
      });
      this.#recovered();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #probe(): Promise<void> {
    const { shared, timeout } = this.#options;
    await this.#timed(shared.connect().then(() => within(timeout, shared.probe())));
  }

  async #timed<T>(answer: Promise<T>): Promise<T> {
    const { clock, onAsked } = this.#options;
    const askedAt = clock.monotonic();
    let isAnswered = false;
    try {
      const given = await answer;
      isAnswered = true;
      return given;
    } finally {
      onAsked?.((clock.monotonic() - askedAt) / 1000, isAnswered);
    }
  }

  #scheduleCheck(): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    const wait = this.#isDegraded ? this.#patience : CHECK_INTERVAL;
    this.#timer = setTimeout(() => void this.#checkNow(), wait).unref();
  }

  #failed(error: unknown): void {
    if (this.#isStopped) return;
    const { shared, clock, events } = this.#options;
    shared.drop();
    if (!this.#isDegraded) {
      this.#isDegraded = true;
      this.#reasons.clear();
      const wasShort = clock.monotonic() - this.#recoveredAt < SHORT_RECOVERY;
      this.#patience = wasShort ? Math.min(this.#patience * 2, LONGEST_WAIT) : CHECK_INTERVAL;
      this.#scheduleCheck();
    }
    const reason = whyRedisFailed(error);
    if (this.#reasons.has(reason)) return;
    this.#reasons.add(reason);
    events.throttleDegraded(reason);
  }

  #recovered(): void {
    if (!this.#isDegraded || this.#isStopped) return;
    this.#isDegraded = false;
    this.#recoveredAt = this.#options.clock.monotonic();
    this.#options.events.throttleRecovered();
  }
}
