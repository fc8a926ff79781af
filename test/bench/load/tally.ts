// What all of a generator's jobs have in common: what is counted, who logs in, and from where.

import type { Result, Users } from './jobs.ts';

/** Own addresses, 127.1.0.1 and on: enough for no default limit of Postern on one network to be met. */
const ADDRESSES = 200;

let nextAddress = 0;

export class Tally {
  readonly latencies: number[] = [];
  readonly noops: number[] = [];
  done = 0;
  failed = 0;
  resumed = 0;
  octets = 0;
  failure: string | null = null;
  readonly #startedAt = performance.now();

  fails(error: unknown): void {
    this.failed += 1;
    this.failure ??= error instanceof Error ? error.message : String(error);
  }

  result(): Result {
    const { done, failed, resumed, octets, failure, latencies, noops } = this;
    return {
      done,
      failed,
      resumed,
      octets,
      failure,
      latencies,
      noops,
      wall: performance.now() - this.#startedAt,
      at: Date.now(),
    };
  }
}

export function address(): string {
  nextAddress = (nextAddress + 1) % ADDRESSES;
  return `127.1.0.${nextAddress + 1}`;
}

export function nameOf({ prefix, from, count }: Users, i: number): string {
  return `${prefix}${from + (i % count)}`;
}

export function userOf(users: Users, i: number): string {
  return `${nameOf(users, i)}@example.com`;
}

/** Runs `work(i)` for 0 to count - 1, so many at a time. One that fails is counted, and the others go on. */
export async function inParallel(
  { count, concurrency }: { count: number; concurrency: number },
  tally: Tally,
  work: (i: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  async function worker() {
    while (next < count) {
      const i = next++;
      try {
        await work(i);
      } catch (error) {
        tally.fails(error);
        // A contender that is down should not be called a million times.
        if (tally.failed > 100 && tally.failed > tally.done) next = count;
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(count, concurrency) }, worker));
}
