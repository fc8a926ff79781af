// What everyone else notices while somebody guesses as fast as they can, and while many logins wait for argon2id: the time of a warm
// login, and of a NOOP in a live session.

import { startPostern } from '../contenders/postern.ts';
import type { ProbeJob } from '../load/jobs.ts';
import { pause, type Run } from '../run.ts';
import { COLD_COUNT, coldUsers, RECORDS, WARM } from '../site.ts';
import { percentile } from '../statistics.ts';
import { startGenerator } from '../worker-process.ts';
import { GUESSES_PER_CONNECTION, NO_BLOCKS } from './gate.ts';

const CONNECTIONS = 200;
/** Stays below `appPasswords.hash.queue`. */
const WAITING = 200;

export async function fairness(run: Run): Promise<void> {
  run.note(
    'fairness: with the settings of the wrong guesses above; the generator of the load runs at a lower priority (nice 10) than Postern and the probe',
  );
  for (let round = 0; round < run.rounds; round++) {
    await measure(run);
    run.progress(`round ${round + 1}`);
  }
}

async function measure(run: Run): Promise<void> {
  await using postern = await startPostern(run.site, { config: NO_BLOCKS });
  await using probe = startGenerator();
  const target = postern.targets.implicit!;
  const time = run.quick ? 2000 : 6000;
  const { password } = run.site;
  const job: ProbeJob = {
    kind: 'probe',
    target,
    users: WARM,
    password,
    time,
    pause: 5,
    deadline: time + 60_000,
  };
  await probe.run({
    kind: 'logins',
    target,
    users: WARM,
    password,
    count: run.quick ? 500 : 3000,
    concurrency: 16,
    resume: false,
    deadline: 120_000,
  });
  const look = async (variant: string, work: ProbeJob) => {
    const { latencies, noops } = await probe.run(work);
    for (const [metric, values] of [
      ['warm login', latencies],
      ['NOOP', noops],
    ] as const) {
      for (const percent of [50, 99]) {
        run.measurements.add(
          { case: 'fairness', variant, contender: 'postern', metric: `${metric}, ms, p${percent}` },
          percentile(values, percent),
        );
      }
    }
  };

  await probe.run({ ...job, time: 1000 });
  await look('quiet', job);
  {
    await using flood = startGenerator({ nice: true });
    const over = flood
      .try({
        kind: 'guesses',
        target,
        users: WARM,
        count: 100_000_000,
        concurrency: CONNECTIONS,
        perConnection: GUESSES_PER_CONNECTION,
        deadline: time + 60_000,
      })
      .catch(() => undefined);
    await pause(1000);
    const before = postern.usage().cpu;
    await look(`${CONNECTIONS} connections guess`, job);
    run.measurements.add(
      {
        case: 'fairness',
        variant: `${CONNECTIONS} connections guess`,
        contender: 'postern',
        metric: 'of one core busy',
      },
      (postern.usage().cpu - before) / time,
    );
    await flood[Symbol.asyncDispose]();
    await over;
  }
  await pause(1000);
  await using cold = startGenerator({ nice: true });
  let isOver = false;
  const queue = (async () => {
    for (const records of RECORDS) {
      await cold.run({
        kind: 'logins',
        target,
        users: coldUsers(records),
        password,
        count: COLD_COUNT,
        concurrency: WAITING,
        resume: false,
        deadline: 120_000,
      });
    }
    isOver = true;
  })();
  await pause(300);
  const coldTime = run.quick ? 1000 : 3500;
  await look(`${WAITING} cold logins wait`, { ...job, time: coldTime });
  if (isOver)
    run.note('fairness: the cold logins were done before the probe was: those numbers are too good');
  await queue;
}
