// One timer for all splices. Each is looked at once a second and compares its byte counts with those of a second ago, so
// that noticing idle sessions costs nothing per chunk and a fraction of a millisecond per second for ten thousand.

import type { Clock } from '../lib/clock.ts';

/** Milliseconds between two looks. */
const PERIOD = 1000;

export interface Swept {
  /** `now` in milliseconds on the monotonic clock. */
  check(now: number): void;
}

export class SpliceSweep {
  readonly #swept = new Set<Swept>();
  readonly #clock: Clock;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#swept.size;
  }

  add(swept: Swept): void {
    this.#swept.add(swept);
    // The sockets keep the process alive, not the timer.
    this.#timer ??= setInterval(() => this.look(), PERIOD).unref();
  }

  delete(swept: Swept): void {
    this.#swept.delete(swept);
    if (this.#swept.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** What the timer does. */
  look(): void {
    const now = this.#clock.monotonic();
    for (const swept of this.#swept) swept.check(now);
  }
}

const sweeps = new WeakMap<Clock, SpliceSweep>();

/** The sweep that all splices on this clock share. */
export function sweepOf(clock: Clock): SpliceSweep {
  const sweep = sweeps.get(clock) ?? new SpliceSweep(clock);
  sweeps.set(clock, sweep);
  return sweep;
}
