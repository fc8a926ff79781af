// How long a new app password may work, as the form offers it.

import { en } from '../texts.ts';

const DAY = 86_400_000;
const OFFERED = [7, 30, 90, 365];

export interface Lifetime {
  /** As the form sends it: `never`, or a number of days. */
  readonly key: string;
  readonly text: string;
  /** Milliseconds; null: until it is deleted. */
  readonly length: number | null;
}

/** With a longest lifetime (milliseconds) that is the last choice; without one, never ending is the first. */
export function lifetimesFor(maxLifetime: number | null): Lifetime[] {
  const offered = OFFERED.filter((days) => maxLifetime === null || days * DAY < maxLifetime).map(ofDays);
  if (maxLifetime === null) return [{ key: 'never', text: en.create.never, length: null }, ...offered];
  const most = ofDays(Math.max(1, Math.floor(maxLifetime / DAY)));
  return [...offered, { ...most, length: maxLifetime }];
}

function ofDays(days: number): Lifetime {
  return { key: String(days), text: en.create.days(days), length: days * DAY };
}
