// What a stranger can tell from a refusal: nothing. Known and unknown users, wrong secrets with and without a selector
// collision, and no app password at all hear the same bytes after the same time.
//
// The time. Every kind is tried equally often in random order, so that whatever else the machine does falls on all of
// them alike. An attempt comes at a random moment of Postern's 10 ms grid of answers, so a time to answer is the delay plus
// something uniform between 0 and 10 ms plus the machine's noise, whose tails are cut off by trimming 10 % at each end.
//
// Power. A difference counts as seen if it is more than 4 standard errors, which happens by chance in 6 of 100,000
// comparisons. Attempts are made until the standard error of every difference is at most 0.145 ms: then a true difference of
// 1 ms lies 6.9 standard errors from zero, and is missed with a chance of P(Z > 2.9) = 0.2 %. Measured on two cores under
// load: 0.145 ms after 1,000 to 1,500 attempts of each kind, differences between kinds of 0.03 to 0.29 ms, and 1.07 ms for the kind below that
// really differs by 1 ms. The test takes none of that on trust: answers of that last kind are counted as 1 ms later than they
// came, and if that is not seen, the test has not the power that it claims, and fails.

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Program, startProgram } from '../support/program-before-script.ts';
import type { Transcript } from '../support/transcript.ts';

const ALICE = 'alice@example.com';
/** Milliseconds; many times what argon2id takes, as the default is. */
const DELAY = 100;
/**
 * Connections at a time, each from an address of its own, and another one in each round: budgets of verifications and places
 * for those who wait are per network.
 */
const CLIENTS = 24;
/** Attempts of each kind before the precision is looked at, and again. */
const ROUND = 250;
const MOST_ROUNDS = 12;
/** Standard errors. */
const SEEN = 4;
/** Milliseconds. */
const PRECISION = 0.145;

let program: Program;
let selectors: Set<number>;
let strangers = 0;

beforeAll(async () => {
  program = await startProgram({
    config: `
appPasswords: { hash: { memoryKiB: 7168, passes: 1 } }
throttle:
  failureDelay: ${DELAY}ms
  network: { distinct: 1000000 }
  networkAndUser: { distinct: 1000000 }
limits: { attemptsPerConnection: 100 }
log: { level: info }
`,
  });
  for (let n = 0; n < 40; n++) await program.make(ALICE);
  selectors = await program.selectors(ALICE);
});
afterAll(() => program?.[Symbol.asyncDispose]());

/** What is typed, by kind: a name and a secret. Every app password is a new one, so that nothing is remembered of it. */
const KINDS = {
  'unknown user': stranger,
  'known user, no collision': () => [ALICE, program.draw(ALICE, { selector: 'none of', selectors })],
  'known user, collision': () => [ALICE, program.draw(ALICE, { selector: 'one of', selectors })],
  'known user, no app password': () => [ALICE, 'Summer2024!Summer2024!'],
  'unknown user, answered 1 ms later': stranger,
} as const satisfies Record<string, () => readonly [user: string, secret: string]>;
type Kind = keyof typeof KINDS;
const KIND_NAMES = Object.keys(KINDS) as Kind[];
const REFERENCE: Kind = 'unknown user';
const LATER: Kind = 'unknown user, answered 1 ms later';

function stranger(): readonly [user: string, secret: string] {
  strangers += 1;
  const user = `nobody${strangers}@example.com`;
  return [user, program.draw(user, { selector: 'none of', selectors: new Set() })];
}

interface Estimate {
  readonly mean: number;
  readonly standardError: number;
}

