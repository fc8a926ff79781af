// `npm run bench`: Postern beside nginx's mail proxy, Dovecot's login proxy, HAProxy, and slapd's proxy. See docs/performance.md.
//
//   npm run bench                      everything; about half an hour; docs/performance.md gets the result
//   npm run bench -- --case login      one case: login, gate, bytes, smtp, ldap, idle, fairness or start; may be repeated
//   npm run bench -- --rounds 9        5 unless told
//   npm run bench -- --quick           a tenth of the work in one round: to see that it runs, not to be quoted
//   npm run bench -- --profile DIR     Postern writes CPU profiles there (node --cpu-prof); the numbers are then no good

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { provideAll } from '../support/apt.ts';
import { bytes } from './cases/bytes.ts';
import { fairness } from './cases/fairness.ts';
import { gate } from './cases/gate.ts';
import { idle } from './cases/idle.ts';
import { ldap } from './cases/ldap.ts';
import { login } from './cases/login.ts';
import { smtp } from './cases/smtp.ts';
import { start } from './cases/start.ts';
import { describeMachine, loadAverage } from './machine.ts';
import { Measurements } from './measurements.ts';
import { BENCH_PACKAGES } from './packages.ts';
import { type Report, report, tables } from './report.ts';
import type { Run } from './run.ts';
import { setUpSite } from './site.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const CASES: Readonly<Record<string, (run: Run) => Promise<void>>> = {
  login,
  gate,
  bytes,
  smtp,
  ldap,
  idle,
  fairness,
  start,
};
const RESULTS = join(ROOT, 'node_modules', '.cache', 'postern-bench');
const DOCUMENT = join(ROOT, 'docs', 'performance.md');
const MARKS = ['<!-- the last full run -->', '<!-- end of the last full run -->'] as const;

const { values: options } = parseArgs({
  options: {
    case: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
    profile: { type: 'string' },
  },
});
const unknown = options.case.filter((name) => !(name in CASES));
const rounds = options.quick ? 1 : Number(options.rounds);
if (unknown.length > 0 || !(Number.isInteger(rounds) && rounds > 0)) {
  console.error(`--case is one of ${Object.keys(CASES).join(', ')}; --rounds a number`);
  process.exit(64);
}
if (!provideAll('The bench needs', BENCH_PACKAGES)) process.exit(1);

const names = options.case.length > 0 ? options.case : Object.keys(CASES);
const startedAt = Date.now();
const machine = describeMachine();
const measurements = new Measurements();
const notes = [
  'Each contender logs to a file at its own default level; HAProxy logs nothing. nginx and Postern log in to the upstream anew for each session, as Dovecot does; HAProxy passes the client’s login on.',
];
{
  await using scope = new AsyncDisposableStack();
  progress('building Postern, making app passwords');
  const profile = options.profile === undefined ? [] : profileOptions(options.profile);
  const site = await setUpSite(scope, { posternNodeOptions: profile });
  for (const name of names) {
    const run: Run = {
      site,
      measurements,
      rounds,
      quick: options.quick,
      note: (text) => {
        if (!notes.includes(text)) notes.push(text);
      },
      progress: (text) => progress(`${name}: ${text}`),
    };
    await CASES[name]!(run);
    // Half an hour should not be lost to what goes wrong in its last minute.
    save(soFar());
  }
}

const whole = soFar();
save(whole);
console.log(tables(whole));
if (names.length === Object.keys(CASES).length && !options.quick && options.profile === undefined) {
  document(whole);
}

function soFar(): Report {
  const given = process.argv.slice(2).join(' ');
  const about = {
    command: `npm run bench${given === '' ? '' : ` -- ${given}`}`,
    finishedAt: new Date().toISOString(),
    minutes: (Date.now() - startedAt) / 60_000,
    machine: { ...machine, 'load average at the end': loadAverage() },
    rounds,
    notes,
  };
  return report(about, measurements);
}

function save(result: Report): void {
  const file = join(RESULTS, 'last.json');
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  progress('as JSON: node_modules/.cache/postern-bench/last.json');
}

/** The last full run, between the marks. */
function document(result: Report): void {
  const text = readFileSync(DOCUMENT, 'utf8');
  const [from, to] = MARKS.map((mark) => text.indexOf(mark)) as [number, number];
  if (from === -1 || to === -1) throw new Error('docs/performance.md has lost its marks');
  writeFileSync(DOCUMENT, `${text.slice(0, from + MARKS[0].length)}\n\n${tables(result)}\n${text.slice(to)}`);
}

function profileOptions(directory: string): string[] {
  mkdirSync(directory, { recursive: true });
  return ['--cpu-prof', `--cpu-prof-dir=${resolve(directory)}`];
}

function progress(text: string): void {
  process.stderr.write(`[${((Date.now() - startedAt) / 1000).toFixed(0)} s] ${text}\n`);
}
