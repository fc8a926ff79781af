import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Blocks } from '../../../src/throttle/blocks.ts';
import { type Ending, SoonestHeap } from '../../../src/throttle/soonest-heap.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
const lengths = { first: 10 * MINUTE, longest: DAY };

test('each further block lasts twice as long, up to a day', () => {
  const blocks = new Blocks(lengths, 10);
  let now = 0;
  const seen: number[] = [];
  for (let n = 0; n < 10; n++) {
    blocks.impose('k', 'k', null, now);
    seen.push(blocks.remaining('k', now) / MINUTE);
    now += blocks.remaining('k', now);
    expect(blocks.remaining('k', now)).toBe(0);
  }
  expect(seen).toEqual([10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]);
});

test('each quiet day halves it again, down to the first length', () => {
  for (const [quietDays, minutes] of [
    [0, 80],
    [0.99, 80],
    [1, 40],
    [2, 20],
    [3, 10],
    [300, 10],
  ] as const) {
    const blocks = new Blocks(lengths, 10);
    let now = 0;
    for (let n = 0; n < 3; n++) {
      blocks.impose('k', 'k', null, now);
      now += blocks.remaining('k', now);
    }
    now += quietDays * DAY;
    blocks.impose('k', 'k', null, now);
    expect(blocks.remaining('k', now) / MINUTE).toBe(minutes);
  }
});

test('when there are too many, the block that ends soonest goes, and never a longer one', () => {
  const blocks = new Blocks(lengths, 3);
  blocks.impose('long', 'long', null, 0);
  blocks.impose('long', 'long', null, 10 * MINUTE);
  blocks.impose('longer', 'longer', null, 11 * MINUTE);
  blocks.impose('longer', 'longer', null, 11 * MINUTE);
  for (let n = 0; n < 1000; n++) blocks.impose(`flood${n}`, `flood${n}`, null, 12 * MINUTE);
  expect(blocks.size).toBe(3);
  expect(blocks.remaining('long', 12 * MINUTE)).toBe(18 * MINUTE);
  expect(blocks.remaining('longer', 12 * MINUTE)).toBe(19 * MINUTE);
  expect(blocks.remaining('flood999', 12 * MINUTE)).toBe(10 * MINUTE);
  expect(blocks.remaining('flood998', 12 * MINUTE)).toBe(0);
});

test('blocks that ended long ago are forgotten by and by', () => {
  const blocks = new Blocks(lengths, 100_000);
  for (let n = 0; n < 1000; n++) blocks.impose(`old${n}`, `old${n}`, null, 0);
  for (let n = 0; n < 1000; n++) blocks.impose(`new${n}`, `new${n}`, null, 3 * DAY);
  expect(blocks.size).toBe(1000);
});

test('a lifted block is gone with its history', () => {
  const blocks = new Blocks(lengths, 10);
  blocks.impose('k', 'k', null, 0);
  expect(blocks.lift('k', 1)).toBe(true);
  expect(blocks.lift('k', 1)).toBe(false);
  blocks.impose('k', 'k', null, 2);
  expect(blocks.remaining('k', 2)).toBe(10 * MINUTE);
  expect(blocks.lift('k', 2 + 10 * MINUTE)).toBe(false);
});

test('the heap gives the soonest after any pushes, moves and removals', () => {
  const step = fc.record({
    do: fc.constantFrom('push', 'push', 'remove', 'move'),
    at: fc.nat(1000),
    pick: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new SoonestHeap<Ending>();
      const all: Ending[] = [];
      for (const s of steps) {
        const picked = all[s.pick % Math.max(1, all.length)];
        if (s.do === 'push') {
          const item = { until: s.at, place: 0 };
          all.push(item);
          heap.push(item);
        } else if (picked !== undefined && s.do === 'remove') {
          all.splice(all.indexOf(picked), 1);
          heap.remove(picked);
        } else if (picked !== undefined) {
          picked.until = s.at;
          heap.moved(picked);
        }
        const soonest = all.length === 0 ? undefined : Math.min(...all.map((item) => item.until));
        expect(heap.soonest?.until).toBe(soonest);
      }
    }),
  );
});
