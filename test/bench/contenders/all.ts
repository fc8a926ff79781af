// All contenders at once: one that has no turn costs nothing.

import type { Site } from '../site.ts';
import { startBareNode } from './bare-node.ts';
import type { Contender } from './contender.ts';
import { startDovecot } from './dovecot.ts';
import { startHaproxy } from './haproxy.ts';
import { startNginx } from './nginx.ts';
import { startPostern } from './postern.ts';

/** In the order of the report. */
export const STARTERS = [startPostern, startNginx, startDovecot, startHaproxy, startBareNode] as const;

export interface Contenders extends AsyncDisposable {
  readonly all: readonly Contender[];
  /** Each once, another one first in each round. */
  turns(round: number): readonly Contender[];
}

export async function startContenders(site: Site): Promise<Contenders> {
  await using stack = new AsyncDisposableStack();
  const all: Contender[] = [];
  for (const start of STARTERS) all.push(stack.use(await start(site)));
  const started = stack.move();
  return {
    all,
    turns(round) {
      const first = round % all.length;
      return [...all.slice(first), ...all.slice(0, first)];
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}
