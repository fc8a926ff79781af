// `npm run load`: the flood of docs/operations.md, "Under attack". Prints a table, and with --json FILE writes all that was
// measured. Ends with 1 if a login took more than a second or failed, or a session was lost.

import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { type FloodResult, flood, type Percentiles, type Stretch } from './flood-run.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    quiet: { type: 'string', default: '15' },
    silent: { type: 'string', default: '10000' },
    trickle: { type: 'string', default: '1000' },
    guess: { type: 'string', default: '500' },
    networks: { type: 'string', default: '500' },
    sessions: { type: 'string', default: '20' },
    ramp: { type: 'string', default: '10' },
    reopen: { type: 'string', default: '5' },
    limits: { type: 'string' },
    json: { type: 'string' },
  },
});
const number = (name: Exclude<keyof typeof values, 'json' | 'limits'>) => {
  const given = Number(values[name]);
  if (Number.isFinite(given) && given >= 0) return given;
  console.error(`--${name} takes a number`);
  process.exit(64);
};

const result = await flood(
  {
    seconds: number('seconds'),
    quiet: number('quiet'),
    silent: number('silent'),
    trickle: number('trickle'),
    guess: number('guess'),
    networks: number('networks'),
    sessions: number('sessions'),
    ramp: number('ramp'),
    reopen: number('reopen'),
    ...(values.limits === undefined ? {} : { limits: values.limits }),
  },
  (line) => console.log(line),
);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
console.log(table(result));
const { failures, logins, sessionsLost } = result.flood;
for (const failure of failures.slice(0, 10)) console.log(`a login failed: ${failure}`);
process.exitCode = failures.length > 0 || logins.most > 1000 || sessionsLost > 0 ? 1 : 0;

function table({ options, rejected, ...stretches }: FloodResult): string {
  const { quiet, flood: during, after } = stretches;
  const all = (cell: (stretch: Stretch) => string) => [quiet, during, after].map(cell);
  const times = ({ count, median, p99, most }: Percentiles) =>
    `${median.toFixed(0)} / ${p99.toFixed(0)} / ${most.toFixed(0)} ms (${count})`;
  const crowds = Object.entries(during.crowds).map(([kind, crowd]) => [
    `${kind}: ${options[kind as 'silent' | 'trickle' | 'guess']}`,
    '',
    [
      `${crowd.open} open at most, ${crowd.opened} made, ${crowd.closed} closed`,
      ...(kind === 'guess'
        ? [`${crowd.refused} refused, ${crowd.throttled} throttled, ${crowd.admitted} admitted`]
        : []),
    ].join(', '),
    '',
  ]);
  const limits = Object.entries(rejected).map(([limit, count]) => `${limit} ${count}`);
  const rows = [
    ['', 'before', 'during the flood', 'after'],
    ['---', '---', '---', '---'],
    ['login on a new connection: median / p99 / most (count)', ...all(({ logins }) => times(logins))],
    ['logins that failed', ...all(({ failures }) => String(failures.length))],
    ['NOOP in a live session: median / p99 / most (count)', ...all(({ noops }) => times(noops))],
    ['sessions lost', ...all(({ sessionsLost }) => String(sessionsLost))],
    [
      'resident memory, most / at the end',
      ...all(({ memory }) => `${memory.most.toFixed(0)} / ${memory.last.toFixed(0)} MB`),
    ],
    ['heap / external at the end', ...all(({ heap, external }) => `${heap} / ${external} MB`)],
    ['CPU of a core', ...all(({ cpu }) => `${(cpu * 100).toFixed(0)} %`)],
    ['connections at the end', ...all(({ connections }) => String(connections))],
    ...crowds,
    ['closed for a limit', '', limits.join(', '), ''],
  ];
  const machine = `${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)}, Node ${process.version}`;
  return `${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n${machine}`;
}
