// Who has waited longest where: told here, and a model that counts anew each time agrees.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WaitingRoom } from '../../../src/listen/waiting-room.ts';

test('who has waited longest, of the network with the most; of several such, the one that came to be so many first', () => {
  const room = new WaitingRoom<string>();
  expect(room.oldestOfLargest()).toBeUndefined();
  room.add(['a'], 'a1');
  room.add(['b'], 'b1');
  expect(room.oldestOfLargest()).toBe('a1');
  room.add(['b'], 'b2');
  room.add(['a'], 'a2');
  expect(room.oldestOfLargest()).toBe('b1');
  expect(room.oldestFrom(['a'])).toBe('a1');
  room.delete(['b'], 'b1');
  expect(room.oldestOfLargest()).toBe('a1');
  room.delete(['a'], 'a1');
  room.delete(['a'], 'a2');
  expect(room.oldestOfLargest()).toBe('b2');
  expect(room.oldestFrom(['a'])).toBeUndefined();
  expect(room.sizeOf(['a'])).toBe(0);
  expect(room.sizeOf(['b'])).toBe(1);
});

test('nobody leaves twice', () => {
  const room = new WaitingRoom<string>();
  room.add(['a'], 'a1');
  room.delete(['a'], 'a1');
  expect(() => room.delete(['a'], 'a1')).toThrow();
  expect(() => room.delete(['b'], 'b1')).toThrow();
  expect(room.largest).toBe(0);
  expect(room.oldest()).toBeUndefined();
});

test('whatever happens: it is always somebody of a largest network, and the first of it', () => {
  const step = fc.record({ network: fc.constantFrom('a', 'b', 'c'), leave: fc.boolean(), which: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const room = new WaitingRoom<number>();
      const model = new Map<string, number[]>([...'abc'].map((network) => [network, []]));
      let last = 0;
      for (const { network, leave, which } of steps) {
        const members = model.get(network)!;
        if (!leave) {
          last += 1;
          members.push(last);
          room.add([network], last);
        } else if (members.length > 0) {
          const [gone] = members.splice(which % members.length, 1);
          room.delete([network], gone!);
        }
        const most = Math.max(...[...model.values()].map(({ length }) => length));
        const firsts = [...model.values()].filter(({ length }) => length === most).map(([first]) => first);
        expect(firsts).toContain(room.oldestOfLargest());
        expect(room.largest).toBe(most);
        // They are numbered in the order in which they came.
        const all = [...model.values()].flat();
        expect(room.oldest()).toBe(all.length === 0 ? undefined : Math.min(...all));
      }
    }),
  );
});

test('networks that lie in each other: the widest that has the most, and in it the narrower one that has the most', () => {
  const room = new WaitingRoom<string>();
  room.add(['A', 'a'], 'a1');
  room.add(['A', 'a'], 'a2');
  room.add(['A', 'a'], 'a3');
  for (const name of ['b', 'c', 'd']) room.add(['B', name], name);
  room.add(['B', 'd'], 'd2');
  expect(room.largest).toBe(4);
  expect(room.oldestOfLargest()).toBe('d');
  expect(room.sizeOf(['B'])).toBe(4);
  expect(room.sizeOf(['B', 'd'])).toBe(2);
  room.delete(['B', 'd'], 'd');
  room.delete(['B', 'd'], 'd2');
  expect(room.oldestOfLargest()).toBe('a1');
});

test('who crowds out a newcomer: of a crowd that is larger than the newcomer’s own, else of one inside of that', () => {
  const room = new WaitingRoom<string>();
  for (let n = 0; n < 6; n++) room.add(['A', `a${n % 2 === 0 ? 0 : n}`], `A ${n}`);
  for (let n = 0; n < 3; n++) room.add(['B', 'b'], `B ${n}`);
  expect(room.crowding(['C', 'c'], 5)).toBe('A 0');
  expect(room.crowding(['B', 'b'], 5)).toBe('A 0');
  expect(room.crowding([], 5)).toBe('A 0');
  expect(room.crowding(['C', 'c'], 6)).toBeUndefined();
  // Inside of A, where a0 has three.
  expect(room.crowding(['A', 'a9'], 2)).toBe('A 0');
  expect(room.crowding(['A', 'a9'], 3)).toBeUndefined();
  expect(room.crowding(['A', 'a0'], 2)).toBeUndefined();
});
