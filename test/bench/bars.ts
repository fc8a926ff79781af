// What Postern promises, and whether this run keeps it. All are medians of the same run.

import type { ContenderName } from './contenders/contender.ts';
import type { Measurement, Measurements } from './measurements.ts';

export interface Bar {
  readonly what: string;
  /** What was measured, as a number that has to be at most (or at least) `limit`. */
  readonly value: number;
  readonly limit: number;
  readonly direction: 'at most' | 'at least';
  readonly holds: boolean;
}

const TLS_LOGIN = 'TLS, RSA 2048';

/** Those that this run can say something about. */
export function bars(measurements: Measurements): Bar[] {
  const found: Bar[] = [];
  const bar = (what: string, value: number | undefined, direction: Bar['direction'], limit: number) => {
    if (value === undefined || Number.isNaN(value)) return;
    found.push({
      what,
      value,
      limit,
      direction,
      holds: direction === 'at most' ? value <= limit : value >= limit,
    });
  };
  const of = (
    name: string,
    variant: string,
    metric: string,
    contender: Measurement['contender'] = 'postern',
  ) => measurements.median({ case: name, variant, metric, contender });
  const over = (name: string, variant: string, metric: string, other: ContenderName) =>
    ratio(of(name, variant, metric), of(name, variant, metric, other));

  const cpu = 'CPU ms per login';
  bar('CPU per TLS login, warm, of nginx + auth_http', over('login', TLS_LOGIN, cpu, 'nginx'), 'at most', 1);
  bar('CPU per TLS login, warm, of Dovecot', over('login', TLS_LOGIN, cpu, 'dovecot'), 'at most', 0.9);
  const rates = (['nginx', 'dovecot'] as const).map((other) => over('login', TLS_LOGIN, 'logins/s', other));
  bar(
    'logins/s over TLS, warm, of the better of the two',
    rates.some((rate) => rate === undefined) ? undefined : Math.min(...(rates as number[])),
    'at least',
    1,
  );

  const argon2id = of('gate', 'one argon2id verification', 'CPU ms', 'yardstick');
  const cold = (records: number) => of('gate', `cold, ${records} record(s)`, cpu);
  const warm = of('gate', 'warm, 1 record(s)', cpu);
  const extra = cold(1) === undefined || warm === undefined ? undefined : cold(1)! - warm;
  bar('CPU per cold login less warm login, of one argon2id', ratio(extra, argon2id), 'at most', 1.1);
  bar('CPU per cold login, 40 records of 1 record', ratio(cold(40), cold(1)), 'at most', 1.05);
  bar(
    'CPU per warm login, 40 records of 1 record',
    ratio(of('gate', 'warm, 40 record(s)', cpu), warm),
    'at most',
    1.05,
  );
  for (const counted of ['memory', 'Redis']) {
    bar(
      `CPU per wrong guess, of one argon2id (counted in ${counted})`,
      ratio(of('gate', `wrong guesses, counted in ${counted}`, 'CPU ms per guess'), argon2id),
      'at most',
      1 / 50,
    );
  }

  const quiet = of('fairness', 'quiet', 'warm login, ms, p99');
  bar(
    'p99 of a warm login while 200 connections guess, of the quiet one',
    ratio(of('fairness', '200 connections guess', 'warm login, ms, p99'), quiet),
    'at most',
    3,
  );

  for (const kind of ['download', 'upload']) {
    bar(`CPU per GB over TLS, ${kind}, of nginx`, over('bytes', kind, 'CPU s per GB', 'nginx'), 'at most', 1);
  }
  const added = over('bytes', '100-byte exchange', 'µs added, p50', 'nginx');
  bar('latency added at p50, of nginx', added, 'at most', 1.5);

  for (const variant of ['one message a connection', '60 messages a connection']) {
    const compared = (metric: string) => over('smtp', variant, metric, 'nginx');
    bar(`CPU per message of 10 KB, ${variant}, of nginx`, compared('CPU ms per message'), 'at most', 1.2);
    bar(`messages/s, ${variant}, of nginx`, compared('messages/s'), 'at least', 1);
  }
  const mail = over('smtp', 'messages of 25 MB', 'CPU s per GB', 'nginx');
  bar('CPU per GB of mail, of nginx', mail, 'at most', 1.5);

  const search = over('ldap', 'small searches', 'CPU ms per operation', 'slapd');
  bar('CPU per small LDAP search, of back-ldap', search, 'at most', 1);
  const entries = over('ldap', 'entries of 2.8 KB', 'CPU s per GB', 'slapd');
  bar('CPU per GB of LDAP entries, of back-ldap', entries, 'at most', 1);

  for (const variant of ['2000 sessions', '8000 sessions']) {
    const memory = (other: ContenderName) => over('idle', variant, 'KiB per session', other);
    bar(`KiB per idle TLS session, ${variant}, of nginx`, memory('nginx'), 'at most', 1.8);
    bar(`KiB per idle TLS session, ${variant}, of Dovecot`, memory('dovecot'), 'at most', 1);
  }
  return found;
}

function ratio(value: number | undefined, of: number | undefined): number | undefined {
  return value === undefined || of === undefined ? undefined : value / of;
}
