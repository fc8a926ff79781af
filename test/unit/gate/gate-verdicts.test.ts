// Every verdict of the gate, and every reason, by what leads to it.

import { describe, expect, test } from 'vitest';
import { REFUSED_REASONS, THROTTLED_REASONS } from '../../../src/gate/verdict.ts';
import type { User } from '../../../src/lib/user.ts';
import { ALICE, BOB, gateHarness, HOME, OFFICE, settled } from './harness.ts';

const HOUR = 3_600_000;

test('a right secret is admitted, with its record and the upstream of the route', async () => {
  const gate = gateHarness();
  const { secret, record } = gate.make();
  const decision = await gate.decide(secret);
  expect(decision).toEqual({
    verdict: { kind: 'admitted', user: ALICE, record, upstream: 'dovecot', route: 0 },
    answer: true,
    user: ALICE,
    passwordId: record.id,
  });
});

test('however the login and the secret are written', async () => {
  const gate = gateHarness();
  const { secret, password } = gate.make();
  for (const login of [
    'alice',
    'ALICE',
    'alice@example.com',
    'Alice@EXAMPLE.COM',
    'EXAMPLE\\alice',
    'example\\Alice',
  ]) {
    for (const typed of [
      secret,
      password.display(),
      secret.toUpperCase(),
      password.display().replaceAll(' ', '-'),
    ]) {
      expect(await gate.says(typed, { login })).toBe('admitted none');
    }
  }
  expect(gate.argon2Runs()).toBe(1);
});

describe('refused', () => {
  test('bad_credentials: a wrong secret, an unknown user, a name that nobody can have, the secret of another user', async () => {
    const gate = gateHarness();
    const bob = gate.make(BOB);
    gate.make();
    expect(await gate.says(gate.wrong())).toBe('refused bad_credentials');
    expect(await gate.says(gate.wrong(), { login: 'nobody' })).toBe('refused bad_credentials');
    expect(await gate.says(gate.wrong(), { login: 'alice*postern' })).toBe('refused bad_credentials');
    expect(await gate.says(bob.secret)).toBe('refused bad_credentials');
    expect(gate.argon2Runs()).toBe(0);
  });

  test('empty_password: costs nothing and is answered at once', async () => {
    const gate = gateHarness({ failureDelay: 60_000 });
    expect(await gate.says('')).toBe('refused empty_password');
    expect(gate.store.looks).toBe(0);
  });

  test('not_an_app_password: is neither looked up nor hashed, for whomever', async () => {
    const gate = gateHarness();
    gate.make();
    const typed = [
      'Summer2024!',
      'abcdefghijkmnpq',
      'abcdefghijkmnpqrs',
      'abcdefghijkmnpq1',
      '\0'.repeat(16),
      'ａｂｃｄ',
    ];
    for (const secret of [...typed, 'x'.repeat(1_000_000), '    ', 'abcd efgh ijkm npq\u212a']) {
      expect(await gate.says(secret)).toBe('refused not_an_app_password');
      expect(await gate.says(secret, { login: 'nobody' })).toBe('refused not_an_app_password');
      expect(await gate.says(secret, { login: 'no*body' })).toBe('refused not_an_app_password');
    }
    expect(gate.store.looks).toBe(0);
    expect(gate.argon2Runs()).toBe(0);
  });

  test('other_identity: with a right secret or not, which is not looked at', async () => {
    const gate = gateHarness();
    const { secret } = gate.make();
    for (const typed of [secret, gate.wrong(), 'Summer2024!']) {
      expect(await gate.says(typed, { authorizationId: 'bob' })).toBe('refused other_identity');
      expect(await gate.says(typed, { authorizationId: 'alice', login: 'no*body' })).toBe(
        'refused other_identity',
      );
    }
    expect(gate.store.looks).toBe(0);
    expect(await gate.says('', { authorizationId: 'bob' })).toBe('refused empty_password');
    expect(await gate.says(secret, { authorizationId: 'ALICE@example.com ' })).toBe('admitted none');
  });

  test('revoked, expired, wrong_protocol, wrong_network, user_disabled, no_route: each of a right secret', async () => {
    const gate = gateHarness({
      routes: [
        { users: 'bob@example.com', smtp: 'postfix' },
        { users: '*', imap: 'dovecot' },
      ],
    });
    const CAROL = 'carol@example.com' as User;
    gate.store.disabled.add(CAROL);
    const cases = [
      ['revoked', ALICE, { revokedAt: gate.clock.now() - 1 }],
      ['expired', ALICE, { expiresAt: gate.clock.now() }],
      ['wrong_protocol', ALICE, { scope: ['smtp', 'pop3'] }],
      ['wrong_network', ALICE, { networks: ['198.51.100.0/24', '2001:db8::/32'] }],
      ['user_disabled', CAROL, {}],
      ['no_route', BOB, {}],
    ] as const;
    for (const [reason, user, given] of cases) {
      const { secret, record } = gate.make(user, given);
      const decision = await gate.decide(secret, { login: user });
      expect(decision.verdict).toEqual({ kind: 'refused', reason });
      expect(decision.passwordId).toBe(record.id);
      await settled();
      await gate.usesWritten();
      expect(gate.store.uses.at(-1)).toMatchObject({ id: record.id, kind: 'refused', use: { from: OFFICE } });
    }
  });

  test('the reasons above are all that there are', () => {
    expect([...REFUSED_REASONS].toSorted()).toEqual(
      [
        ...['bad_credentials', 'empty_password', 'not_an_app_password', 'revoked', 'expired'],
        ...['wrong_protocol', 'wrong_network', 'user_disabled', 'no_route', 'other_identity'],
      ].toSorted(),
    );
    // What is known of live sessions is not the gate's to say.
    const own = THROTTLED_REASONS.filter((reason: string) => reason !== 'user_sessions');
    expect(own.toSorted()).toEqual(
      ['network_blocked', 'network_and_user_blocked', 'too_many_attempts', 'verification_budget'].toSorted(),
    );
  });
});

