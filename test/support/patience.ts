// How long a test waits for what has to happen. Machines are busy, and a test must not fail for that: only what hangs is not there
// when this is over. What a test says of time, it says of orders, counts and a clock of its own.

/**
 * For one thing that has to happen, in milliseconds. Well under a test's own limit (vitest.config.ts), so that what is said is what
 * was waited for, and no longer than Postern's own deadlines unless a test makes them short.
 */
export const PATIENCE = 30_000;

/** For a program to start, to end, or to do all that it does, in milliseconds. */
export const PROGRAM_PATIENCE = 120_000;

/** Asks every 20 ms until there is an answer; undefined if there is none before patience is over. */
export async function eventually<T>(
  ask: () => Promise<T | undefined> | T | undefined,
  patience = PATIENCE,
): Promise<T | undefined> {
  for (const end = performance.now() + patience; ; ) {
    const answer = await ask();
    if (answer !== undefined || performance.now() > end) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until it is so; the error after that says what was waited for. */
export async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  const answer = await eventually(async () => (await isSo()) || undefined);
  if (answer === undefined) throw new Error(`not within ${PATIENCE / 1000} s: ${what}`);
}

/**
 * Waits until what is counted has begun to move and then has stood still for 300 ms: buffers are full, say. That a busy machine can
 * make it look so sooner is no harm to a test of how much there is at most.
 */
export async function comesToRest(count: () => number): Promise<void> {
  await until('it moves', () => count() > 0);
  for (let before = -1; count() !== before; ) {
    before = count();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
