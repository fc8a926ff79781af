// What every throttle does, whether it counts in this process or in Redis: both run these tests. Time is the test's own.

import { afterEach, expect, test } from 'vitest';
import type { User } from '../../../src/lib/user.ts';
import type { MemoryThrottleSettings } from '../../../src/throttle/memory-throttle.ts';
import type { Throttle } from '../../../src/throttle/throttle.ts';

export interface MakeOptions {
  readonly settings: MemoryThrottleSettings;
  /** What `now()` and `monotonic()` give. */
  readonly clock: { now(): number; monotonic(): number };
  /** The bound of each kind of entry; the default of the throttle if undefined. */
  readonly most: number | undefined;
}

/** A throttle with nothing counted yet. */
export type Make = (options: MakeOptions) => Promise<Throttle & { close?: () => void }>;

export const MINUTE = 60_000;
const alice = 'alice@example.com' as User;
const bob = 'bob@example.com' as User;
const office = '192.0.2.7/32';
const elsewhere = '2001:db8:1:2::/64';

const defaults: MemoryThrottleSettings = {
  exempt: [],
  network: { distinct: 30, window: 10 * MINUTE, block: 10 * MINUTE },
  networkAndUser: { distinct: 10, window: 60 * MINUTE, block: 15 * MINUTE },
  attempts: { most: 20_000, window: 10 * MINUTE },
};

