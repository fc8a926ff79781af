// A bound on how often: token buckets by key, in this process. What is over it is answered at once and costs next to nothing, so
// that a flood of the portal does not reach the mail logins that share the process.

import type { Clock } from '../lib/clock.ts';
import { BoundedMap } from '../throttle/bounded-map.ts';

export interface Rate {
  /** So many at once … */
  readonly burst: number;
  /** … and so many in a second from then on. */
  readonly perSecond: number;
}

const MOST_KEYS = 20_000;

export class Buckets {
  readonly #rate: Rate;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #levels = new BoundedMap<{ left: number; at: number }>(MOST_KEYS);

  constructor(rate: Rate, clock: Pick<Clock, 'monotonic'>) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** Whether one more is within the rate; counts it if so. */
  take(key: string): boolean {
    const { burst, perSecond } = this.#rate;
    const now = this.#clock.monotonic();
    const level = this.#levels.touch(key) ?? { left: burst, at: now };
    const left = Math.min(burst, level.left + ((now - level.at) / 1000) * perSecond);
    const isWithin = left >= 1;
    this.#levels.set(key, { left: isWithin ? left - 1 : left, at: now });
    return isWithin;
  }
}
