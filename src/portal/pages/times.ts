// Times in pages. The server knows neither the reader's time zone nor, for sure, their locale: it writes how long ago something
// was, which is the same everywhere, and the date in UTC by the browser's first language. The script puts both into the reader's own.

import { en } from '../texts.ts';

/** From how many of them on a unit is used, and its length in milliseconds. */
const UNITS = [
  ['year', 2, 31_536_000_000],
  ['month', 2, 2_592_000_000],
  ['day', 1, 86_400_000],
  ['hour', 1, 3_600_000],
  ['minute', 1, 60_000],
] as const;

/** Each gives markup. Times are milliseconds since the epoch. */
export interface Times {
  /** `2 hours ago`, `in 5 days`; the moment itself as a tooltip. */
  ago(at: number): string;
  /** `24 Nov 2026`. */
  date(at: number): string;
  /** `24 Nov 2026, 10:15 UTC`. */
  moment(at: number): string;
}

export function timesFor(now: number, acceptLanguage?: string): Times {
  const locale = localeOf(acceptLanguage);
  const date = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeZone: 'UTC' });
  const moment = new Intl.DateTimeFormat(locale, {
    dateStyle: 'medium',
    timeStyle: 'short',
    timeZone: 'UTC',
  });
  const tag = (at: number, kind: string, text: string) =>
    `<time datetime="${new Date(at).toISOString()}" data-time="${kind}"${
      kind === 'ago' ? ` title="${escaped(moment.format(at))} UTC"` : ''
    }>${escaped(text)}</time>`;
  return {
    ago: (at) => tag(at, 'ago', relative(at - now)),
    date: (at) => tag(at, 'date', date.format(at)),
    moment: (at) => tag(at, 'moment', `${moment.format(at)} UTC`),
  };
}

const format = new Intl.RelativeTimeFormat(en.language, { numeric: 'auto' });

function relative(difference: number): string {
  for (const [unit, from, length] of UNITS) {
    if (Math.abs(difference) >= from * length) return format.format(Math.trunc(difference / length), unit);
  }
  return format.format(0, 'second');
}

/** The first language that the browser asks for, if it is one; English of Europe for what is none. */
function localeOf(acceptLanguage = ''): string {
  const first = /^\s*([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3})\s*(?:[,;]|$)/.exec(acceptLanguage)?.[1];
  if (first === undefined) return 'en-GB';
  try {
    return Intl.DateTimeFormat.supportedLocalesOf(first)[0] ?? 'en-GB';
  } catch {
    return 'en-GB';
  }
}

const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
