// What a byte costs after login: a long download, a long upload, and the time that a proxy adds to a short exchange.

import { startContenders } from '../contenders/all.ts';
import type { Target } from '../load/jobs.ts';
import { pause, type Run, weigh } from '../run.ts';
import { WARM } from '../site.ts';
import { percentile } from '../statistics.ts';
import { type Generator, startGenerator } from '../worker-process.ts';

const GB = 1_000_000_000;

export async function bytes(run: Run): Promise<void> {
  run.note(
    'bytes: GB is 10^9 bytes; latency added is that of 100-byte exchanges over TLS less that of the same in clear at the upstream itself, the percentiles taken before',
  );
  const users = { users: WARM, password: run.site.password, deadline: 300_000 };
  await using contenders = await startContenders(run.site);
  await using generator = startGenerator();
  for (const { targets } of contenders.all) {
    const target = targets.implicit!;
    await generator.run({ kind: 'download', target, bytes: GB / 5, ...users });
    await generator.run({ kind: 'echo', target, count: 2000, ...users });
  }
  const direct: Target = { port: run.site.upstreamPort, tls: 'none' };
  await generator.run({ kind: 'echo', target: direct, count: 2000, ...users });
  for (let round = 0; round < run.rounds; round++) {
    for (const [kind, size] of [
      ['download', 2],
      ['upload', 1],
    ] as const) {
      for (const contender of contenders.turns(round)) {
        const amount = run.quick ? (size * GB) / 10 : size * GB;
        const target = contender.targets.implicit!;
        const { result, cpu } = await weigh(contender, generator, { kind, target, bytes: amount, ...users });
        const add = (metric: string, value: number) =>
          run.measurements.add({ case: 'bytes', variant: kind, contender: contender.name, metric }, value);
        add('CPU s per GB', cpu / 1000 / (amount / GB));
        add('MB/s', amount / 1000 / result.latencies[0]!);
        run.progress(`${kind} ${contender.name}`);
      }
    }
    await pause(200);
    const floor = await exchange(run, generator, direct);
    for (const contender of contenders.turns(round)) {
      const times = await exchange(run, generator, contender.targets.implicit!);
      for (const percent of [50, 99]) {
        run.measurements.add(
          {
            case: 'bytes',
            variant: '100-byte exchange',
            contender: contender.name,
            metric: `µs added, p${percent}`,
          },
          1000 * (percentile(times, percent) - percentile(floor, percent)),
        );
      }
    }
  }
}

async function exchange(run: Run, generator: Generator, target: Target): Promise<readonly number[]> {
  const { latencies } = await generator.run({
    kind: 'echo',
    target,
    users: WARM,
    password: run.site.password,
    count: run.quick ? 1000 : 5000,
    deadline: 60_000,
  });
  return latencies;
}
