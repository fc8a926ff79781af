// What the gate costs: a login that needs an argon2id verification, one that does not, users with many records, and wrong
// guesses. Beside it the bare verification, and a Dovecot that has argon2id hashes in a file.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from '../contenders/contender.ts';
import { startDovecot } from '../contenders/dovecot.ts';
import { startPostern } from '../contenders/postern.ts';
import { type Redis, startRedis } from '../contenders/redis.ts';
import type { LoginsJob, Users } from '../load/jobs.ts';
import { pause, type Run, weigh } from '../run.ts';
import { COLD_COUNT, coldUsers, RECORDS, WARM } from '../site.ts';
import { type Generator, startGenerator, startYardstick } from '../worker-process.ts';

/** So that nothing but the gate itself holds a guess up. It does all its steps, counting included. */
export const NO_BLOCKS = {
  limits: { attemptsPerConnection: 100 },
  throttle: {
    failureDelay: '0ms',
    attempts: { most: 1_000_000_000 },
    network: { distinct: 1_000_000 },
    networkAndUser: { distinct: 1_000_000 },
  },
};
/** Fewer than `attemptsPerConnection`, so that the generator hangs up first. */
export const GUESSES_PER_CONNECTION = 99;

export async function gate(run: Run): Promise<void> {
  run.note(
    'gate: wrong guesses with limits.attemptsPerConnection 100, throttle.failureDelay 0 and limits of a million; a new TLS connection every 99 guesses is in their cost',
  );
  const redisIsKnown = 'redis' in schema().properties;
  if (!redisIsKnown) run.note('gate: this Postern has no redis section yet, so there is no case with Redis');
  for (let round = 0; round < run.rounds; round++) {
    await yardstick(run);
    await posternLogins(run);
    await posternGuesses(run, 'memory');
    if (redisIsKnown) await posternGuesses(run, 'Redis');
    await dovecot(run);
    run.progress(`round ${round + 1}`);
  }
}

function schema(): { properties: Record<string, unknown> } {
  const file = join(import.meta.dirname, '..', '..', '..', 'config', 'postern.schema.json');
  return JSON.parse(readFileSync(file, 'utf8'));
}

async function yardstick(run: Run): Promise<void> {
  await using stick = startYardstick();
  const cpu = await stick.verification(run.site.hash, run.site.password, run.quick ? 50 : 300);
  run.measurements.add(
    { case: 'gate', variant: 'one argon2id verification', contender: 'yardstick', metric: 'CPU ms' },
    cpu,
  );
}

async function logins(run: Run, contender: Contender, generator: Generator, variant: string, job: LoginsJob) {
  const { result, cpu } = await weigh(contender, generator, job);
  const add = (metric: string, value: number) =>
    run.measurements.add({ case: 'gate', variant, contender: contender.name, metric }, value);
  add('CPU ms per login', cpu / result.done);
  add('logins/s', (1000 * result.done) / result.wall);
}

function loginsJob(run: Run, contender: Contender, users: Users, count: number): LoginsJob {
  return {
    kind: 'logins',
    target: contender.targets.implicit!,
    users,
    password: run.site.password,
    count,
    concurrency: 16,
    resume: false,
    deadline: 120_000,
  };
}

async function posternLogins(run: Run): Promise<void> {
  await using postern = await startPostern(run.site);
  await using generator = startGenerator();
  await generator.run(loginsJob(run, postern, WARM, run.quick ? 500 : 3000));
  await pause(200);
  const count = run.quick ? 60 : COLD_COUNT;
  for (const records of RECORDS) {
    const job = loginsJob(run, postern, coldUsers(records), count);
    await logins(run, postern, generator, `cold, ${records} record(s)`, job);
  }
  for (const records of RECORDS) {
    const job = loginsJob(run, postern, { ...coldUsers(records), count }, run.quick ? 240 : 1600);
    await logins(run, postern, generator, `warm, ${records} record(s)`, job);
  }
}

async function posternGuesses(run: Run, counted: 'memory' | 'Redis'): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const redis = counted === 'Redis' ? stack.use(await startRedis()) : undefined;
  const config = redis === undefined ? NO_BLOCKS : { ...NO_BLOCKS, redis: { url: redis.url } };
  const postern = stack.use(await startPostern(run.site, { config }));
  const generator = stack.use(startGenerator());
  await generator.run(loginsJob(run, postern, WARM, run.quick ? 300 : 1000));
  await guess(run, {
    generator,
    contender: postern,
    redis,
    count: run.quick ? 4000 : 40_000,
    variant: undefined,
  });
  const variant = `wrong guesses, counted in ${counted}`;
  await guess(run, { generator, contender: postern, redis, count: run.quick ? 4000 : 40_000, variant });
}

interface Guessing {
  readonly generator: Generator;
  readonly contender: Contender;
  readonly redis?: Redis | undefined;
  readonly count: number;
  /** Undefined: to warm up. */
  readonly variant: string | undefined;
}

async function guess(run: Run, { generator, contender, redis, count, variant }: Guessing): Promise<void> {
  const redisBefore = redis?.usage().cpu ?? 0;
  const { result, cpu } = await weigh(contender, generator, {
    kind: 'guesses',
    target: contender.targets.implicit!,
    users: WARM,
    count,
    concurrency: 20,
    perConnection: GUESSES_PER_CONNECTION,
    deadline: 120_000,
  });
  if (variant === undefined) return;
  const add = (metric: string, value: number) =>
    run.measurements.add({ case: 'gate', variant, contender: contender.name, metric }, value);
  add('CPU ms per guess', cpu / result.done);
  add('guesses/s', (1000 * result.done) / result.wall);
  if (redis !== undefined) add('CPU ms of Redis per guess', (redis.usage().cpu - redisBefore) / result.done);
}

async function dovecot(run: Run): Promise<void> {
  await using contender = await startDovecot(run.site, { passwords: 'argon2id' });
  await using generator = startGenerator();
  await generator.run(loginsJob(run, contender, WARM, 20));
  const job = loginsJob(run, contender, WARM, run.quick ? 60 : COLD_COUNT);
  await logins(run, contender, generator, 'passwd-file with argon2id', job);
  await guess(run, {
    generator,
    contender,
    count: run.quick ? 60 : 400,
    variant: 'wrong guesses, passwd-file with argon2id',
  });
}
