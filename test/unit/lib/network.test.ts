// Addresses and networks: whichever way one client's address is written, it is one key in every limit.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  canonicalAddress,
  crowdsOf,
  isLoopback,
  NetworkSet,
  networkMatcher,
  networkOf,
  parseNetwork,
} from '../../../src/lib/network.ts';

describe('canonicalAddress', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:c000:0207', '192.0.2.7'],
    ['0:0:0:0:0:ffff:192.0.2.7', '192.0.2.7'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::1', '::1'],
    ['::', '::'],
  ])('%s is %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });

  test.each([
    '',
    'localhost',
    '192.0.2',
    '192.0.2.256',
    '192.0.2.07',
    '1:2:3',
    '::g',
    '192.0.2.7/32',
    '[::1]',
    ' ::1',
  ])('%j is none', (text) => {
    expect(canonicalAddress(text)).toBeUndefined();
  });
});

describe('networkOf', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7/32'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8::/64'],
    ['::1', '::/64'],
    ['1::', '1::/64'],
    ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b::/64'],
  ])('%s counts under %s', (address, network) => {
    expect(networkOf(canonicalAddress(address) ?? '')).toBe(network);
  });

  test('one subscriber line is one network, whatever the host part; two lines are two', () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((n) => n.toString(16));
    const four = fc.tuple(group, group, group, group);
    fc.assert(
      fc.property(four, four, four, (line, host, other) => {
        // Mapped addresses are IPv4.
        fc.pre(line.some((part) => part !== '0'));
        const network = (host: string[]) => networkOf(canonicalAddress([...line, ...host].join(':')) ?? '');
        expect(network(host)).toBe(network(other));
        const neighbour = [...line.slice(0, 3), ((Number.parseInt(line[3], 16) + 1) % 0x10000).toString(16)];
        const next = canonicalAddress([...neighbour, ...host].join(':')) ?? '';
        expect(networkOf(next)).not.toBe(network(host));
      }),
    );
  });
});

describe('parseNetwork', () => {
  test.each([
    ['192.0.2.0/24', '192.0.2.0/24'],
    ['192.0.2.7', '192.0.2.7/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:DB8::/32', '2001:db8::/32'],
    ['2001:db8::1', '2001:db8::1/128'],
    ['::ffff:192.0.2.0/120', '192.0.2.0/24'],
    ['::ffff:192.0.2.7', '192.0.2.7/32'],
    ['::/0', '::/0'],
  ])('%s is %s', (text, network) => {
    expect(parseNetwork(text)).toBe(network);
    expect(parseNetwork(network)).toBe(network);
  });

  test.each([
    '',
    '/',
    '/24',
    '192.0.2.0/',
    '192.0.2.0/33',
    '192.0.2.0/-1',
    '192.0.2.0/1e1',
    '192.0.2.0/24/24',
    '192.0.2.0/255.255.255.0',
    '192.0.2/24',
    '2001:db8::/129',
    '::ffff:192.0.2.0/95',
    'example.com/24',
    '192.0.2.0/ 24',
  ])('%j is none', (text) => {
    expect(parseNetwork(text)).toBeUndefined();
  });
});

describe('NetworkSet', () => {
  const set = new NetworkSet(
    ['192.0.2.0/24', '2001:db8::/32', '198.51.100.7/32'].map((n) => parseNetwork(n) ?? ''),
  );

  test.each([
    ['192.0.2.255', true],
    ['192.0.3.0', false],
    ['198.51.100.7', true],
    ['198.51.100.8', false],
    ['2001:db8:ffff::1', true],
    ['2001:db9::1', false],
    ['::ffff:192.0.2.1', true],
    ['not an address', false],
    ['', false],
  ])('%j: %s', (address, within) => {
    expect(set.has(address)).toBe(within);
  });

  test('host bits in a network are looked past', () => {
    expect(new NetworkSet(['192.0.2.77/24']).has('192.0.2.1')).toBe(true);
  });

  test('an empty one has nobody', () => {
    const empty = new NetworkSet([]);
    expect(empty.isEmpty).toBe(true);
    expect(empty.has('192.0.2.1')).toBe(false);
    expect(set.isEmpty).toBe(false);
  });

  test('everything of one family is nothing of the other', () => {
    expect(new NetworkSet(['0.0.0.0/0']).has('2001:db8::1')).toBe(false);
    expect(new NetworkSet(['0.0.0.0/0']).has('203.0.113.9')).toBe(true);
    // The mapped form of every IPv4 address, ::ffff:203.0.113.9, lies in all of these.
    for (const network of ['::/0', '::/1', '::/64', '::1/64', '::/80', '::fffe:0:0/95']) {
      expect(new NetworkSet([network]).has('203.0.113.9'), network).toBe(false);
      expect(new NetworkSet([network]).has('::ffff:203.0.113.9'), network).toBe(false);
    }
    expect(new NetworkSet(['::/0']).has('2001:db8::1')).toBe(true);
    expect(new NetworkSet(['::/64']).has('::1')).toBe(true);
  });
});

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['128.0.0.1', false],
  ['::2', false],
  ['localhost', false],
])('isLoopback(%j) is %s', (address, loopback) => {
  expect(isLoopback(address)).toBe(loopback);
});

test.each([
  ['192.0.2.7', '192.0.2.7/32', true],
  ['192.0.0.0/16', '192.0.2.7/32', true],
  ['192.0.2.8', '192.0.2.7/32', false],
  ['2001:db8:1:2::99', '2001:db8:1:2::/64', true],
  ['2001:db8:1:3::99', '2001:db8:1:2::/64', false],
  ['2001:db8::/32', '2001:db8:1:2::/64', true],
  ['::ffff:192.0.2.7', '192.0.2.7/32', true],
  ['::1', '::/64', true],
  ['::1', '192.0.2.7/32', false],
  ['nonsense', '192.0.2.7/32', false],
])('an operator who types %s means %s: %s', (typed, counted, expected) => {
  expect(networkMatcher(typed)(counted)).toBe(expected);
});

test.each([
  ['192.0.2.7', ['192.0.2.0/24', '192.0.2.7/32']],
  ['2001:db8:1:2ff:3::4', ['2001:db8:1::/48', '2001:db8:1:200::/56', '2001:db8:1:2ff::/64']],
  ['2001:db8::1', ['2001:db8::/48', '2001:db8::/56', '2001:db8::/64']],
  ['::1', ['::/48', '::/56', '::/64']],
  ['fe80::ffff:ffff:ffff:ffff', ['fe80::/48', 'fe80::/56', 'fe80::/64']],
  ['nobody', ['nobody/32']],
])('the networks around %s, in which somebody may have many addresses', (address, crowds) => {
  expect(crowdsOf(address)).toEqual(crowds);
  expect(crowdsOf(address).at(-1)).toBe(networkOf(address));
});
