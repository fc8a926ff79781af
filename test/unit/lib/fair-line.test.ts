// Whose turn it is.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FairLine } from '../../../src/lib/fair-line.ts';
import { networkOf } from '../../../src/lib/network.ts';

function lineOf(...addresses: string[]) {
  const line = new FairLine<string>();
  for (const [index, address] of addresses.entries()) line.push(networkOf(address), `${address} ${index}`);
  const all = () => Array.from({ length: line.length }, () => line.shift());
  return { line, all };
}

test('networks take turns; inside of one, who came first goes first', () => {
  const { all } = lineOf(
    '192.0.2.1',
    '192.0.2.1',
    '192.0.2.1',
    '198.51.100.1',
    '203.0.113.1',
    '198.51.100.1',
  );
  expect(all()).toEqual([
    '192.0.2.1 0',
    '198.51.100.1 3',
    '203.0.113.1 4',
    '192.0.2.1 1',
    '198.51.100.1 5',
    '192.0.2.1 2',
  ]);
});

test.each([
  ['addresses of one /24', Array.from({ length: 200 }, (_, n) => `203.0.113.${n}`)],
  ['each of a /64 of one /56', Array.from({ length: 200 }, (_, n) => `2001:db8:66:${n.toString(16)}::1`)],
  [
    'each of a /64 of one /48',
    Array.from({ length: 200 }, (_, n) => `2001:db8:66:${(n * 256).toString(16)}::1`),
  ],
])('200 %s have one turn between them', (_, crowd) => {
  const { line } = lineOf(...crowd, '192.0.2.7', '2001:db8:1::1');
  expect([1, 2, 3].map(() => line.shift())).toEqual([`${crowd[0]} 0`, '192.0.2.7 200', '2001:db8:1::1 201']);
});

test('inside of a wide network the narrow ones take turns, too', () => {
  const crowd = Array.from({ length: 20 }, () => '203.0.113.66');
  const { line } = lineOf(...crowd, '203.0.113.7');
  expect([line.shift(), line.shift()]).toEqual(['203.0.113.66 0', '203.0.113.7 20']);
});

test('a network that may not is passed over, and keeps its place', () => {
  const { line } = lineOf('192.0.2.1', '192.0.2.2', '198.51.100.1');
  const others = (network: string) => network !== '192.0.2.1/32';
  expect(line.shift(others)).toBe('192.0.2.2 1');
  expect(line.shift(others)).toBe('198.51.100.1 2');
  expect(line.shift(others)).toBeUndefined();
  expect(line.lengthOf('192.0.2.1/32')).toBe(1);
  expect(line.shift()).toBe('192.0.2.1 0');
  expect(line.length).toBe(0);
});

test('what is no network is alone', () => {
  const line = new FairLine<number>();
  line.push('alice@example.com', 1);
  line.push('', 2);
  expect([line.shift(), line.shift(), line.shift()]).toEqual([1, 2, undefined]);
});

test('whoever comes, nobody is lost or comes twice, and of a network in the order in which they came', () => {
  const address = fc.oneof(
    fc.nat(3).map((n) => `192.0.2.${n}`),
    fc.nat(3).map((n) => `198.51.${n}.1`),
    fc.nat(5).map((n) => `2001:db8:0:${n * 100}::1`),
  );
  fc.assert(
    fc.property(fc.array(fc.option(address, { nil: null }), { maxLength: 60 }), (steps) => {
      const line = new FairLine<{ network: string; index: number }>();
      const seen = new Map<string, number>();
      let waiting = 0;
      const take = () => {
        const next = line.shift();
        expect(next === undefined).toBe(waiting === 0);
        if (next === undefined) return;
        waiting--;
        expect(next.index).toBeGreaterThan(seen.get(next.network) ?? -1);
        seen.set(next.network, next.index);
      };
      for (const [index, step] of steps.entries()) {
        if (step === null) take();
        else {
          line.push(networkOf(step), { network: networkOf(step), index });
          waiting++;
        }
        expect(line.length).toBe(waiting);
      }
      while (waiting > 0) take();
      expect(line.shift()).toBeUndefined();
    }),
  );
});
