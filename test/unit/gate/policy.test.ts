// Step 6: what a right secret is good for.

import { describe, expect, test } from 'vitest';
import { type PolicyQuestion, policyRefusal } from '../../../src/gate/policy.ts';
import { newRecord } from '../../support/records.ts';

const NOW = 1_800_000_000_000;
const record = { ...newRecord(), revokedAt: null, lastUsed: null, lastRefused: null };
const ask = (given: Partial<PolicyQuestion['record']> = {}, question: Partial<PolicyQuestion> = {}) =>
  policyRefusal({
    userDisabled: false,
    protocol: 'imap',
    address: '192.0.2.7',
    now: NOW,
    ...question,
    record: { ...record, ...given },
  });

test('a record without conditions is good anywhere', () => {
  expect(ask()).toBeUndefined();
  expect(ask({}, { address: '2001:db8::1', protocol: 'ldap' })).toBeUndefined();
});

test('revoked, whenever that was', () => {
  expect(ask({ revokedAt: NOW - 1 })).toBe('revoked');
  // By a machine whose clock is ahead.
  expect(ask({ revokedAt: NOW + 60_000 })).toBe('revoked');
  expect(ask({ revokedAt: 0 })).toBe('revoked');
});

test('expired: from that very millisecond', () => {
  expect(ask({ expiresAt: NOW + 1 })).toBeUndefined();
  expect(ask({ expiresAt: NOW })).toBe('expired');
  expect(ask({ expiresAt: 0 })).toBe('expired');
});

test('wrong_protocol', () => {
  expect(ask({ scope: ['imap', 'smtp'] })).toBeUndefined();
  expect(ask({ scope: ['smtp'] })).toBe('wrong_protocol');
  expect(ask({ scope: [] })).toBe('wrong_protocol');
});

describe('wrong_network', () => {
  test.each([
    [['192.0.2.0/24'], '192.0.2.7', undefined],
    [['192.0.2.0/24'], '192.0.3.7', 'wrong_network'],
    [['198.51.100.0/24', '192.0.2.7/32'], '192.0.2.7', undefined],
    [['2001:db8::/32'], '2001:db8:1::1', undefined],
    [['2001:db8::/32'], '192.0.2.7', 'wrong_network'],
    [['192.0.2.0/24'], '2001:db8:1::1', 'wrong_network'],
    [['0.0.0.0/0'], '203.0.113.1', undefined],
  ] as const)('%j from %s: %s', (networks, address, refusal) => {
    expect(ask({ networks }, { address })).toBe(refusal);
  });
});

test('user_disabled', () => {
  expect(ask({}, { userDisabled: true })).toBe('user_disabled');
});

test('of several reasons, the one that most concerns the owner: what was done on purpose before what came by itself', () => {
  const all = { revokedAt: 1, expiresAt: 1, scope: ['smtp'], networks: ['203.0.113.0/24'] } as const;
  expect(ask(all, { userDisabled: true })).toBe('revoked');
  expect(ask({ ...all, revokedAt: null }, { userDisabled: true })).toBe('user_disabled');
  expect(ask({ ...all, revokedAt: null })).toBe('expired');
  expect(ask({ ...all, revokedAt: null, expiresAt: null })).toBe('wrong_protocol');
});
