// What argon2id is run for, and how often.

import { describe, expect, test } from 'vitest';
import { generateAppPassword } from '../../../src/passwords/app-password.ts';
import { verifyAppPassword } from '../../../src/passwords/hash.ts';
import { SelectorKeys } from '../../../src/passwords/selector-keys.ts';
import { StoreUnavailableError } from '../../../src/store/store.ts';
import { ALICE, BOB, fakeHash, gateHarness, HASH, HOME, newKey, settled } from './harness.ts';

const LOOSE = { networkAndUser: { distinct: 1000, window: 3_600_000, block: 900_000 } };

test('40 records: one run for a right secret, none for a wrong one, none for nobody', async () => {
  const gate = gateHarness();
  const made = Array.from({ length: 40 }, () => gate.make());
  for (const [n, { secret, record }] of made.entries()) {
    const decision = await gate.decide(secret);
    expect(decision.passwordId).toBe(record.id);
    expect(gate.runs).toEqual({ match: n + 1, mismatch: 0 });
  }
  await gate.decide(gate.wrong());
  await gate.decide(gate.wrong(), { login: 'nobody' });
  expect(gate.argon2Runs()).toBe(40);
});

test('an unknown user, a wrong secret and a right one take one look at the store each', async () => {
  const gate = gateHarness();
  const { secret } = gate.make();
  await gate.decide(gate.wrong(), { login: 'nobody' });
  expect(gate.store.looks).toBe(1);
  await gate.decide(gate.wrong());
  expect(gate.store.looks).toBe(2);
  await gate.decide(secret);
  expect(gate.store.looks).toBe(3);
});

test('a wrong secret that collides costs one run, repeated or not', async () => {
  const gate = gateHarness();
  gate.make();
  const secret = gate.colliding();
  for (let n = 0; n < 50; n++) expect(await gate.says(secret)).toBe('refused bad_credentials');
  expect(gate.runs).toEqual({ match: 0, mismatch: 1 });
});

describe('at once', () => {
  test('20 connections with one cold secret are one run that all wait for', async () => {
    const gate = gateHarness();
    const { secret } = gate.make();
    const all = await Promise.all(Array.from({ length: 20 }, () => gate.says(secret)));
    expect(new Set(all)).toEqual(new Set(['admitted none']));
    expect(gate.runs).toEqual({ match: 1, mismatch: 0 });
  });

  test('the same with a throttle that takes its time to say yes', async () => {
    let asked = 0;
    const gate = gateHarness({
      throttleWith: {
        mayVerify: async () => {
          for (let turns = (asked++ % 5) * 4; turns > 0; turns--) await settled();
          return true;
        },
      },
    });
    const { secret } = gate.make();
    const all = await Promise.all(Array.from({ length: 20 }, () => gate.says(secret)));
    expect(new Set(all)).toEqual(new Set(['admitted none']));
    expect(gate.runs).toEqual({ match: 1, mismatch: 0 });
  });

  test('20 with one wrong secret that collides are one too, and take one from the budget', async () => {
    const gate = gateHarness();
    gate.make();
    const secret = gate.colliding();
    await Promise.all(Array.from({ length: 20 }, () => gate.says(secret)));
    expect(gate.runs).toEqual({ match: 0, mismatch: 1 });
  });

  test('two secrets are two runs', async () => {
    const gate = gateHarness();
    const [one, other] = [gate.make(), gate.make()];
    await Promise.all([gate.says(one.secret), gate.says(other.secret), gate.says(one.secret)]);
    expect(gate.runs).toEqual({ match: 2, mismatch: 0 });
  });

  test('a run that fails fails for all who wait, and is run again for the next', async () => {
    const gate = gateHarness();
    const { secret } = gate.make();
    gate.hold.until = Promise.reject(new Error('argon2 says no'));
    gate.hold.until.catch(() => {});
    const all = await Promise.all([gate.says(secret), gate.says(secret)]);
    expect(all).toEqual(['unavailable store', 'unavailable store']);
    expect(gate.log).toEqual(Array(2).fill('internal error: gate: Error: argon2 says no'));
    delete gate.hold.until;
    expect(await gate.says(secret)).toBe('admitted none');
  });
});

describe('the queue', () => {
  test('a full one is unavailable, of which nobody hears late and nothing is counted', async () => {
    const gate = gateHarness({ concurrency: 1, queue: 1, failureDelay: 60_000 });
    const [one, two, three] = [gate.make(), gate.make(), gate.make()];
    let release = () => {};
    gate.hold.until = new Promise<void>((resolve) => {
      release = resolve;
    });
    const running = gate.says(one.secret);
    const waiting = gate.says(two.secret, { from: HOME });
    await settled();
    expect(gate.verifier.length).toBe(1);
    expect(await gate.says(three.secret)).toBe('unavailable hash_queue');
    expect(await gate.throttle.list()).toEqual([]);
    release();
    expect(await Promise.all([running, waiting])).toEqual(['admitted none', 'admitted none']);
    expect(await gate.says(three.secret)).toBe('admitted none');
  });

  test('one network cannot fill it for the others', async () => {
    const gate = gateHarness({ concurrency: 1, queue: 8, throttle: LOOSE });
    const { secret } = gate.make();
    let release = () => {};
    gate.hold.until = new Promise<void>((resolve) => {
      release = resolve;
    });
    const hostile = Array.from({ length: 30 }, () => gate.says(gate.colliding()));
    await settled();
    const mine = gate.says(secret, { from: HOME });
    await settled();
    release();
    expect(await mine).toBe('admitted none');
    const answers = await Promise.all(hostile);
    expect(new Set(answers)).toEqual(new Set(['refused bad_credentials', 'unavailable hash_queue']));
  });
});

