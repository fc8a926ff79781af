// The report of one run: tables for the terminal and for docs/performance.md, and the same as JSON.

import { type Bar, bars } from './bars.ts';
import type { Measurement, Measurements } from './measurements.ts';
import { median, spread } from './statistics.ts';

export interface Report {
  readonly command: string;
  readonly finishedAt: string;
  readonly minutes: number;
  readonly machine: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly notes: readonly string[];
  readonly measurements: readonly Measurement[];
  readonly bars: readonly Bar[];
}

export function report(about: Omit<Report, 'measurements' | 'bars'>, measurements: Measurements): Report {
  return { ...about, measurements: measurements.all, bars: bars(measurements) };
}

const COLUMNS = ['postern', 'nginx', 'dovecot', 'haproxy', 'bare Node', 'slapd'] as const;

const TITLES = {
  postern: 'Postern',
  nginx: 'nginx',
  dovecot: 'Dovecot',
  haproxy: 'HAProxy',
  'bare Node': 'bare Node',
  slapd: 'back-ldap',
};

/** In Markdown. Each number is a median, with half the range over the rounds in percent. */
export function tables({
  measurements,
  bars: promised,
  notes,
  machine,
  command,
  finishedAt,
  minutes,
  rounds,
}: Report): string {
  const lines = [
    `Command: \`${command}\`, ${rounds} rounds, ${minutes.toFixed(0)} minutes, finished ${finishedAt}.`,
    '',
    ...Object.entries(machine).map(([name, value]) => `- ${name}: ${value}`),
    '',
    'Medians of the rounds; in parentheses half of their range, in percent. The ratios are Postern / other.',
  ];
  for (const name of new Set(measurements.map((each) => each.case))) {
    lines.push('', `### ${name}`, '');
    const of = measurements.filter((each) => each.case === name);
    // Postern, and those that took part.
    const [first, ...others] = COLUMNS;
    const rivals = others.filter((contender) => of.some((each) => each.contender === contender));
    const rows = [...new Set(of.map((each) => `${each.variant}\0${each.metric}`))].map((key) => {
      const [variant, metric] = key.split('\0');
      const cells = of.filter((each) => each.variant === variant && each.metric === metric);
      const values = (contender: string) => cells.find((each) => each.contender === contender)?.values;
      const postern = values('postern');
      const yardstick = cells.find((each) => each.contender === 'yardstick')?.values;
      const columns = [first, ...rivals].map((contender) => number(values(contender)));
      const ratios = rivals.map((other) => ratio(postern, values(other)));
      return [
        variant!,
        metric!,
        ...(yardstick === undefined ? columns : [number(yardstick), ...rivals.map(() => '')]),
        ...ratios,
      ];
    });
    const names = [first, ...rivals].map((contender) => TITLES[contender]);
    const header = ['', '', ...names, ...names.slice(1).map((other) => `/ ${other}`)];
    lines.push(...table(header, rows));
  }
  if (promised.length > 0) {
    lines.push('', '### bars', '');
    lines.push(
      ...table(
        ['bar', 'measured', 'limit', ''],
        promised.map(({ what, value, direction, limit, holds }) => [
          what,
          value.toPrecision(3),
          `${direction} ${Number(limit.toPrecision(3))}`,
          holds ? 'holds' : '**does not hold**',
        ]),
      ),
    );
  }
  if (notes.length > 0) lines.push('', ...notes.map((note) => `- ${note}`));
  return `${lines.join('\n')}\n`;
}

function number(values: readonly number[] | undefined): string {
  if (values === undefined) return '';
  return `${short(median(values))} (${(100 * spread(values)).toFixed(0)})`;
}

function short(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toFixed(digits);
}

function ratio(postern: readonly number[] | undefined, other: readonly number[] | undefined): string {
  if (postern === undefined || other === undefined) return '';
  return (median(postern) / median(other)).toFixed(2);
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((name, i) => Math.max(3, name.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  return [line(header), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)];
}
