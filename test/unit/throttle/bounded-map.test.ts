import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BoundedMap } from '../../../src/throttle/bounded-map.ts';

test('past its bound, the entry touched longest ago goes', () => {
  const map = new BoundedMap<number>(2);
  map.set('a', 1);
  map.set('b', 2);
  expect(map.touch('a')).toBe(1);
  expect(map.set('c', 3)).toBe(2);
  expect(map.peek('b')).toBeUndefined();
  expect([map.peek('a'), map.peek('c'), map.size]).toEqual([1, 3, 2]);
});

test('it does what an array that is searched and shifted would do', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const step = fc.oneof(
    fc.record({ do: fc.constant('set' as const), key }),
    fc.record({ do: fc.constant('touch' as const), key }),
    fc.record({ do: fc.constant('delete' as const), key }),
    fc.record({ do: fc.constant('shift' as const), key }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), fc.integer({ min: 1, max: 4 }), (steps, most) => {
      const map = new BoundedMap<number>(most);
      let model: { key: string; value: number }[] = [];
      steps.forEach((s, value) => {
        const found = model.find((e) => e.key === s.key);
        const others = model.filter((e) => e.key !== s.key);
        if (s.do === 'set') {
          if (found === undefined && others.length === most) others.shift();
          model = [...others, { key: s.key, value }];
          map.set(s.key, value);
        } else if (s.do === 'touch') {
          if (found) model = [...others, found];
          expect(map.touch(s.key)).toBe(found?.value);
        } else if (s.do === 'delete') {
          model = others;
          expect(map.delete(s.key)).toBe(found !== undefined);
        } else {
          expect(map.shift()?.key).toBe(model.shift()?.key);
        }
        expect(map.size).toBe(model.length);
        expect(map.oldest()?.key).toBe(model[0]?.key);
        for (const e of model) expect(map.peek(e.key)).toBe(e.value);
      });
    }),
  );
});
