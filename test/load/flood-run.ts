// A flood against the real program before a real Dovecot, and what clients that mean well notice of it: first without the
// flood, then with it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { parseUser } from '../../src/lib/user.ts';
import { openKeys } from '../../src/passwords/keys-file.ts';
import { createPasswords } from '../../src/passwords/service.ts';
import { openStore } from '../../src/store/open.ts';
import { type Chain, startPosternBeforeDovecot } from '../support/postern-before-dovecot.ts';
import { ledger } from '../support/secrets-ledger.ts';
import type { CrowdOptions, CrowdReport } from './crowd.ts';
import type { LoginTime, ProbeOptions, ProbeReport } from './probe.ts';
import { startWorker, type Worker } from './worker.ts';

export interface FloodOptions {
  /** Seconds without the flood, before it and after it; and with it. */
  readonly quiet: number;
  readonly seconds: number;
  readonly silent: number;
  readonly trickle: number;
  readonly guess: number;
  /** Addresses that each of the three kinds comes from, if it has as many connections. */
  readonly networks: number;
  /** Live sessions. */
  readonly sessions: number;
  /** Seconds in which it comes. */
  readonly ramp: number;
  /** Seconds after which a connection that was closed is made again, half of them more or less. */
  readonly reopen: number;
  /** YAML: the section `limits` of Postern's configuration; its defaults unless told. */
  readonly limits?: string;
}

export interface Percentiles {
  readonly count: number;
  readonly median: number;
  readonly p99: number;
  readonly most: number;
}

/** What was seen in a stretch of time. Times are in milliseconds, memory in MB of 1,000,000 bytes. */
export interface Stretch {
  readonly seconds: number;
  readonly logins: Percentiles;
  /** Each of them, in order. */
  readonly loginTimes: readonly LoginTime[];
  readonly failures: readonly string[];
  readonly noops: Percentiles;
  readonly sessionsLost: number;
  readonly memory: {
    readonly most: number;
    readonly last: number;
    readonly everyHalfSecond: readonly number[];
  };
  /** Of one core, of Postern's process: 1 is all of it. */
  readonly cpu: number;
  /** That Postern had at the end. */
  readonly connections: number;
  /** What V8 has in use, at the end: objects, and buffers outside its heap. */
  readonly heap: number;
  readonly external: number;
  readonly crowds: Readonly<Record<string, Crowd>>;
}

export interface Crowd {
  /** Most that were open at a time, as the crowd saw it. */
  readonly open: number;
  readonly opened: number;
  readonly closed: number;
  readonly refused: number;
  readonly throttled: number;
  readonly admitted: number;
}

export interface FloodResult {
  readonly options: FloodOptions;
  readonly quiet: Stretch;
  readonly flood: Stretch;
  /** When it is over. */
  readonly after: Stretch;
  /** What Postern counted: connections closed for a limit. */
  readonly rejected: Readonly<Record<string, number>>;
}

/** Connections that one process of a crowd makes: half of what a common limit on file descriptors allows. */
const PER_PROCESS = 5000;
const BOUNDS = ['connections', 'perNetwork', 'beforeLogin', 'fileDescriptors'];

/** Runs it, in twice `quiet` + `seconds` and some seconds more. Leaves nothing running. */
export async function flood(options: FloodOptions, log: (line: string) => void): Promise<FloodResult> {
  await using started = new AsyncDisposableStack();
  await using crowd = new AsyncDisposableStack();
  const chain = started.use(
    await startPosternBeforeDovecot({
      config: `
throttle: {}
limits: ${options.limits ?? '{}'}
log: { level: warn }
`,
    }),
  );
  const logins = await appPasswords(chain, Math.ceil(2 * options.quiet + options.seconds) + 5);
  const { ports, pid } = chain.postern;
  const ca = chain.pki.ca.cert;
  const probe = started.use(
    await startWorker<ProbeReport>('probe.ts', {
      port: ports.imaps,
      ca,
      logins,
      sessions: options.sessions,
    } satisfies ProbeOptions),
  );

  log(`${options.quiet} s without the flood`);
  const quiet = await watch(options.quiet, chain, probe, new Map());
  const crowds = new Map<string, Worker<CrowdReport>[]>();
  let firstNetwork = 0;
  for (const kind of ['silent', 'trickle', 'guess'] as const) {
    const processes = Math.ceil(options[kind] / PER_PROCESS);
    const workers: Worker<CrowdReport>[] = [];
    for (let i = 0; i < processes; i++) {
      const count = Math.floor(options[kind] / processes);
      const networks = Math.max(1, Math.min(count, Math.floor(options.networks / processes)));
      const times = { ramp: options.ramp * 1000, reopenAfter: options.reopen * 1000 };
      const some = { kind, count, networks, firstNetwork, ports, ca, ...times } satisfies CrowdOptions;
      workers.push(crowd.use(await startWorker<CrowdReport>('crowd.ts', some)));
      firstNetwork += networks;
    }
    crowds.set(kind, workers);
  }
  log(`${options.seconds} s with it, Postern is process ${pid}`);
  const during = await watch(options.seconds, chain, probe, crowds);
  await crowd.disposeAsync();
  log(`${options.quiet} s when it is over`);
  const after = await watch(options.quiet, chain, probe, new Map());
  const metrics = await chain.postern.metrics();
  const rejected = Object.fromEntries(
    BOUNDS.map((limit) => [limit, metrics.value('postern_connections_rejected_total', { limit }) ?? 0]),
  );
  return { options, quiet, flood: during, after, rejected };
}

