// Who is blocked by what, and who never is, by the gate and the throttle together.

import { describe, expect, test } from 'vitest';
import type { User } from '../../../src/lib/user.ts';
import { ALICE, BOB, gateHarness, type Harness, HOME, OFFICE, settled } from './harness.ts';

const blocks = (gate: Harness) => gate.throttle.list();

/** Guesses from the office until it is blocked as a network. */
async function blockTheOffice(gate: Harness): Promise<void> {
  for (let n = 0; n < 31; n++) await gate.decide(gate.wrong(), { login: `user${n}` });
  expect(await gate.says(gate.wrong(), { login: 'anyone' })).toBe('throttled network_blocked');
}

describe('a stale device that tries 10,000 times blocks nobody', () => {
  const nobodyIsBlocked = async (gate: Harness) => {
    expect(await blocks(gate)).toEqual([]);
    const fresh = gate.make();
    for (const from of [OFFICE, HOME]) {
      expect(await gate.says(fresh.secret, { from })).toBe('admitted none');
      expect(await gate.says(gate.wrong(BOB), { login: 'bob', from })).toBe('refused bad_credentials');
    }
  };

  test('with a revoked secret', async () => {
    const gate = gateHarness();
    const { secret } = gate.make(ALICE, { revokedAt: 1 });
    for (let n = 0; n < 10_000; n++) expect(await gate.says(secret)).toBe('refused revoked');
    expect(gate.argon2Runs()).toBe(1);
    await nobodyIsBlocked(gate);
  });

  test('with a wrong secret', async () => {
    const gate = gateHarness();
    const secret = gate.wrong();
    for (let n = 0; n < 10_000; n++) {
      gate.clock.advance(100);
      expect(await gate.says(secret)).toBe('refused bad_credentials');
    }
    expect(gate.argon2Runs()).toBe(0);
    await nobodyIsBlocked(gate);
  });

  test('with a wrong secret that collides with a record: that record stays good there', async () => {
    const gate = gateHarness();
    const { secret } = gate.make();
    const stale = gate.colliding();
    for (let n = 0; n < 10_000; n++) {
      gate.clock.advance(100);
      expect(await gate.says(stale)).toBe('refused bad_credentials');
    }
    // 1,000 s at 5 minutes each.
    expect(gate.runs.mismatch).toBe(4);
    expect(await gate.says(secret)).toBe('admitted none');
    await nobodyIsBlocked(gate);
  });

  test('with the real password of its user', async () => {
    const gate = gateHarness();
    for (let n = 0; n < 10_000; n++)
      expect(await gate.says('Summer2024!')).toBe('refused not_an_app_password');
    await nobodyIsBlocked(gate);
  });

  test('with an expired one, all devices of an office at once, of different users', async () => {
    const gate = gateHarness();
    const secrets = Array.from({ length: 200 }, (_, n) => {
      const user = `user${n}@example.com` as User;
      return { user, ...gate.make(user, { expiresAt: 1 }) };
    });
    for (let round = 0; round < 50; round++) {
      for (const { user, secret } of secrets) {
        expect(await gate.says(secret, { login: user })).toBe('refused expired');
      }
    }
    await nobodyIsBlocked(gate);
  });
});

describe('policy refusals never count', () => {
  test('100 distinct secrets with each of them from one network for one user', async () => {
    const gate = gateHarness({ routes: [{ users: '*', imap: 'dovecot' }] });
    const given = [
      { revokedAt: 1 },
      { expiresAt: 1 },
      { scope: ['smtp'] },
      { networks: ['203.0.113.0/24'] },
    ] as const;
    for (let n = 0; n < 100; n++) {
      for (const how of given) expect(await gate.says(gate.make(ALICE, how).secret)).toMatch(/^refused /);
    }
    gate.store.disabled.add(ALICE);
    for (let n = 0; n < 100; n++) expect(await gate.says(gate.make().secret)).toBe('refused user_disabled');
    expect(await blocks(gate)).toEqual([]);
    expect(await gate.says(gate.wrong())).toBe('refused bad_credentials');
  });

  test('nor do they lift a block', async () => {
    const gate = gateHarness();
    const { secret } = gate.make(ALICE, { revokedAt: 1 });
    for (let n = 0; n < 10; n++) await gate.decide(gate.wrong());
    expect(await gate.says(secret)).toBe('refused revoked');
    expect(await gate.says(gate.wrong())).toBe('throttled network_and_user_blocked');
  });
});

