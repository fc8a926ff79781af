// Who is let in when, where many come at once.

import { expect, test } from 'vitest';
import { Turns } from '../../../src/lib/turns.ts';

const OFFICE = '192.0.2.7/32';
const HOME = '198.51.100.1/32';

function setUp({ most = 4, mostWithNewcomers = 2, newcomers = 0 } = {}) {
  const present = { newcomers };
  const turns = new Turns({ most, mostWithNewcomers, newcomers: () => present.newcomers });
  const began: string[] = [];
  return {
    turns,
    present,
    began,
    /** Whether it began at once; if not, its name is noted when it does. */
    come(name: string, network: string, hasFailed = true): boolean {
      const wait = turns.enter(network, hasFailed);
      void wait?.then(() => began.push(name));
      return wait === undefined;
    },
  };
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('somebody alone waits for nothing, however often', async () => {
  const { turns, come } = setUp();
  for (let i = 0; i < 20; i++) {
    expect(come('alone', HOME)).toBe(true);
    turns.leave();
    await nextTurn();
  }
  expect(turns.length).toBe(0);
});

test('as many as may begin at once do; the others when those have left and the turn is over', async () => {
  const { turns, come, began } = setUp();
  expect([1, 2, 3, 4].map((n) => come(`${n}`, `192.0.2.${n}/32`))).toEqual([true, true, true, true]);
  expect([5, 6, 7].map((n) => come(`${n}`, `192.0.2.${n}/32`))).toEqual([false, false, false]);
  await nextTurn();
  expect(began).toEqual([]);
  turns.leave();
  turns.leave();
  await Promise.resolve();
  expect(began).toEqual([]);
  expect(come('8', '192.0.2.8/32')).toBe(false);
  await nextTurn();
  expect(began).toEqual(['5', '6']);
  expect(turns.length).toBe(2);
});

test('fewer begin while there are newcomers, who need not wait for that', async () => {
  const { turns, present, come, began } = setUp({ newcomers: 1 });
  expect([1, 2, 3].map((n) => come(`${n}`, OFFICE))).toEqual([true, true, false]);
  expect(come('newcomer', HOME, false)).toBe(true);
  present.newcomers = 0;
  for (let i = 0; i < 3; i++) turns.leave();
  await nextTurn();
  expect(began).toEqual(['3']);
  expect([4, 5, 6].map((n) => come(`${n}`, OFFICE))).toEqual([true, true, true]);
  expect(come('7', OFFICE)).toBe(false);
});

test('networks take turns: who crowds waits for itself', async () => {
  const { turns, come, began } = setUp({ most: 1 });
  come('running', OFFICE);
  for (let i = 1; i <= 50; i++) come(`office ${i}`, OFFICE);
  come('home', HOME);
  for (let i = 0; i < 3; i++) {
    turns.leave();
    await nextTurn();
  }
  expect(began).toEqual(['office 1', 'home', 'office 2']);
});

test('who has not failed goes before who has, of the same network too, and not all the time', async () => {
  const { turns, come, began } = setUp({ most: 1 });
  come('running', OFFICE);
  for (let i = 1; i <= 3; i++) come(`again ${i}`, HOME);
  for (let i = 1; i <= 6; i++) come(`first ${i}`, HOME, false);
  for (let i = 0; i < 9; i++) {
    turns.leave();
    await nextTurn();
  }
  expect(began).toEqual([
    'first 1',
    'first 2',
    'first 3',
    'again 1',
    'first 4',
    'first 5',
    'first 6',
    'again 2',
    'again 3',
  ]);
  turns.leave();
  await nextTurn();
  expect(turns.length).toBe(0);
});

test('nobody is lost and no more begin at once than may, whoever comes and goes', async () => {
  const most = 3;
  const { turns } = setUp({ most });
  let under = 0;
  let done = 0;
  const attempt = async (i: number) => {
    await turns.enter(`192.0.2.${i % 7}/32`, i % 3 === 0);
    expect(++under).toBeLessThanOrEqual(most);
    for (let turn = 0; turn < i % 4; turn++) await nextTurn();
    under--;
    done++;
    turns.leave();
  };
  await Promise.all(Array.from({ length: 500 }, (_, i) => attempt(i)));
  expect(done).toBe(500);
  await nextTurn();
  expect(turns.length).toBe(0);
  expect(turns.enter(HOME, true)).toBeUndefined();
});
