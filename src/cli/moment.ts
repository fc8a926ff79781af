// Moments on the command line: `90d` from now or ago, or an ISO 8601 date.

import { parseDuration } from '../lib/duration.ts';
import { UsageError } from '../lib/errors.ts';
import { quoted } from './output.ts';

const ISO_DATE = /^(\d{4})-(\d{2})-(\d{2})(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?$/;

/**
 * Reads `90d`, counted from `now` into the future or the past, or a date, which stands for its first moment in UTC, or a date and time
 * with its zone; gives milliseconds since the epoch, undefined for anything else.
 */
export function parseMoment(text: string, now: number, direction: 'ahead' | 'ago'): number | undefined {
  const duration = parseDuration(text);
  if (duration !== undefined) return direction === 'ahead' ? now + duration : now - duration;
  const match = ISO_DATE.exec(text);
  if (match === null) return undefined;
  // Date reads February 30th as March 2nd: the day must come back as it went in.
  const date = text.slice(0, 10);
  const day = Date.parse(`${date}T00:00:00Z`);
  if (Number.isNaN(day) || new Date(day).toISOString().slice(0, 10) !== date) return undefined;
  const at = Date.parse(match[4] === undefined ? `${date}T00:00:00Z` : text);
  return Number.isNaN(at) ? undefined : at;
}

/** `--since`: a moment in the past. Throws UsageError. */
export function parseSince(text: string, now: number): number {
  const at = parseMoment(text, now, 'ago');
  const shown = quoted(text);
  if (at === undefined) {
    throw new UsageError(
      `--since ${shown}: it would be how long ago, such as 7d, or a date such as 2026-12-01`,
    );
  }
  if (at > now) throw new UsageError(`--since ${shown}: that lies in the future`);
  return at;
}

/** An option that is a length of time, such as `--unused-for 90d`; milliseconds. Throws UsageError. */
export function parseLength(option: string, text: string): number {
  const length = parseDuration(text);
  if (length !== undefined) return length;
  throw new UsageError(`${option} ${quoted(text)}: it would be a length of time such as 90d or 12h`);
}
