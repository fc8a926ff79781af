// CPU ms per login and logins/s: connect, greeting, LOGIN, one NOOP, LOGOUT. All contenders run, and take turns in each round.

import { startContenders } from '../contenders/all.ts';
import type { LoginsJob, Target } from '../load/jobs.ts';
import { pause, type Run, weigh } from '../run.ts';
import { WARM } from '../site.ts';
import { startGenerator } from '../worker-process.ts';

interface Variant {
  readonly name: string;
  readonly tls: Target['tls'];
  readonly resume: boolean;
  readonly groups?: string;
}

const RSA: readonly Variant[] = [
  { name: 'TLS, RSA 2048', tls: 'implicit', resume: false },
  { name: 'TLS, RSA 2048, resumed', tls: 'implicit', resume: true },
  { name: 'STARTTLS, RSA 2048', tls: 'starttls', resume: false },
  // What today's OpenSSL and browsers offer first. Debian's OpenSSL 3.0 does not know it and takes X25519.
  {
    name: 'TLS, RSA 2048, X25519MLKEM768 offered',
    tls: 'implicit',
    resume: false,
    groups: 'X25519MLKEM768:X25519',
  },
  { name: 'plain', tls: 'none', resume: false },
];
const ECDSA: readonly Variant[] = [{ name: 'TLS, ECDSA P-256', tls: 'implicit', resume: false }];

export async function login(run: Run): Promise<void> {
  run.note(
    'login: Postern takes no password in clear, HAProxy knows no STARTTLS, and the bare Node neither, so those have no numbers; the bare Node is the least that a proxy in Node.js can be (test/bench/contenders/bare-node-main.ts): it checks nothing, writes no log and asks the upstream for nothing but the login',
  );
  await measure(run, RSA);
  await measure({ ...run, site: { ...run.site, certificate: run.site.ecdsa } }, ECDSA);
}

async function measure(run: Run, variants: readonly Variant[]): Promise<void> {
  await using contenders = await startContenders(run.site);
  await using generator = startGenerator();
  const job = (target: Target, count: number, resume: boolean): LoginsJob => ({
    kind: 'logins',
    target,
    users: WARM,
    password: run.site.password,
    count,
    concurrency: 16,
    resume,
    deadline: 120_000,
  });
  for (const { targets } of contenders.all) {
    await generator.run(job(targets.implicit!, run.quick ? 500 : 4000, false));
  }
  for (let round = 0; round < run.rounds; round++) {
    for (const { name: variant, tls, resume, groups } of variants) {
      for (const contender of contenders.turns(round)) {
        const found = contender.targets[tls];
        if (found === undefined) continue;
        const target = groups === undefined ? found : { ...found, groups };
        const count = run.quick ? 300 : 2000;
        await generator.run(job(target, 100, resume));
        await pause(100);
        const { result, cpu, generatorCpu } = await weigh(contender, generator, job(target, count, resume));
        const add = (metric: string, value: number) =>
          run.measurements.add({ case: 'login', variant, contender: contender.name, metric }, value);
        add('CPU ms per login', cpu / result.done);
        add('logins/s', (1000 * result.done) / result.wall);
        add('of one core busy', cpu / result.wall);
        add('generator: of one core busy', generatorCpu / result.wall);
        if (resume) add('resumed', result.resumed / result.done);
        run.progress(`${variant} ${contender.name}`);
      }
    }
  }
}
