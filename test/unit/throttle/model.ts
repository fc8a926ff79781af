// Throttles against a model of one that keeps every guess for ever and counts by looking through all of them.

import fc from 'fast-check';
import { expect } from 'vitest';
import type { User } from '../../../src/lib/user.ts';
import type { Block, Limit } from '../../../src/throttle/throttle.ts';
import type { Make } from './behaviour.ts';

const DAY = 86_400_000;
const settings = {
  exempt: ['10.0.0.9/32'],
  network: { distinct: 5, window: 1000, block: 700 },
  networkAndUser: { distinct: 3, window: 3000, block: 1100 },
  attempts: { most: 12, window: 2000 },
};

interface Counted {
  readonly fingerprint: string;
  readonly at: number;
}

/** One limit for one key: all that was ever counted since the last block, and all blocks. */
class ModelLimit {
  counted: Counted[] = [];
  blocks: { from: number; length: number }[] = [];

  remaining(now: number): number {
    const last = this.blocks.at(-1);
    return last === undefined ? 0 : Math.max(0, last.from + last.length - now);
  }

  count(fingerprint: string, now: number, limit: Limit): void {
    this.counted.push({ fingerprint, at: now });
    const recent = this.counted.filter(({ at }) => now - at < limit.window);
    if (new Set(recent.map((c) => c.fingerprint)).size < limit.distinct) return;
    this.counted = [];
    const last = this.blocks.at(-1);
    let length = limit.block;
    if (last !== undefined) {
      length = last.length * 2;
      for (let quiet = now - last.from - last.length; quiet >= DAY; quiet -= DAY) length /= 2;
    }
    this.blocks.push({ from: now, length: Math.min(DAY, Math.max(limit.block, length)) });
  }
}

class Model {
  readonly limits = new Map<string, ModelLimit>();
  readonly tallies = new Map<string, { count: number; since: number; blockedUntil: number }>();

  limit(key: string): ModelLimit {
    const limit = this.limits.get(key) ?? new ModelLimit();
    this.limits.set(key, limit);
    return limit;
  }

  attempt(network: string, now: number): number {
    const tally = this.tallies.get(network) ?? { count: 0, since: now, blockedUntil: 0 };
    this.tallies.set(network, tally);
    if (tally.blockedUntil > now) return tally.blockedUntil - now;
    if (now - tally.since >= settings.attempts.window) Object.assign(tally, { count: 0, since: now });
    if (++tally.count >= settings.attempts.most) {
      Object.assign(tally, { count: 0, blockedUntil: now + settings.attempts.window });
    }
    return 0;
  }

  guess(network: string, user: string, fingerprint: string, now: number): Block | undefined {
    const whole = this.limit(network);
    const pair = this.limit(`${network} ${user}`);
    const blocks: Block[] = [
      { kind: 'network', retryAfter: whole.remaining(now) },
      { kind: 'attempts', retryAfter: this.attempt(network, now) },
      { kind: 'network_and_user', retryAfter: pair.remaining(now) },
    ];
    const longest = Math.max(...blocks.map((b) => b.retryAfter));
    if (longest > 0) return blocks.find((b) => b.retryAfter === longest);
    whole.count(fingerprint, now, settings.network);
    pair.count(fingerprint, now, settings.networkAndUser);
    return undefined;
  }
}

const network = fc.constantFrom('192.0.2.1/32', '192.0.2.2/32', '2001:db8::/64', '10.0.0.9/32');
const user = fc.constantFrom('a@x.org', 'b@x.org') as fc.Arbitrary<User>;
const step = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      do: fc.constant('guess' as const),
      network,
      user,
      fingerprint: fc.nat(12).map(String),
    }),
  },
  { weight: 16, arbitrary: fc.record({ do: fc.constant('attempt' as const), network }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('success' as const), network, user }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      for: fc.oneof(fc.nat(900), fc.nat(5000), fc.nat(3 * DAY)),
    }),
  },
);

/** Runs random histories through throttles and the model: whom they block, when and for how long must be the same. */
export async function compareWithModel(make: Make, numRuns: number): Promise<void> {
  const outcomes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 400 }), async (steps) => {
      let now = 1000;
      const clock = { now: () => now, monotonic: () => now };
      const throttle = await make({ settings, clock, most: undefined });
      const model = new Model();
      try {
        for (const s of steps) {
          if (s.do === 'wait') now += s.for;
          else if (s.do === 'success') {
            model.limits.delete(`${s.network} ${s.user}`);
            await throttle.success(s);
          } else {
            const exempt = s.network === '10.0.0.9/32';
            if (s.do === 'attempt') {
              const retryAfter = exempt ? 0 : model.attempt(s.network, now);
              expect((await throttle.attempt(s.network))?.retryAfter ?? 0).toBe(retryAfter);
            } else {
              const expected = exempt ? undefined : model.guess(s.network, s.user, s.fingerprint, now);
              expect(await throttle.guess(s)).toEqual(expected);
              outcomes.add(expected?.kind ?? 'none');
            }
          }
        }
      } finally {
        throttle.close?.();
      }
    }),
    { numRuns },
  );
  expect([...outcomes].sort()).toEqual(['attempts', 'network', 'network_and_user', 'none']);
}