/** Made in the store directly, a few for each of as many users as it takes. */
async function appPasswords({ postern }: Chain, count: number): Promise<ProbeOptions['logins'][number][]> {
  await using store = await openStore(`sqlite:${join(postern.directory, 'postern.db')}`, {
    clock: systemClock,
  });
  const keys = await openKeys({ file: join(postern.directory, 'keys.json'), store });
  const hash = { memoryKiB: 19_456, passes: 2, lanes: 1 };
  const limits = { maxPerUser: 40 };
  const passwords = createPasswords({ store, keys, hash, clock: systemClock, limits });
  const made: ProbeOptions['logins'][number][] = [];
  for (let i = 0; i < count; i++) {
    const user = i < 20 ? 'alice@example.com' : `user${Math.floor(i / 20)}@example.com`;
    const { password } = await passwords.create({ user: parseUser(user)!, name: `device ${i}` });
    made.push({ user, password: ledger(password.reveal()) });
  }
  return made;
}

async function watch(
  seconds: number,
  { postern }: Chain,
  probe: Worker<ProbeReport>,
  crowds: ReadonlyMap<string, readonly Worker<CrowdReport>[]>,
): Promise<Stretch> {
  const logins: LoginTime[] = [];
  const noops: number[] = [];
  const failures: string[] = [];
  const memory: number[] = [];
  const seen = new Map<string, Crowd>();
  let sessionsLost = 0;
  await probe.report();
  const cpu = cpuSeconds(postern.pid);
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(500, until - performance.now())));
    memory.push(residentMegabytes(postern.pid));
    const report = await probe.report();
    logins.push(...report.logins);
    noops.push(...report.noops);
    failures.push(...report.failures);
    sessionsLost += report.lost;
    for (const [kind, workers] of crowds) {
      seen.set(kind, added(seen.get(kind), await Promise.all(workers.map((worker) => worker.report()))));
    }
  }
  const cpuUsed = (cpuSeconds(postern.pid) - cpu) / ((performance.now() - startedAt) / 1000);
  // Now that nothing is measured: reading all metrics costs it some milliseconds.
  const metrics = await postern.metrics();
  const megabytes = (name: string) => Math.round((metrics.value(name) ?? 0) / 1e6);
  return {
    seconds,
    logins: percentiles(logins.map(({ ok }) => ok)),
    loginTimes: logins.map(({ tls, ok }) => ({ tls: Math.round(tls), ok: Math.round(ok) })),
    failures,
    noops: percentiles(noops),
    sessionsLost,
    memory: { most: Math.max(...memory), last: memory.at(-1) ?? 0, everyHalfSecond: memory.map(Math.round) },
    cpu: cpuUsed,
    connections: metrics.value('postern_connections') ?? 0,
    heap: megabytes('nodejs_heap_size_used_bytes'),
    external: megabytes('nodejs_external_memory_bytes'),
    crowds: Object.fromEntries(seen),
  };
}

function added(before: Crowd | undefined, reports: readonly CrowdReport[]): Crowd {
  const sum = (of: (report: CrowdReport) => number) => reports.reduce((total, each) => total + of(each), 0);
  return {
    open: Math.max(
      before?.open ?? 0,
      sum((each) => each.open),
    ),
    opened: (before?.opened ?? 0) + sum((each) => each.opened),
    closed: (before?.closed ?? 0) + sum((each) => each.closed),
    refused: (before?.refused ?? 0) + sum((each) => each.refused),
    throttled: (before?.throttled ?? 0) + sum((each) => each.throttled),
    admitted: (before?.admitted ?? 0) + sum((each) => each.admitted),
  };
}

export function percentiles(values: readonly number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  return { count: sorted.length, median: at(0.5), p99: at(0.99), most: sorted.at(-1) ?? 0 };
}

/** proc(5): VmRSS. */
function residentMegabytes(pid: number): number {
  const kibibytes = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  return (kibibytes * 1024) / 1e6;
}

/** proc(5): utime and stime, in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
