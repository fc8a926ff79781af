// What a stranger can tell from a refusal: nothing. Known and unknown users, wrong secrets with and without a selector
// collision, and no app password at all hear the same bytes after the same time.
//
// The time. Every kind is tried equally often in random order, so that whatever else the machine does falls on all of
// them alike. An attempt comes at a random moment of Postern's 10 ms grid of answers, so a time to answer is the delay plus
// something uniform between 0 and 10 ms plus the machine's noise. That noise comes in bursts which many connections share: so
// what counts is by how much an attempt was slower than the median of the 20 that ended around it, and of that the mean of the
// middle half.
//
// Power. A difference counts as seen if it is more than 3.7 standard errors, which happens by chance in 2 of 10,000
// comparisons. Attempts are made until the standard error of every difference is at most 0.1 ms. Comparing with what ended
// around it takes up to a quarter off a difference: a true one of 1 ms then lies 7.5 standard errors from zero, and is missed with
// a chance of P(Z > 3.8) = 0.01 %. The test takes none of that on trust: answers of a last kind are counted as 1 ms later than
// they came, and if that is not seen, the test has not the power that it claims, and fails. Measured on two cores at a load of 15
// to 20: 250 attempts of each kind give 0.02 to 0.09 ms; that last kind came out at 0.76 to 1.06 ms, the others below
// 0.14 ms. When answers of one tick left in the order in which the work for them was done, this test saw it.

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Program, startProgram } from '../support/program-before-script.ts';
import type { Transcript } from '../support/transcript.ts';

const ALICE = 'alice@example.com';
/** Milliseconds: many times what argon2id takes, on a busy machine too, as the default is. */
const DELAY = 800;
/** Connections, each from an address of its own: budgets of verifications and places to wait in are per network. */
const CLIENTS = 150;
/** Attempts of each kind before the precision is looked at, and again. */
const ROUND = 250;
const MOST_ROUNDS = 30;
/** Attempts before and after one that it is compared with. */
const AROUND = 10;
/** Standard errors. */
const SEEN = 3.7;
/** Milliseconds. */
const PRECISION = 0.1;

let program: Program;
let selectors: Set<number>;
const clients: Transcript[] = [];
let strangers = 0;

beforeAll(async () => {
  program = await startProgram({
    config: `
appPasswords: { hash: { memoryKiB: 7168, passes: 1 } }
throttle:
  failureDelay: ${DELAY}ms
  network: { distinct: 1000000 }
  networkAndUser: { distinct: 1000000 }
limits: { attemptsPerConnection: 100, loginDeadline: 10m }
log: { level: info }
`,
  });
  for (let n = 0; n < 40; n++) await program.make(ALICE);
  selectors = await program.selectors(ALICE);
  for (let n = 0; n < CLIENTS; n++) {
    clients.push(await program.client({ localAddress: `127.0.1.${n + 1}` }));
  }
});
afterAll(async () => {
  for (const client of clients) await client[Symbol.asyncDispose]();
  await program?.[Symbol.asyncDispose]();
});

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

interface Sample {
  readonly kind: Kind;
  /** Milliseconds. */
  readonly time: number;
}

interface Estimate {
  readonly mean: number;
  readonly standardError: number;
}

/** The mean of the middle half, and its standard error by the winsorized variance (Tukey and McLaughlin 1963). */
function midmean(samples: readonly number[]): Estimate {
  const sorted = samples.toSorted((a, b) => a - b);
  const cut = Math.floor(sorted.length / 4);
  const kept = sorted.slice(cut, sorted.length - cut);
  const [least = 0, most = 0] = [kept[0], kept.at(-1)];
  const winsorized = sorted.map((value) => Math.min(Math.max(value, least), most));
  const center = average(winsorized);
  const variance =
    winsorized.reduce((sum, value) => sum + (value - center) ** 2, 0) / (winsorized.length - 1);
  const share = kept.length / sorted.length;
  return { mean: average(kept), standardError: Math.sqrt(variance / samples.length) / share };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** By how many milliseconds each kind is answered later than the reference, with the standard error of that. */
function differences(samples: readonly Sample[]) {
  const times = samples.map(({ time }) => time);
  const slower = samples.map(({ kind, time }, n) => ({
    kind,
    by: time - median(times.slice(Math.max(0, n - AROUND), n + AROUND + 1)),
  }));
  const estimate = (of: Kind) => midmean(slower.filter(({ kind }) => kind === of).map(({ by }) => by));
  const reference = estimate(REFERENCE);
  return KIND_NAMES.filter((kind) => kind !== REFERENCE).map((kind) => {
    const { mean, standardError } = estimate(kind);
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

/** Tries each kind `ROUND` times; adds to `samples` in the order of the answers. */
async function round(samples: Sample[], answers: Set<string>): Promise<void> {
  // Drawn ahead: looking for a collision takes the processor.
  const drawn = KIND_NAMES.flatMap((kind) =>
    Array.from({ length: ROUND }, () => ({ kind, typed: KINDS[kind]() })),
  );
  const work = shuffled(drawn);
  const drain = async (client: Transcript) => {
    for (let next = work.pop(); next !== undefined; next = work.pop()) {
      await sleep(randomInt(11));
      const [answer, time] = await attempt(client, ...next.typed);
      answers.add(answer);
      samples.push({ kind: next.kind, time: next.kind === LATER ? time + 1 : time });
    }
  };
  await Promise.all(clients.map(drain));
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
  timeout: 600_000,
}, async () => {
  const verified = await program.verifications('mismatch');
  const samples: Sample[] = [];
  const answers = new Set<string>();
  let found: ReturnType<typeof differences>;
  let rounds = 0;
  do {
    rounds += 1;
    await round(samples, answers);
    found = differences(samples);
  } while (rounds < MOST_ROUNDS && found.some(({ standardError }) => standardError > PRECISION));

  expect(answers).toEqual(new Set(['NO [AUTHENTICATIONFAILED] Authentication failed']));
  // Each collision was verified, so the kinds are what they are meant to be.
  expect((await program.verifications('mismatch')) - verified).toBe(rounds * ROUND);
  expect(Math.min(...samples.map(({ time }) => time))).toBeGreaterThan(DELAY);

  const report = found.map(
    ({ kind, by, standardError }) => `${kind}: ${by.toFixed(3)} ms ± ${standardError.toFixed(3)}`,
  );
  const told = `after ${rounds * ROUND} attempts of each kind, compared to ${REFERENCE}:\n${report.join('\n')}`;
  for (const { kind, by, standardError } of found) {
    expect(standardError, `the machine is too noisy to tell\n${told}`).toBeLessThanOrEqual(PRECISION);
    expect(Math.abs(by) > SEEN * standardError, `${kind}\n${told}`).toBe(kind === LATER);
  }
});
