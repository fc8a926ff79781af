// Time as an argument, so that tests need no sleeping and no patching.

import { performance } from 'node:perf_hooks';

export interface Clock {
  /** Wall time in milliseconds since the Unix epoch: for dates that are stored or shown. */
  now(): number;
  /** Milliseconds that only ever go forward, with fractions: for deadlines and durations. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
