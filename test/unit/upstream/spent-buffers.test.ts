import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { SpentBuffers, youngGenerationCollector } from '../../../src/upstream/spent-buffers.ts';

test('collects once for every 4 MB, in chunks of whatever size, and makes the collector once', () => {
  let made = 0;
  let collected = 0;
  const spent = new SpentBuffers(() => {
    made++;
    return () => collected++;
  });
  for (let bytes = 0; bytes < 3_999_990; bytes += 10) spent.add(10);
  expect([made, collected]).toEqual([0, 0]);
  spent.add(10);
  expect([made, collected]).toEqual([1, 1]);
  for (let n = 0; n < 62; n++) spent.add(65_536);
  expect(collected).toBe(2);
  // Nothing is caught up with: one collection has freed all.
  spent.add(100_000_000);
  spent.add(0);
  expect([made, collected]).toEqual([1, 3]);
});

test('the collector frees buffers that nobody holds, and leaves the others', () => {
  const collect = youngGenerationCollector();
  // Twice: what is freed by one collection is counted as free at the next.
  const settled = () => {
    collect();
    collect();
    return process.memoryUsage().arrayBuffers;
  };
  const before = settled();
  const held = Buffer.alloc(1_000_000, 'held');
  for (let n = 0; n < 40; n++) new Uint8Array(1_000_000).fill(n);
  const after = settled();
  expect(after - before).toBeGreaterThan(900_000);
  expect(after - before).toBeLessThan(10_000_000);
  expect(held.equals(Buffer.alloc(1_000_000, 'held'))).toBe(true);
});

test('no other code gets at the collector', () => {
  youngGenerationCollector();
  expect('gc' in globalThis).toBe(false);
  expect(runInNewContext('typeof gc')).toBe('undefined');
});