describe('a right secret is never stopped by what others do', () => {
  test('strangers with distinct guesses block their own network for guesses, and nobody for a right secret', async () => {
    const gate = gateHarness();
    const neverSeen = gate.make();
    await blockTheOffice(gate);
    expect(await gate.says(neverSeen.secret)).toBe('admitted none');
    expect(await gate.says(gate.make().secret, { from: HOME })).toBe('admitted none');
    expect(await gate.says(gate.wrong(), { from: HOME })).toBe('refused bad_credentials');
  });

  test('a botnet of 2,000 networks that guesses at one user locks nobody out', async () => {
    const gate = gateHarness();
    for (let n = 0; n < 20_000; n++) {
      await gate.decide(gate.wrong(), { from: `10.${n % 8}.${n % 250}.1` });
    }
    expect((await blocks(gate)).length).toBeGreaterThan(500);
    expect(await gate.says(gate.make().secret, { from: HOME })).toBe('admitted none');
    expect(await gate.says(gate.make().secret, { from: '10.1.1.1' })).toBe('admitted none');
  });

  test('past the cap on attempts', async () => {
    const gate = gateHarness({ throttle: { attempts: { most: 100, window: 600_000 } } });
    for (let n = 0; n < 200; n++) await gate.decide('Summer2024!');
    expect(await gate.says('Summer2024!')).toBe('throttled too_many_attempts');
    expect(await gate.says(gate.make().secret)).toBe('admitted none');
  });

  test('a hostile device with an account of its own: its successes do not give it more guesses', async () => {
    const gate = gateHarness();
    const own = gate.make(BOB);
    let refused = 0;
    for (let n = 0; n < 100; n++) {
      await gate.decide(own.secret, { login: 'bob' });
      if ((await gate.says(gate.wrong(), { login: `victim${n}` })) === 'refused bad_credentials')
        refused += 1;
    }
    expect(refused).toBe(30);
    expect(await gate.says(own.secret, { login: 'bob' })).toBe('admitted none');
  });

  test('a success clears the count of its network and user, and the block', async () => {
    const gate = gateHarness();
    const { secret } = gate.make();
    for (let n = 0; n < 11; n++) await gate.decide(gate.wrong());
    expect(await gate.says(gate.wrong())).toBe('throttled network_and_user_blocked');
    expect(await gate.says(secret)).toBe('admitted none');
    expect(await gate.says(gate.wrong())).toBe('refused bad_credentials');
  });

  test('a budget that colliding guesses from its own network have spent: it waits behind others, and gets in', async () => {
    const gate = gateHarness({ concurrency: 1 });
    const { secret, record } = gate.make();
    const other = gate.make();
    for (let n = 0; n < 40; n++) await gate.decide(gate.colliding());
    expect(await gate.throttle.mayVerify(`${OFFICE}/32`, record.id)).toBe(false);
    const held = Promise.withResolvers<void>();
    gate.hold.until = held.promise;
    const order: string[] = [];
    const noting = (name: string, said: Promise<string>) =>
      said.then((word) => order.push(`${name} ${word}`));
    const running = gate.says(gate.make(BOB).secret, { login: 'bob', from: HOME });
    await settled();
    const spent = noting('spent', gate.says(secret));
    await settled();
    const others = [
      noting('other record', gate.says(other.secret)),
      noting('elsewhere', gate.says(gate.make(BOB).secret, { login: 'bob', from: HOME })),
    ];
    await settled();
    held.resolve();
    await Promise.all([running, spent, ...others]);
    expect(order).toEqual(['other record admitted none', 'elsewhere admitted none', 'spent admitted none']);
  });

  test('nor by those who go on to collide from there', async () => {
    const gate = gateHarness({ concurrency: 1 });
    const { secret } = gate.make();
    for (let n = 0; n < 10; n++) await gate.decide(gate.colliding());
    const held = Promise.withResolvers<void>();
    gate.hold.until = held.promise;
    const guesses = Array.from({ length: 20 }, () => gate.says(gate.colliding()));
    await settled();
    const right = gate.says(secret);
    await settled();
    held.resolve();
    expect(await right).toBe('admitted none');
    expect(new Set(await Promise.all(guesses)).has('admitted none')).toBe(false);
  });
});

test('guesses while a block holds cost a look-up and no argon2id, unless they collide', async () => {
  const gate = gateHarness();
  gate.make();
  await blockTheOffice(gate);
  for (let n = 0; n < 100; n++) expect(await gate.says(gate.wrong())).toBe('throttled network_blocked');
  expect(gate.argon2Runs()).toBe(0);
  expect(await gate.says(gate.colliding())).toBe('throttled network_blocked');
  expect(gate.runs).toEqual({ match: 0, mismatch: 1 });
});

test('an unknown user is counted as a known one is', async () => {
  const gate = gateHarness();
  gate.make();
  const answers = async (login: string, user: User, from: string) => {
    const said: string[] = [];
    for (let n = 0; n < 15; n++) said.push(await gate.says(gate.wrong(user), { login, from }));
    return said;
  };
  const known = await answers('alice', ALICE, OFFICE);
  const unknown = await answers('nobody', 'nobody@example.com' as User, HOME);
  expect(unknown).toEqual(known);
});

test('an IPv6 subscriber is one network, whatever the address', async () => {
  const gate = gateHarness();
  for (let n = 0; n < 30; n++)
    await gate.decide(gate.wrong(), { login: `u${n}`, from: `2001:db8:0:1::${n}` });
  expect(await gate.says(gate.wrong(), { from: '2001:db8:0:1:ffff::' })).toBe('throttled network_blocked');
  expect(await gate.says(gate.wrong(), { from: '2001:db8:0:2::1' })).toBe('refused bad_credentials');
});
