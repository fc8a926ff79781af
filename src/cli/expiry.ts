// `--expires`: how long an app password is good for, or until when.

import { parseDuration } from '../lib/duration.ts';
import { UsageError } from '../lib/errors.ts';
import { quoted } from './output.ts';

const ISO_DATE = /^(\d{4})-(\d{2})-(\d{2})(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?$/;
/** Milliseconds: past that, leave it out. */
const MOST = 100 * 366 * 86_400_000;

/**
 * Reads `90d` (from `now`) or an ISO 8601 date, which stands for its first moment in UTC, or an ISO date and time with its
 * zone; gives milliseconds since the epoch. Throws UsageError for anything else, for the past and for more than a century.
 */
export function parseExpiry(text: string, now: number): number {
  const at = parseTime(text, now);
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

function parseTime(text: string, now: number): number | undefined {
  const duration = parseDuration(text);
  if (duration !== undefined) return now + duration;
  const match = ISO_DATE.exec(text);
  if (match === null) return undefined;
  // Date reads February 30th as March 2nd: the day must come back as it went in.
  const date = text.slice(0, 10);
  const day = Date.parse(`${date}T00:00:00Z`);
  if (Number.isNaN(day) || new Date(day).toISOString().slice(0, 10) !== date) return undefined;
  const at = Date.parse(match[4] === undefined ? `${date}T00:00:00Z` : text);
  return Number.isNaN(at) ? undefined : at;
}