describe('remembered', () => {
  test('a right secret costs a run once in a while, and its record is read every time', async () => {
    const gate = gateHarness({ remember: 300_000 });
    const { secret } = gate.make();
    for (let minute = 0; minute < 5; minute++) {
      expect(await gate.says(secret)).toBe('admitted none');
      gate.clock.advance(60_000);
    }
    expect(gate.argon2Runs()).toBe(1);
    expect(gate.store.looks).toBe(5);
    expect(await gate.says(secret)).toBe('admitted none');
    expect(gate.argon2Runs()).toBe(2);
  });

  test('what changes in the record is honoured at once', async () => {
    const gate = gateHarness();
    const { secret, record } = gate.make();
    expect(await gate.says(secret)).toBe('admitted none');
    gate.store.change(record.id, () => ({ scope: ['smtp'] }));
    expect(await gate.says(secret)).toBe('refused wrong_protocol');
    gate.store.change(record.id, () => ({ scope: null, revokedAt: gate.clock.now() }));
    expect(await gate.says(secret)).toBe('refused revoked');
    gate.store.records.length = 0;
    expect(await gate.says(secret)).toBe('refused bad_credentials');
    expect(gate.argon2Runs()).toBe(1);
  });

  test('another hash of the same record is verified anew', async () => {
    const gate = gateHarness();
    const { secret, record } = gate.make();
    await gate.says(secret);
    gate.store.change(record.id, () => ({ hash: fakeHash(generateAppPassword()) }));
    expect(await gate.says(secret)).toBe('refused bad_credentials');
    expect(gate.runs).toEqual({ match: 1, mismatch: 1 });
  });

  test('the same secret of two users is two things to remember', async () => {
    const gate = gateHarness();
    const { secret, password } = gate.make();
    gate.add(password, BOB);
    await gate.says(secret);
    await gate.says(secret, { login: 'bob' });
    expect(gate.argon2Runs()).toBe(2);
  });

  test('nothing, where the config says 0', async () => {
    const gate = gateHarness({ remember: 0 });
    const { secret } = gate.make();
    await gate.says(secret);
    await gate.says(secret);
    expect(gate.argon2Runs()).toBe(2);
  });
});

describe('rehash', () => {
  const OLD = { memoryKiB: 32, passes: 1, lanes: 1 };

  test('a record with older parameters is hashed again at its login, once, and works after it', async () => {
    const gate = gateHarness();
    const { password, secret, record } = gate.make(ALICE);
    gate.store.change(record.id, () => ({ hash: fakeHash(password, OLD) }));
    const all = await Promise.all([gate.says(secret), gate.says(secret), gate.says(secret)]);
    expect(new Set(all)).toEqual(new Set(['admitted none']));
    await expect.poll(() => gate.store.records[0]?.hash).toContain(`m=${HASH.memoryKiB},t=1,p=1`);
    expect(await verifyAppPassword(gate.store.records[0]?.hash ?? '', password)).toBe(true);
    expect(gate.log).toEqual([]);
  });

  test('one that is refused is not, nor one whose parameters are those of the config', async () => {
    const gate = gateHarness();
    const { password, secret, record } = gate.make(ALICE, { revokedAt: 1 });
    const old = fakeHash(password, OLD);
    gate.store.change(record.id, () => ({ hash: old }));
    const current = gate.make();
    await gate.says(secret);
    await gate.says(current.secret);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(gate.store.records.map(({ hash }) => hash)).toEqual([old, current.record.hash]);
  });

  test('a store that fails at it harms no login', async () => {
    const gate = gateHarness();
    const { password, secret, record } = gate.make(ALICE);
    gate.store.change(record.id, () => ({ hash: fakeHash(password, OLD) }));
    gate.store.rehash = () => Promise.reject(new StoreUnavailableError('gone'));
    expect(await gate.says(secret)).toBe('admitted none');
    await expect.poll(() => gate.log).toContain('store failed: login');
  });
});

describe('two selector keys', () => {
  const two = () => new SelectorKeys([newKey('aaaaaaaa'), newKey('bbbbbbbb')]);

  test('a record of the older key is found', async () => {
    const keys = two();
    const gate = gateHarness({ keys });
    const password = generateAppPassword();
    const [, older] = keys.selectors(ALICE, password);
    gate.add(password, ALICE, older);
    expect(await gate.says(password.reveal())).toBe('admitted none');
    expect(gate.argon2Runs()).toBe(1);
  });

  test('a right secret that also collides with another record is admitted, budget or no budget', async () => {
    const keys = two();
    const gate = gateHarness({ keys, throttle: LOOSE });
    const password = generateAppPassword();
    const [newer, older] = keys.selectors(ALICE, password);
    // In the way: a record of the newer key, looked at first, with the selector that the secret has under it.
    const inTheWay = gate.add(generateAppPassword(), ALICE, newer);
    const mine = gate.add(password, ALICE, older);
    for (let n = 0; n < 10; n++) await gate.throttle.mismatch('192.0.2.7/32', inTheWay.id);
    const decision = await gate.decide(password.reveal());
    expect(decision.passwordId).toBe(mine.id);
  });
});
