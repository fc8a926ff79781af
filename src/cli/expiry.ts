// `--expires`: how long an app password is good for, or until when.

import { UsageError } from '../lib/errors.ts';
import { parseMoment } from './moment.ts';
import { quoted } from './output.ts';

/** Milliseconds: past that, leave it out. */
const MOST = 100 * 366 * 86_400_000;

/**
 * Reads `90d` (from `now`) or an ISO 8601 date, which stands for its first moment in UTC, or an ISO date and time with its
 * zone; gives milliseconds since the epoch. Throws UsageError for anything else, for the past and for more than a century.
 */
export function parseExpiry(text: string, now: number): number {
  const at = parseMoment(text, now, 'ahead');
  const shown = quoted(text);
  if (at === undefined) {
    throw new UsageError(
      `--expires ${shown}: it would be a time to live such as 90d or 12h, or a date such as 2027-12-31`,
    );
  }
  if (at <= now) throw new UsageError(`--expires ${shown}: that lies in the past`);
  if (at - now > MOST)
    throw new UsageError(`--expires ${shown}: at most a century; leave it out for no expiry`);
  return at;
}
