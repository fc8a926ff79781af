import { expect, test } from 'vitest';
import { NetworkMap } from '../../../src/throttle/network-map.ts';

test('a network at its own bound loses its own oldest entry', () => {
  const map = new NetworkMap<string>({ most: 100, perNetwork: 2 });
  map.touch('a', 'x', () => 'ax');
  map.touch('b', 'x', () => 'bx');
  map.touch('b', 'y', () => 'by');
  map.touch('b', 'z', () => 'bz');
  expect(map.peek('b', 'x')).toBeUndefined();
  expect(map.peek('a', 'x')).toBe('ax');
  expect(map.size).toBe(3);
});

test('when the whole map is full, a network that has entries gives up one of its own', () => {
  const map = new NetworkMap<number>({ most: 3, perNetwork: 100 });
  map.touch('victim', 'alice', () => 1);
  for (let n = 0; n < 1000; n++) map.touch('attacker', `user${n}`, () => n);
  expect(map.peek('victim', 'alice')).toBe(1);
  expect(map.size).toBe(3);
});

test('a new network in a full map takes the place of the one touched longest ago', () => {
  const map = new NetworkMap<number>({ most: 2, perNetwork: 100 });
  map.touch('a', 'x', () => 1);
  map.touch('b', 'x', () => 2);
  map.touch('a', 'x', () => 3);
  map.touch('c', 'x', () => 4);
  expect([map.peek('a', 'x'), map.peek('b', 'x'), map.peek('c', 'x')]).toEqual([1, undefined, 4]);
});

test('sweeping drops what has expired, of this network and of the oldest', () => {
  const map = new NetworkMap<number>({ most: 100, perNetwork: 100 });
  for (let n = 0; n < 10; n++) map.touch(`n${n}`, 'x', () => n);
  for (let n = 0; n < 10; n++) map.sweep('n9', (value) => value < 5);
  expect(map.size).toBe(5);
  expect(map.peek('n4', 'x')).toBeUndefined();
  expect(map.peek('n5', 'x')).toBe(5);
});

test('entries can be removed by network and by key, and the size stays right', () => {
  const map = new NetworkMap<number>({ most: 100, perNetwork: 100 });
  for (const network of ['a', 'b']) for (const key of ['x', 'y']) map.touch(network, key, () => 0);
  map.deleteKey('x', (network) => network === 'a');
  expect([map.peek('a', 'x'), map.peek('b', 'x'), map.size]).toEqual([undefined, 0, 3]);
  map.deleteNetworks((network) => network === 'b');
  expect(map.size).toBe(1);
});
