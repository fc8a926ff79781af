// How many different fingerprints were seen within a window that slides. It holds at most as many as the limit, and a
// repeated one costs nothing but its new date: a device that repeats a stale password for a week is one fingerprint.

import type { Limit } from './throttle.ts';

export class DistinctCounter {
  readonly #seen = new Map<string, number>();
  #latest = 0;

  /**
   * Notes a fingerprint at `now` (milliseconds, never going back). True when it is the one that makes the limit full;
   * the caller then drops this counter.
   */
  add(fingerprint: string, now: number, limit: Limit): boolean {
    this.#latest = now;
    this.#seen.set(fingerprint, now);
    if (this.#seen.size < limit.distinct) return false;
    for (const [other, at] of this.#seen) {
      if (now - at >= limit.window) this.#seen.delete(other);
    }
    return this.#seen.size >= limit.distinct;
  }

  /** True when nothing that it holds counts any more. */
  isExpired(now: number, limit: Limit): boolean {
    return now - this.#latest >= limit.window;
  }

  /** Fingerprints held, expired ones among them. */
  get held(): number {
    return this.#seen.size;
  }
}