/** `flood` is by how much smaller the attacks are than they could be. */
export function throttleBehaviour(make: Make, { flood = 1 } = {}): void {
  const opened: { close?: () => void }[] = [];
  afterEach(() => {
    for (const throttle of opened.splice(0)) throttle.close?.();
  });

  const throttle = async (settings: Partial<MemoryThrottleSettings> = {}, most?: number) => {
    const time = { at: 5000 };
    const clock = { now: () => 1_700_000_000_000 + time.at, monotonic: () => time.at };
    const made = await make({ settings: { ...defaults, ...settings }, clock, most });
    opened.push(made);
    return {
      time,
      guess: made.guess.bind(made),
      attempt: made.attempt.bind(made),
      mayVerify: made.mayVerify.bind(made),
      mismatch: made.mismatch.bind(made),
      success: made.success.bind(made),
      list: made.list.bind(made),
      clear: made.clear.bind(made),
    };
  };

  test('ten distinct guesses at one user block that network for that user, and no other user or network', async () => {
    const t = await throttle();
    for (let n = 0; n < 10; n++) {
      expect(await t.guess({ network: office, user: alice, fingerprint: `f${n}` })).toBeUndefined();
    }
    expect(await t.guess({ network: office, user: alice, fingerprint: 'f10' })).toEqual({
      kind: 'network_and_user',
      retryAfter: 15 * MINUTE,
    });
    expect(await t.guess({ network: office, user: bob, fingerprint: 'g' })).toBeUndefined();
    expect(await t.guess({ network: elsewhere, user: alice, fingerprint: 'f11' })).toBeUndefined();
    t.time.at += 15 * MINUTE;
    expect(await t.guess({ network: office, user: alice, fingerprint: 'f12' })).toBeUndefined();
  });

  test('thirty distinct guesses at many users block the network', async () => {
    const t = await throttle();
    for (let n = 0; n < 30; n++) {
      const user = `user${n}@example.com` as User;
      expect(await t.guess({ network: office, user, fingerprint: `f${n}` })).toBeUndefined();
    }
    expect(await t.guess({ network: office, user: alice, fingerprint: 'f' })).toEqual({
      kind: 'network',
      retryAfter: 10 * MINUTE,
    });
    expect(await t.guess({ network: elsewhere, user: alice, fingerprint: 'f' })).toBeUndefined();
  });

  test('a stale device that repeats one wrong secret 10,000 times blocks nobody', async () => {
    const t = await throttle();
    for (let n = 0; n < 10_000; n++) {
      expect(await t.guess({ network: office, user: alice, fingerprint: 'stale' })).toBeUndefined();
      t.time.at += 50;
    }
    expect(await t.list()).toEqual([]);
  });

  test('guesses while blocked are not counted as distinct', async () => {
    const t = await throttle();
    for (let n = 0; n < 10; n++) await t.guess({ network: office, user: alice, fingerprint: `f${n}` });
    for (let n = 10; n < 1000; n++) await t.guess({ network: office, user: alice, fingerprint: `f${n}` });
    expect((await t.list()).map((b) => b.kind)).toEqual(['network_and_user']);
    for (let n = 0; n < 19; n++) await t.guess({ network: office, user: bob, fingerprint: `g${n % 9}${n}` });
    expect((await t.list()).map((b) => b.kind)).toEqual(['network_and_user', 'network_and_user']);
  });

  test('guesses that come one by one, slower than the window, never block', async () => {
    const t = await throttle();
    for (let n = 0; n < 500; n++) {
      const user = `user${n % 100}@example.com` as User;
      expect(await t.guess({ network: office, user, fingerprint: `f${n}` })).toBeUndefined();
      t.time.at += (10 * MINUTE) / 28;
    }
    expect(await t.list()).toEqual([]);
  });

  test('a success ends the count and the block of network and user, never the count of the network', async () => {
    const t = await throttle();
    for (let n = 0; n < 10; n++) await t.guess({ network: office, user: alice, fingerprint: `a${n}` });
    expect(await t.list()).toHaveLength(1);
    await t.success({ network: office, user: alice });
    expect(await t.list()).toEqual([]);
    for (let n = 10; n < 19; n++) await t.guess({ network: office, user: alice, fingerprint: `a${n}` });
    await t.success({ network: office, user: alice });
    for (let n = 19; n < 28; n++) await t.guess({ network: office, user: alice, fingerprint: `a${n}` });
    await t.success({ network: office, user: alice });
    expect(await t.list()).toEqual([]);
    await t.guess({ network: office, user: bob, fingerprint: 'b0' });
    await t.guess({ network: office, user: bob, fingerprint: 'b1' });
    expect((await t.list()).map((b) => b.kind)).toEqual(['network']);
    await t.success({ network: office, user: alice });
    expect(await t.list()).toHaveLength(1);
  });

  test('the cap on plain attempts holds for guesses and for attempts that are none, until its window has passed', async () => {
    const t = await throttle({ attempts: { most: 100, window: 10 * MINUTE } });
    for (let n = 0; n < 50; n++) {
      expect(await t.guess({ network: office, user: alice, fingerprint: 'stale' })).toBeUndefined();
      expect(await t.attempt(office)).toBeUndefined();
    }
    expect(await t.attempt(office)).toEqual({ kind: 'attempts', retryAfter: 10 * MINUTE });
    expect(await t.guess({ network: office, user: alice, fingerprint: 'stale' })).toEqual({
      kind: 'attempts',
      retryAfter: 10 * MINUTE,
    });
    expect(await t.attempt(elsewhere)).toBeUndefined();
    t.time.at += 10 * MINUTE;
    expect(await t.attempt(office)).toBeUndefined();
  });

  test('attempts that are no guesses are told about the cap on attempts only', async () => {
    const t = await throttle();
    for (let n = 0; n < 30; n++) {
      await t.guess({ network: office, user: `u${n}@example.com` as User, fingerprint: `f${n}` });
    }
    expect(await t.attempt(office)).toBeUndefined();
  });

  test('ten mismatches of a network for a record use up its verifications for ten minutes', async () => {
    const t = await throttle();
    for (let n = 0; n < 10; n++) {
      expect(await t.mayVerify(office, 'r1')).toBe(true);
      await t.mismatch(office, 'r1');
    }
    expect(await t.mayVerify(office, 'r1')).toBe(false);
    expect(await t.mayVerify(office, 'r2')).toBe(true);
    expect(await t.mayVerify(elsewhere, 'r1')).toBe(true);
    t.time.at += 10 * MINUTE;
    expect(await t.mayVerify(office, 'r1')).toBe(true);
  });

  test('exempt networks are neither counted nor blocked, whichever limit', async () => {
    const t = await throttle({
      // Of the last one the /64 holds every IPv4 address in its mapped form, and those are not meant.
      exempt: ['192.0.2.0/24', '2001:db8:1:2::5/128', '::1/128'],
      attempts: { most: 50, window: MINUTE },
    });
    for (const network of [office, elsewhere]) {
      for (let n = 0; n < 1000; n++) {
        expect(await t.guess({ network, user: alice, fingerprint: `f${n}` })).toBeUndefined();
        expect(await t.attempt(network)).toBeUndefined();
        await t.mismatch(network, 'r');
      }
      expect(await t.mayVerify(network, 'r')).toBe(true);
    }
    for (let n = 0; n < 10; n++)
      await t.guess({ network: '192.0.3.1/32', user: alice, fingerprint: `f${n}` });
    expect((await t.list()).map((b) => b.network)).toEqual(['192.0.3.1/32']);
  });

  test('an operator sees when a block ends, and can end it by network, user, both, or all', async () => {
    const block = async () => {
      const t = await throttle();
      for (const network of [office, elsewhere])
        for (const user of [alice, bob])
          for (let n = 0; n < 10; n++) await t.guess({ network, user, fingerprint: `${user}${n}` });
      for (let n = 0; n < 10; n++)
        await t.guess({ network: office, user: 'c@d.e' as User, fingerprint: `c${n}` });
      return t;
    };
    let t = await block();
    expect(await t.list()).toHaveLength(6);
    expect(await t.list()).toContainEqual({
      kind: 'network_and_user',
      network: elsewhere,
      user: bob,
      until: 1_700_000_005_000 + 15 * MINUTE,
    });
    expect(await t.clear({ network: office, user: alice })).toBe(1);
    expect(await t.clear({ network: office, user: alice })).toBe(0);
    expect(await t.clear({ user: alice })).toBe(1);
    expect(await t.clear({ network: '2001:db8:1:2::99' })).toBe(1);
    expect(await t.clear({ network: '192.0.2.7' })).toBe(3);
    expect(await t.list()).toEqual([]);
    t = await block();
    expect(await t.clear({ network: '192.0.0.0/16' })).toBe(4);
    expect(await t.clear({ network: 'nonsense' })).toBe(0);
    expect(await t.clear({})).toBe(2);
    expect(await t.list()).toEqual([]);
  });

  test('clearing a network forgets its counts and budgets too', async () => {
    const t = await throttle();
    for (let n = 0; n < 9; n++) await t.guess({ network: office, user: alice, fingerprint: `f${n}` });
    for (let n = 0; n < 10; n++) await t.mismatch(office, 'r');
    await t.clear({ network: office });
    expect(await t.mayVerify(office, 'r')).toBe(true);
    for (let n = 0; n < 9; n++) await t.guess({ network: office, user: alice, fingerprint: `g${n}` });
    expect(await t.list()).toEqual([]);
  });

  // Evictions that an attacker would like to cause. `most` is some hundreds here and 100,000 in earnest.

  test('a flood of user names from one network pushes out neither its own block nor another network’s count', async () => {
    const t = await throttle({}, 1000 / flood);
    for (let n = 0; n < 9; n++) await t.guess({ network: elsewhere, user: alice, fingerprint: `f${n}` });
    for (let n = 0; n < 10; n++) await t.guess({ network: office, user: alice, fingerprint: `f${n}` });
    for (let n = 0; n < 100_000 / flood; n++) {
      await t.guess({ network: office, user: `u${n}@example.com` as User, fingerprint: `u${n}` });
    }
    expect((await t.guess({ network: office, user: alice, fingerprint: 'x' }))?.kind).toBe(
      'network_and_user',
    );
    await t.guess({ network: elsewhere, user: alice, fingerprint: 'the tenth' });
    expect((await t.guess({ network: elsewhere, user: alice, fingerprint: 'x' }))?.kind).toBe(
      'network_and_user',
    );
  });

  test('a flood of networks that guess a little pushes no block out', async () => {
    const t = await throttle({}, 1000 / flood);
    for (let n = 0; n < 10; n++) await t.guess({ network: office, user: alice, fingerprint: `f${n}` });
    for (let n = 0; n < 20_000 / flood; n++) {
      const network = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}/32`;
      for (let g = 0; g < 9; g++) await t.guess({ network, user: alice, fingerprint: `${n}.${g}` });
    }
    expect((await t.guess({ network: office, user: alice, fingerprint: 'x' }))?.kind).toBe(
      'network_and_user',
    );
  });

  test('a flood of blocked networks pushes out what ends soonest, not the long block of a repeater', async () => {
    const t = await throttle({}, 1000 / flood);
    const blockOnce = async (network: string) => {
      for (let g = 0; g < 10; g++) {
        await t.guess({ network, user: alice, fingerprint: `${t.time.at}.${g}` });
      }
    };
    for (let n = 0; n < 3; n++) {
      await blockOnce(office);
      t.time.at += 15 * MINUTE * 2 ** n;
    }
    await blockOnce(office);
    for (let n = 0; n < 5000 / flood; n++) await blockOnce(`10.0.${n >> 8}.${n & 255}/32`);
    expect(await t.list()).toHaveLength(1000 / flood);
    expect((await t.guess({ network: office, user: alice, fingerprint: 'x' }))?.retryAfter).toBe(
      120 * MINUTE,
    );
  });
}
