// How much may be under way at a time. Three worst things: many messages that were begun while there was room; a settlement between a
// question and its answer; counts that do not come down again.

import { beforeEach, expect, test } from 'vitest';
import { type QuotaEntry, Quotas } from '../../../../src/protocols/smtp/quotas.ts';

const counts = new Map<string, number>();
let answered: Promise<void> | undefined;
const quotas = () =>
  new Quotas({
    async count(entries: readonly QuotaEntry[]) {
      const all = entries.map(({ key, by }) => {
        counts.set(key, (counts.get(key) ?? 0) + by);
        return counts.get(key)!;
      });
      await answered;
      return all;
    },
  });
const subjects = (recipientsPerHour: number) => [
  {
    name: 'user:alice@example.com',
    limits: { messagesPerHour: 100, messagesPerDay: 100, recipientsPerHour, recipientsPerDay: 1000 },
  },
];
const taken = (allowance: { takeRecipient(): boolean }, wanted: number) => {
  let got = 0;
  for (let n = 0; n < wanted; n++) if (allowance.takeRecipient()) got++;
  return got;
};

beforeEach(() => {
  counts.clear();
  answered = undefined;
});

test('fifty messages that were begun at the same time have one quota of recipients, however late they come', async () => {
  const all = quotas();
  const allowances = await Promise.all(Array.from({ length: 50 }, () => all.begin(subjects(30))));
  let sum = 0;
  for (const allowance of allowances) {
    const got = taken(allowance!, 20);
    sum += got;
    await allowance!.settle(got);
  }
  expect(sum).toBe(30);
  // All are over: the next one asks anew, and nothing is held against it.
  const next = await all.begin(subjects(35));
  expect(taken(next!, 20)).toBe(5);
});

test('what is released or given back is free for the others', async () => {
  const all = quotas();
  const [first, second] = [await all.begin(subjects(10)), await all.begin(subjects(10))];
  expect(taken(first!, 20)).toBe(10);
  expect(taken(second!, 1)).toBe(0);
  first!.giveBackRecipient();
  expect(taken(second!, 2)).toBe(1);
  first!.release();
  expect(taken(second!, 20)).toBe(9);
});

test('a settlement while another one asks is not forgotten', async () => {
  const all = quotas();
  const first = await all.begin(subjects(10));
  taken(first!, 8);
  const asks = all.begin(subjects(10));
  await first!.settle(8);
  const second = await asks;
  expect(taken(second!, 20)).toBeLessThanOrEqual(2);
});