/** The mean without the least and the greatest 10 %, and its standard error (Tukey and McLaughlin 1963). */
function trimmedMean(samples: readonly number[]): Estimate {
  const sorted = samples.toSorted((a, b) => a - b);
  const cut = Math.floor(sorted.length / 10);
  const kept = sorted.slice(cut, sorted.length - cut);
  const [least = 0, most = 0] = [kept[0], kept.at(-1)];
  const winsorized = sorted.map((value) => Math.min(Math.max(value, least), most));
  const center = average(winsorized);
  const variance =
    winsorized.reduce((sum, value) => sum + (value - center) ** 2, 0) / (winsorized.length - 1);
  return { mean: average(kept), standardError: Math.sqrt(variance / samples.length) / 0.8 };
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** By how many milliseconds each kind is answered later than the reference, with the standard error of that. */
function differences(times: ReadonlyMap<Kind, number[]>) {
  const reference = trimmedMean(times.get(REFERENCE) ?? []);
  return KIND_NAMES.filter((kind) => kind !== REFERENCE).map((kind) => {
    const { mean, standardError } = trimmedMean(times.get(kind) ?? []);
    return {
      kind,
      by: mean - reference.mean,
      standardError: Math.hypot(standardError, reference.standardError),
    };
  });
}

function shuffled<T>(items: readonly T[]): T[] {
  const keys = items.map((item) => ({ item, key: Math.random() }));
  return keys.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

/** Tries each kind `ROUND` times. */
async function round(
  number: number,
  times: ReadonlyMap<Kind, number[]>,
  answers: Set<string>,
): Promise<void> {
  // Drawn ahead: looking for a collision takes the processor.
  const drawn = KIND_NAMES.flatMap((kind) =>
    Array.from({ length: ROUND }, () => ({ kind, typed: KINDS[kind]() })),
  );
  const work = shuffled(drawn);
  const oneClient = async (localAddress: string) => {
    await using client = await program.client({ localAddress });
    for (let next = work.pop(); next !== undefined; next = work.pop()) {
      await sleep(randomInt(11));
      const [answer, time] = await attempt(client, ...next.typed);
      answers.add(answer);
      times.get(next.kind)?.push(next.kind === LATER ? time + 1 : time);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, n) => oneClient(`127.0.${number}.${10 + n}`)));
}

/** The answer without its tag, and the milliseconds that it took. */
async function attempt(client: Transcript, user: string, secret: string): Promise<[string, number]> {
  const answered = client.expect(/^\S+ (.*)$/);
  const start = performance.now();
  void client.send(`a LOGIN ${user} "${secret}"\r\n`);
  const [, answer = ''] = await answered;
  return [answer, performance.now() - start];
}

test('the same bytes and the same time; a difference of 1 ms would be seen', {
  timeout: 300_000,
}, async () => {
  const verified = await program.verifications('mismatch');
  const times = new Map<Kind, number[]>(KIND_NAMES.map((kind) => [kind, []]));
  const answers = new Set<string>();
  let found: ReturnType<typeof differences>;
  let rounds = 0;
  do {
    rounds += 1;
    await round(rounds, times, answers);
    found = differences(times);
  } while (rounds < MOST_ROUNDS && found.some(({ standardError }) => standardError > PRECISION));

  expect(answers).toEqual(new Set(['NO [AUTHENTICATIONFAILED] Authentication failed']));
  // Each collision was verified, so the kinds are what they are meant to be.
  expect((await program.verifications('mismatch')) - verified).toBe(rounds * ROUND);
  expect(Math.min(...(times.get(REFERENCE) ?? []))).toBeGreaterThan(DELAY);

  const report = found.map(
    ({ kind, by, standardError }) => `${kind}: ${by.toFixed(3)} ms ± ${standardError.toFixed(3)}`,
  );
  const told = `after ${rounds * ROUND} attempts of each kind, compared to ${REFERENCE}:\n${report.join('\n')}`;
  for (const { kind, by, standardError } of found) {
    expect(standardError, `the machine is too noisy to tell\n${told}`).toBeLessThanOrEqual(PRECISION);
    expect(Math.abs(by) > SEEN * standardError, `${kind}\n${told}`).toBe(kind === LATER);
  }
});
