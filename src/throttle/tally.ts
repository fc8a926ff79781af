// A count of events in a window that starts with its first event.

export interface Tally {
  count: number;
  /** When the window started, in milliseconds on the monotonic clock. */
  since: number;
}

/** Adds one, in a new window if the last one is over; gives the count. */
export function add(tally: Tally, now: number, window: number): number {
  if (isOver(tally, now, window)) {
    tally.since = now;
    tally.count = 0;
  }
  return ++tally.count;
}

export function isOver(tally: Tally, now: number, window: number): boolean {
  return now - tally.since >= window;
}
