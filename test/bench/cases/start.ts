// Time from exec to the first accepted login, which is tried for every few milliseconds.

import { startDovecot } from '../contenders/dovecot.ts';
import { startHaproxy } from '../contenders/haproxy.ts';
import { startNginx } from '../contenders/nginx.ts';
import { startPostern } from '../contenders/postern.ts';
import type { Run } from '../run.ts';
import { WARM } from '../site.ts';
import { startGenerator } from '../worker-process.ts';

export async function start(run: Run): Promise<void> {
  const options = { waits: false };
  const starters = [
    () => startPostern(run.site, options),
    () => startNginx(run.site, options),
    () => startDovecot(run.site, options),
    () => startHaproxy(run.site, options),
  ];
  await using generator = startGenerator();
  for (let round = 0; round < run.rounds; round++) {
    for (const starter of starters) {
      await using contender = await starter();
      const { at } = await generator.run({
        kind: 'first login',
        target: contender.targets.implicit!,
        users: WARM,
        password: run.site.password,
        deadline: 30_000,
      });
      run.measurements.add(
        { case: 'start', variant: 'exec to first login', contender: contender.name, metric: 'ms' },
        at - contender.executedAt,
      );
    }
  }
  run.progress('done');
}
