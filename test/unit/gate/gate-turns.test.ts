// Many attempts at once: whoever has not failed is not kept waiting by those who have, whatever they try.

import { expect, test } from 'vitest';
import { gateHarness, HOME, settled } from './harness.ts';

const turn = settled;

test('behind two hundred who have failed, a first attempt is looked up in the next turn of the event loop', async () => {
  const gate = gateHarness();
  const { secret } = gate.make();
  const crowd = Array.from({ length: 200 }, (_, i) => {
    // What is no guess passes the same way.
    const tried = i % 3 === 0 ? 'Winter2025!' : gate.wrong();
    return gate.decide(tried, { from: `203.0.113.${i}`, hasFailed: true });
  });
  let answered = 0;
  for (const each of crowd) void each.then(() => answered++);
  const owner = gate.decide(secret, { from: HOME });
  expect((await owner).verdict.kind).toBe('admitted');
  expect(answered).toBeLessThan(60);
  await Promise.all(crowd);
});

test('a turn takes in a dozen of them, and all are answered', async () => {
  const gate = gateHarness();
  gate.make();
  const crowd = Array.from({ length: 60 }, (_, i) =>
    gate.decide(gate.wrong(), { from: `203.0.113.${i}`, hasFailed: true }),
  );
  const looks: number[] = [];
  for (let i = 0; i < 8; i++) {
    await turn();
    looks.push(gate.store.looks);
  }
  const inEach = looks.map((after, i) => after - (looks[i - 1] ?? 0));
  expect(Math.max(...inEach)).toBeLessThanOrEqual(24);
  expect((await Promise.all(crowd)).every(({ verdict }) => verdict.kind === 'refused')).toBe(true);
  expect(gate.store.looks).toBe(60);
});

test('look-ups that fail give their turn back', async () => {
  const gate = gateHarness();
  const { secret } = gate.make();
  gate.store.isDown = true;
  const crowd = Array.from({ length: 100 }, () => gate.says(gate.wrong(), { hasFailed: true }));
  expect(new Set(await Promise.all(crowd))).toEqual(new Set(['unavailable store']));
  gate.store.isDown = false;
  expect(await gate.says(secret)).toBe('admitted none');
});

test('who waits for argon2id keeps nobody from being looked up', async () => {
  const gate = gateHarness();
  const made = Array.from({ length: 40 }, () => gate.make());
  let release = () => {};
  gate.hold.until = new Promise((resolve) => {
    release = resolve;
  });
  const waiting = made.map(({ secret }) => gate.says(secret));
  for (let i = 0; i < 10; i++) await turn();
  expect(await gate.says(gate.wrong(), { from: HOME })).toBe('refused bad_credentials');
  release();
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(['admitted none']));
});
