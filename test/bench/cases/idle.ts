// KiB per idle TLS session: growth of resident size, over a contender that has served some logins.

import { STARTERS } from '../contenders/all.ts';
import { pause, type Run } from '../run.ts';
import { WARM } from '../site.ts';
import { startGenerator } from '../worker-process.ts';

/** For what is freed or given back behind the logins, in milliseconds. */
const SETTLE = 3000;
/** Starting anew each time and up to 8,000 sessions, rounds are long and differ little. */
const MOST_ROUNDS = 3;

export async function idle(run: Run): Promise<void> {
  const steps = run.quick ? [500] : [2000, 8000];
  for (let round = 0; round < Math.min(run.rounds, MOST_ROUNDS); round++) {
    for (const start of STARTERS) {
      await using contender = await start(run.site);
      await using generator = startGenerator();
      const common = {
        target: contender.targets.implicit!,
        users: WARM,
        password: run.site.password,
        deadline: 300_000,
      };
      await generator.run({ kind: 'logins', count: 500, concurrency: 16, resume: false, ...common });
      await pause(SETTLE);
      const before = contender.usage().resident;
      let held = 0;
      for (const sessions of steps) {
        await generator.run({ kind: 'hold', count: sessions - held, concurrency: 16, ...common });
        held = sessions;
        await pause(SETTLE);
        run.measurements.add(
          {
            case: 'idle',
            variant: `${sessions} sessions`,
            contender: contender.name,
            metric: 'KiB per session',
          },
          (contender.usage().resident - before) / sessions,
        );
      }
      await generator.run({ kind: 'let go', deadline: 60_000 });
      run.progress(contender.name);
    }
  }
}
