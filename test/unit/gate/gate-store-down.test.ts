// The store does not answer: verified secrets in memory go on for their few minutes, everyone else is told to come back.

import { describe, expect, test } from 'vitest';
import { gateHarness, settled } from './harness.ts';

test('what was not verified lately is unavailable, at once, and counts as nothing', async () => {
  const gate = gateHarness({ failureDelay: 60_000 });
  const { secret } = gate.make();
  gate.store.isDown = true;
  for (let n = 0; n < 100; n++) expect(await gate.says(gate.wrong())).toBe('unavailable store');
  expect(await gate.says(secret)).toBe('unavailable store');
  expect(await gate.says(gate.wrong(), { login: 'nobody' })).toBe('unavailable store');
  expect(await gate.throttle.list()).toEqual([]);
  expect(gate.log.length).toBe(102);
  gate.store.isDown = false;
  expect(await gate.says(secret)).toBe('admitted none');
});

describe('a right secret that was verified', () => {
  test('is admitted as long as it is remembered', async () => {
    const gate = gateHarness({ remember: 300_000 });
    const { secret, record } = gate.make();
    await gate.decide(secret);
    gate.store.isDown = true;
    gate.clock.advance(299_999);
    expect(await gate.decide(secret)).toMatchObject({ passwordId: record.id, verdict: { kind: 'admitted' } });
    gate.clock.advance(1);
    expect(await gate.says(secret)).toBe('unavailable store');
    expect(gate.argon2Runs()).toBe(1);
    await settled();
    expect(gate.log).toContain('store failed: login');
  });

  test('does not live longer by being used', async () => {
    const gate = gateHarness({ remember: 300_000 });
    const { secret } = gate.make();
    for (let minute = 0; minute < 5; minute++) {
      await gate.decide(secret);
      gate.clock.advance(60_000);
    }
    gate.store.isDown = true;
    expect(await gate.says(secret)).toBe('unavailable store');
  });

  test('is still asked what it is good for: expired meanwhile, wrong protocol', async () => {
    const gate = gateHarness();
    const { secret } = gate.make(undefined, { expiresAt: gate.clock.now() + 60_000, scope: ['imap'] });
    await gate.decide(secret);
    gate.store.isDown = true;
    expect(await gate.says(secret, { protocol: 'smtp' })).toBe('refused wrong_protocol');
    gate.clock.advance(60_000);
    expect(await gate.says(secret)).toBe('refused expired');
  });

  test('is refused if the last look said revoked or disabled', async () => {
    const gate = gateHarness();
    const [one, other] = [gate.make(), gate.make()];
    await gate.decide(one.secret);
    await gate.decide(other.secret);
    gate.store.change(one.record.id, () => ({ revokedAt: gate.clock.now() }));
    expect(await gate.says(one.secret)).toBe('refused revoked');
    gate.store.disabled.add(other.record.user);
    expect(await gate.says(other.secret)).toBe('refused user_disabled');
    gate.store.isDown = true;
    expect(await gate.says(one.secret)).toBe('refused revoked');
    expect(await gate.says(other.secret)).toBe('refused user_disabled');
  });

  test('is admitted in any spelling, and nothing else is', async () => {
    const gate = gateHarness();
    const { secret, password } = gate.make();
    const wrong = gate.colliding();
    await gate.decide(secret);
    await gate.decide(wrong);
    gate.store.isDown = true;
    expect(await gate.says(password.display().toUpperCase(), { login: 'EXAMPLE\\Alice' })).toBe(
      'admitted none',
    );
    expect(await gate.says(wrong)).toBe('unavailable store');
    expect(await gate.says(secret, { login: 'bob' })).toBe('unavailable store');
  });
});

test('an answer that is no answer (a bug in the store) is unavailable too, and said to be a bug', async () => {
  const gate = gateHarness();
  const { secret } = gate.make();
  await gate.decide(secret);
  gate.store.select = () => Promise.reject(new TypeError('undefined is not a function'));
  expect(await gate.says(secret)).toBe('unavailable store');
  expect(gate.log).toEqual(['internal error: gate: TypeError: undefined is not a function']);
});

test('a use that cannot be noted harms no login', async () => {
  const gate = gateHarness();
  const { secret } = gate.make();
  gate.store.noteUses = () => Promise.reject(new Error('disk full'));
  expect(await gate.says(secret)).toBe('admitted none');
  await gate.usesWritten();
  expect(gate.log).toEqual(['use not noted']);
});