describe('throttled', () => {
  test('network_and_user_blocked: the 11th distinct guess at a user, for as long as the block lasts', async () => {
    const gate = gateHarness();
    for (let n = 0; n < 10; n++) expect(await gate.says(gate.wrong())).toBe('refused bad_credentials');
    const { verdict } = await gate.decide(gate.wrong());
    expect(verdict).toEqual({ kind: 'throttled', reason: 'network_and_user_blocked', retryAfter: 900_000 });
    expect(await gate.says(gate.wrong(BOB), { login: 'bob' })).toBe('refused bad_credentials');
    expect(await gate.says(gate.wrong(), { from: HOME })).toBe('refused bad_credentials');
    gate.clock.advance(900_000);
    expect(await gate.says(gate.wrong())).toBe('refused bad_credentials');
  });

  test('network_blocked: the 31st distinct guess of a network, whoever it is for', async () => {
    const gate = gateHarness();
    for (let n = 0; n < 30; n++) {
      expect(await gate.says(gate.wrong(), { login: `user${n}` })).toBe('refused bad_credentials');
    }
    expect(await gate.says(gate.wrong(), { login: 'someone-else' })).toBe('throttled network_blocked');
    expect(await gate.says(gate.wrong(), { login: 'someone-else', from: HOME })).toBe(
      'refused bad_credentials',
    );
  });

  test('too_many_attempts: whatever they were', async () => {
    const gate = gateHarness({ throttle: { attempts: { most: 5, window: 600_000 } } });
    for (let n = 0; n < 5; n++)
      expect(await gate.says('my real password')).toBe('refused not_an_app_password');
    expect(await gate.says('my real password')).toBe('throttled too_many_attempts');
    expect(await gate.says(gate.wrong())).toBe('throttled too_many_attempts');
    expect(await gate.says('my real password', { from: HOME })).toBe('refused not_an_app_password');
  });

  test('verification_budget: past ten colliding guesses at one record within ten minutes, where too many wait already', async () => {
    // The second line has one place.
    const gate = gateHarness({
      queue: 4,
      throttle: {
        network: { distinct: 1000, window: HOUR, block: HOUR },
        networkAndUser: { distinct: 1000, window: HOUR, block: HOUR },
      },
    });
    gate.make();
    for (let n = 0; n < 10; n++) expect(await gate.says(gate.colliding())).toBe('refused bad_credentials');
    // The 11th waits for its turn, which it has when nobody else waits.
    expect(await gate.says(gate.colliding())).toBe('refused bad_credentials');
    const held = Promise.withResolvers<void>();
    gate.hold.until = held.promise;
    const running = gate.says(gate.colliding());
    await settled();
    await expect.poll(() => gate.verifier.length).toBe(0);
    const waiting = gate.says(gate.colliding());
    await settled();
    expect(await gate.says(gate.colliding())).toBe('throttled verification_budget');
    const elsewhere = gate.says(gate.colliding(), { from: HOME });
    held.resolve();
    expect(await Promise.all([running, waiting, elsewhere])).toEqual(
      Array.from({ length: 3 }, () => 'refused bad_credentials'),
    );
    expect(gate.runs).toEqual({ match: 0, mismatch: 14 });
  });
});

describe('what the log may have of it', () => {
  test('the user, if there can be one; no password id for a guess', async () => {
    const gate = gateHarness();
    gate.make();
    const decision = await gate.decide(gate.colliding(), { login: 'ALICE@example.com' });
    expect(decision).toMatchObject({ user: ALICE, passwordId: null });
    expect(await gate.decide(gate.wrong(), { login: 'no body' })).toMatchObject({ user: null });
  });

  test('a secret that was typed as the name is no user', async () => {
    const gate = gateHarness();
    const { secret, password } = gate.make();
    for (const login of [secret, secret.toUpperCase(), password.display().replaceAll(' ', '-')]) {
      expect(await gate.decide(gate.wrong(), { login })).toMatchObject({ user: null });
      expect(await gate.decide('whatever it is', { login })).toMatchObject({ user: null });
      gate.store.isDown = true;
      expect(await gate.decide(gate.wrong(), { login })).toMatchObject({ user: null });
      gate.store.isDown = false;
    }
  });
});
