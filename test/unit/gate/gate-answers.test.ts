// When the gate answers: refusals and throttlings the constant delay after their attempt, everything else at once.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Given, gateHarness, type Harness, HOME } from './harness.ts';

const DELAY = 2_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Lets time pass, for timers and for the gate's clock. */
async function pass(gate: Harness, milliseconds: number): Promise<void> {
  for (let n = 0; n < milliseconds; n += 10) {
    gate.clock.advance(10);
    await vi.advanceTimersByTimeAsync(10);
    // What does not wait for a timer: HMACs are synchronous, the store and argon2id are promises.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Milliseconds until it is answered, by the gate's clock. */
async function answeredAfter(gate: Harness, secret: string, given?: Given): Promise<number> {
  const from = gate.clock.monotonic();
  let after: number | undefined;
  void gate.decide(secret, given).then(() => {
    after = gate.clock.monotonic() - from;
  });
  await new Promise((resolve) => setImmediate(resolve));
  for (let n = 0; n < 1000 && after === undefined; n++) await pass(gate, 10);
  return after ?? Number.NaN;
}

describe('the constant delay', () => {
  const cases: readonly (readonly [
    what: string,
    how: (gate: Harness) => [secret: string, login?: string],
  ])[] = [
    ['a wrong secret', (gate) => [gate.wrong()]],
    ['one that collides', (gate) => [gate.colliding()]],
    ['an unknown user', (gate) => [gate.wrong(), 'nobody']],
    ['no app password', () => ['Summer2024!']],
    ['no user', (gate) => [gate.wrong(), 'a*b']],
    ['revoked', (gate) => [gate.make(undefined, { revokedAt: 1 }).secret]],
    ['expired', (gate) => [gate.make(undefined, { expiresAt: 1 }).secret]],
    ['wrong protocol', (gate) => [gate.make(undefined, { scope: ['smtp'] }).secret]],
  ];
  test.each(cases)('%s', async (_, how) => {
    const gate = gateHarness({ failureDelay: DELAY });
    gate.make();
    const [secret, login = 'alice'] = how(gate);
    expect(await answeredAfter(gate, secret, { login })).toBe(DELAY);
  });

  test('a throttled one', async () => {
    const gate = gateHarness({
      failureDelay: DELAY,
      throttle: { networkAndUser: { distinct: 1, window: 3_600_000, block: 900_000 } },
    });
    expect(await answeredAfter(gate, gate.wrong())).toBe(DELAY);
    expect(await answeredAfter(gate, gate.wrong())).toBe(DELAY);
  });

  test('one by a name that its directory could not tell about: asking again at once would be free', async () => {
    const gate = gateHarness({ failureDelay: DELAY, lookUpName: async () => 'unavailable' });
    const asked = { login: 'cn=x,dc=example,dc=com', protocol: 'ldap' } as const;
    expect(await answeredAfter(gate, gate.wrong(), asked)).toBe(DELAY);
  });

  test('counts from when the attempt was read: what was computed in between is within it', async () => {
    const gate = gateHarness({ failureDelay: DELAY });
    gate.make();
    let release = () => {};
    gate.hold.until = new Promise<void>((resolve) => {
      release = resolve;
    });
    const answered = answeredAfter(gate, gate.colliding());
    await pass(gate, 700);
    release();
    expect(await answered).toBe(DELAY);
  });
});

test('admitted, unavailable and an empty password: at once', async () => {
  const gate = gateHarness({ failureDelay: DELAY });
  const { secret } = gate.make();
  expect(await answeredAfter(gate, secret)).toBe(0);
  expect(await answeredAfter(gate, '')).toBe(0);
  gate.store.isDown = true;
  expect(await answeredAfter(gate, gate.wrong())).toBe(0);
});

test('a place is held until its time, whether anybody still listens or not', async () => {
  const gate = gateHarness({ failureDelay: DELAY });
  // Nobody waits for these: a client that hangs up changes nothing here.
  for (let n = 0; n < 100; n++) void gate.decide('Summer2024!');
  await pass(gate, DELAY - 300);
  expect(gate.parking.length).toBe(100);
  const crowded = gate.decide('Summer2024!');
  await pass(gate, 280);
  const { verdict, answer } = await crowded;
  expect({ verdict, answer }).toEqual({
    verdict: { kind: 'refused', reason: 'not_an_app_password' },
    answer: false,
  });
  const elsewhere = gate.decide('Summer2024!', { from: HOME });
  await pass(gate, 20);
  expect(gate.parking.length).toBe(1);
  await pass(gate, DELAY);
  expect((await elsewhere).answer).toBe(true);
});

test('where there is no place, the connection is closed a constant time after the attempt, whatever it was', async () => {
  const gate = gateHarness({ failureDelay: DELAY });
  gate.make();
  for (let n = 0; n < 100; n++) void gate.decide('Summer2024!');
  await new Promise((resolve) => setImmediate(resolve));
  expect(await answeredAfter(gate, gate.wrong())).toBe(250);
  expect(await answeredAfter(gate, gate.wrong(), { login: 'nobody' })).toBe(250);
  let release = () => {};
  gate.hold.until = new Promise<void>((resolve) => {
    release = resolve;
  });
  const colliding = answeredAfter(gate, gate.colliding());
  await pass(gate, 100);
  release();
  expect(await colliding).toBe(250);
  expect(gate.runs.mismatch).toBe(1);
});

test('where there is no place, a right secret is admitted all the same', async () => {
  const gate = gateHarness({ failureDelay: DELAY });
  for (let n = 0; n < 100; n++) void gate.decide('Summer2024!');
  await new Promise((resolve) => setImmediate(resolve));
  const { secret } = gate.make();
  expect(await gate.says(secret)).toBe('admitted none');
});

test('a delay of 0 needs no place', async () => {
  const gate = gateHarness({ failureDelay: 0 });
  for (let n = 0; n < 500; n++) expect(await gate.says('Summer2024!')).toBe('refused not_an_app_password');
  expect(gate.parking.length).toBe(0);
});
