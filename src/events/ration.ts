// A ration of warnings, for what anybody can cause without a login.

import type { Clock } from '../lib/clock.ts';

/** Warnings of one key in so many milliseconds. Anybody can cause them, thousands in a second, and must not fill the disk by it. */
const RATION = { warnings: 20, milliseconds: 10_000 } as const;

/** Whether there has been less than the ration of a key's warnings. Keys are few: listeners and words of the events. */
export function rationed(clock: Pick<Clock, 'monotonic'>): (key: string) => boolean {
  const given = new Map<string, { since: number; count: number }>();
  return (key) => {
    const now = clock.monotonic();
    let current = given.get(key);
    if (current === undefined || now - current.since >= RATION.milliseconds) {
      current = { since: now, count: 0 };
      given.set(key, current);
    }
    current.count++;
    return current.count <= RATION.warnings;
  };
}
