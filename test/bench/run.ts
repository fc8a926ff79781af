// One run: what cases get to work with.

import type { Contender } from './contenders/contender.ts';
import type { Job, Result } from './load/jobs.ts';
import type { Measurements } from './measurements.ts';
import type { Site } from './site.ts';
import type { Generator } from './worker-process.ts';

export interface Run {
  readonly site: Site;
  readonly measurements: Measurements;
  readonly rounds: number;
  /** A tenth of the work: to see that it runs, not to be quoted. */
  readonly quick: boolean;
  /** Settings that are not the defaults, and other things that a reader of the numbers has to know. */
  note(text: string): void;
  progress(text: string): void;
}

export interface Weighed {
  readonly result: Result;
  /** CPU of the contender while the job ran, milliseconds. */
  readonly cpu: number;
  /** CPU of the load generator. */
  readonly generatorCpu: number;
}

/** Lets a job run and reads what it cost the contender. */
export async function weigh(contender: Contender, generator: Generator, job: Job): Promise<Weighed> {
  const before = contender.usage().cpu;
  const generatorBefore = generator.usage().cpu;
  const result = await generator.run(job);
  const generatorCpu = generator.usage().cpu - generatorBefore;
  // What is done behind the answer (closing, logging) is part of the cost.
  await pause(150);
  return { result, cpu: contender.usage().cpu - before, generatorCpu };
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
