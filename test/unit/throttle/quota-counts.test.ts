// Counts with an end, in this process. In Redis they are in test/e2e/redis-quota-counts.test.ts.

import { describe, expect, test } from 'vitest';
import { startQuotaCounts } from '../../../src/throttle/quota-counts.ts';

const entry = (key: string, by: number, window = 1000) => ({ key, by, window });

describe('in this process', () => {
  test('each count ends its window after its first, and asking changes nothing', async () => {
    let now = 0;
    using counts = await startQuotaCounts({ redis: null, clock: { monotonic: () => now } });
    expect(await counts.count([entry('a', 0), entry('b', 2)])).toEqual([0, 2]);
    now = 600;
    expect(await counts.count([entry('a', 1), entry('b', 3)])).toEqual([1, 5]);
    now = 999;
    expect(await counts.count([entry('b', 0)])).toEqual([5]);
    now = 1000;
    expect(await counts.count([entry('a', 0), entry('b', 0)])).toEqual([1, 0]);
  });

  test('keys are bounded: the one that was used longest ago goes', async () => {
    using counts = await startQuotaCounts({ redis: null, clock: { monotonic: () => 0 }, most: 2 });
    await counts.count([entry('a', 1), entry('b', 1)]);
    await counts.count([entry('a', 0)]);
    await counts.count([entry('c', 1)]);
    expect(await counts.count([entry('a', 0), entry('b', 0), entry('c', 0)])).toEqual([1, 0, 1]);
  });
});
