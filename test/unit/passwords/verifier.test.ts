// The queue before argon2id: how many run, how many wait, and whose turn it is.

import { expect, test, vi } from 'vitest';
import { type AppPassword, generateAppPassword } from '../../../src/passwords/app-password.ts';
import { hashAppPassword } from '../../../src/passwords/hash.ts';
import { HashQueueFullError, Verifier } from '../../../src/passwords/verifier.ts';

const password = generateAppPassword();

/** argon2id that ends when the test says so. */
function manual() {
  const started: string[] = [];
  const ends = new Map<string, { resolve: (match: boolean) => void; reject: (error: Error) => void }>();
  const verify = (hash: string, _: AppPassword) => {
    started.push(hash);
    return new Promise<boolean>((resolve, reject) => ends.set(hash, { resolve, reject }));
  };
  return {
    started,
    verify,
    end: (hash: string, match = true) => ends.get(hash)!.resolve(match),
    fail: (hash: string) => ends.get(hash)!.reject(new Error('malformed')),
  };
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('verifies with argon2id and counts each run', async () => {
  const results: string[] = [];
  const verifier = new Verifier({ concurrency: 2, queue: 10, onVerified: (result) => results.push(result) });
  const phc = await hashAppPassword(password, { memoryKiB: 64, passes: 1, lanes: 1 });
  expect(await verifier.verify(phc, password)).toBe(true);
  expect(await verifier.verify(phc, generateAppPassword())).toBe(false);
  expect(results).toEqual(['match', 'mismatch']);
});

test('tells how long a run waited and how long it took, in both lines, and of one that failed', async () => {
  const work = manual();
  let now = 0;
  const runs: [number, number][] = [];
  const verifier = new Verifier({
    concurrency: 1,
    queue: 10,
    verify: work.verify,
    clock: { monotonic: () => now },
    onRun: (wait, run) => runs.push([wait, run]),
  });
  const first = verifier.verify('a', password);
  const second = verifier.verify('b', password);
  const last = verifier.verifyLast('c', password, '192.0.2.7/32');
  now = 2000;
  work.end('a');
  await first;
  now = 3000;
  await settle();
  work.fail('b');
  await expect(second).rejects.toThrow('malformed');
  await settle();
  now = 7000;
  work.end('c');
  await last;
  expect(runs).toEqual([
    [0, 2],
    [2, 1],
    [3, 4],
  ]);
});

test('so many at once, the rest in the order they came', async () => {
  const work = manual();
  const verifier = new Verifier({ concurrency: 2, queue: 10, verify: work.verify });
  const all = ['a', 'b', 'c', 'd'].map((hash) => verifier.verify(hash, password));
  await settle();
  expect(work.started).toEqual(['a', 'b']);
  expect(verifier.length).toBe(2);
  work.end('b');
  await settle();
  expect(work.started).toEqual(['a', 'b', 'c']);
  work.end('a');
  await settle();
  expect(work.started).toEqual(['a', 'b', 'c', 'd']);
  expect(verifier.length).toBe(0);
  work.end('c', false);
  work.end('d');
  expect(await Promise.all(all)).toEqual([true, true, false, true]);
});

test('a full queue refuses at once, and takes more when it has room again', async () => {
  const work = manual();
  const verifier = new Verifier({ concurrency: 1, queue: 2, verify: work.verify });
  const all = ['a', 'b', 'c'].map((hash) => verifier.verify(hash, password));
  await expect(verifier.verify('d', password)).rejects.toThrow(HashQueueFullError);
  work.end('a');
  await settle();
  all.push(verifier.verify('e', password));
  for (const hash of ['b', 'c', 'e']) {
    await settle();
    work.end(hash);
  }
  expect(await Promise.all(all)).toEqual([true, true, true, true]);
});

test('one network holds a quarter of the queue at most, and networks take turns', async () => {
  const work = manual();
  const verifier = new Verifier({ concurrency: 1, queue: 8, verify: work.verify });
  const hostile = '203.0.113.7/32';
  const all = ['run', 'h1', 'h2'].map((hash) => verifier.verify(hash, password, hostile));
  await expect(verifier.verify('h3', password, hostile)).rejects.toThrow(HashQueueFullError);
  all.push(verifier.verify('office', password, '192.0.2.1/32'));
  work.end('run');
  await settle();
  // One of its own has left the queue.
  all.push(verifier.verify('h4', password, hostile));
  for (const hash of ['h1', 'office', 'h2', 'h4']) {
    await settle();
    work.end(hash);
  }
  expect(await Promise.all(all)).toHaveLength(5);
  expect(work.started).toEqual(['run', 'h1', 'office', 'h2', 'h4']);
});

test('a malformed hash rejects, is not counted, and frees its place', async () => {
  const results: string[] = [];
  const work = manual();
  const verifier = new Verifier({
    concurrency: 1,
    queue: 2,
    verify: work.verify,
    onVerified: (result) => results.push(result),
  });
  const bad = verifier.verify('bad', password);
  const good = verifier.verify('good', password);
  work.fail('bad');
  await expect(bad).rejects.toThrow('malformed');
  await settle();
  work.end('good');
  expect(await good).toBe(true);
  expect(results).toEqual(['match']);
});

test('a thousand at once: none is lost, never more than the bound runs', async () => {
  let running = 0;
  let most = 0;
  const verifier = new Verifier({
    concurrency: 3,
    queue: 1000,
    verify: async () => {
      most = Math.max(most, ++running);
      await settle();
      running--;
      return true;
    },
  });
  const all = await Promise.all(Array.from({ length: 1000 }, (_, n) => verifier.verify(String(n), password)));
  expect(all.every(Boolean)).toBe(true);
  expect(most).toBe(3);
});

test('with other bounds: more run at once, fewer when those that run have ended; nobody who waits is lost', async () => {
  const work = manual();
  const verifier = new Verifier({ concurrency: 1, queue: 8, verify: work.verify });
  const all = ['a', 'b', 'c', 'd', 'e'].map((hash) => verifier.verify(hash, password));
  verifier.configure({ concurrency: 3, queue: 2 });
  await settle();
  expect(work.started).toEqual(['a', 'b', 'c']);
  // Two wait, which is the most by now.
  await expect(verifier.verify('f', password)).rejects.toThrow(HashQueueFullError);

  verifier.configure({ concurrency: 1, queue: 8 });
  work.end('a');
  work.end('b');
  await settle();
  expect(work.started).toEqual(['a', 'b', 'c']);
  work.end('c');
  await settle();
  expect(work.started).toEqual(['a', 'b', 'c', 'd']);
  work.end('d');
  await settle();
  work.end('e');
  expect(await Promise.all(all)).toEqual([true, true, true, true, true]);
  expect(verifier.length).toBe(0);
});

/** A verifier whose clock the test moves on while something runs. */
function withClock(bounds: { concurrency: number; queue: number }) {
  const work = manual();
  let now = 0;
  const verifier = new Verifier({ ...bounds, verify: work.verify, clock: { monotonic: () => now } });
  const runFor = async (hash: string, milliseconds: number) => {
    now += milliseconds;
    work.end(hash, false);
    await settle();
  };
  return { ...work, verifier, runFor };
}

test('the second line goes when nobody else waits, one at a time', async () => {
  const { verifier, started, runFor } = withClock({ concurrency: 2, queue: 16 });
  const all = [
    verifier.verify('a', password),
    verifier.verify('b', password),
    verifier.verifyLast('last 1', password, 'x'),
    verifier.verifyLast('last 2', password, 'y'),
    verifier.verify('c', password),
  ];
  await settle();
  expect(started).toEqual(['a', 'b']);
  expect(verifier.length).toBe(3);
  await runFor('a', 0);
  expect(started).toEqual(['a', 'b', 'c']);
  await runFor('b', 0);
  expect(started).toEqual(['a', 'b', 'c', 'last 1']);
  await runFor('c', 0);
  await settle();
  expect(started).toEqual(['a', 'b', 'c', 'last 1']);
  // It has ended, and has taken no time: no rest.
  await runFor('last 1', 0);
  await expect.poll(() => started.at(-1)).toBe('last 2');
  await runFor('last 2', 0);
  await Promise.all(all);
});

test('the second line rests three times as long as it ran, and keeps nobody else waiting', async () => {
  const { verifier, started, runFor } = withClock({ concurrency: 1, queue: 16 });
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  try {
    const all = ['last 1', 'last 2'].map((hash) => verifier.verifyLast(hash, password, 'x'));
    await settle();
    await runFor('last 1', 10);
    all.push(verifier.verify('a', password));
    await settle();
    expect(started).toEqual(['last 1', 'a']);
    await runFor('a', 0);
    vi.advanceTimersByTime(29);
    await settle();
    expect(started).toEqual(['last 1', 'a']);
    vi.advanceTimersByTime(1);
    await settle();
    expect(started).toEqual(['last 1', 'a', 'last 2']);
    await runFor('last 2', 10);
    await Promise.all(all);
  } finally {
    vi.useRealTimers();
  }
});

test('where others wait without end, the second line has its share all the same', async () => {
  const { verifier, started, runFor } = withClock({ concurrency: 1, queue: 100 });
  const all = Array.from({ length: 50 }, (_, n) => verifier.verify(`n${n}`, password));
  all.push(verifier.verifyLast('last', password, 'x'));
  while (!started.includes('last')) {
    await settle();
    await runFor(started.at(-1) as string, 1);
  }
  expect(started.length).toBeLessThan(20);
  while (verifier.length > 0) await runFor(started.at(-1) as string, 1);
  await runFor(started.at(-1) as string, 1);
  await runFor('last', 1);
  await Promise.all(all);
});

test('a quarter of the queue waits in the second line, half of that for one network; the first line is as long as before', async () => {
  const { verifier, started, runFor } = withClock({ concurrency: 1, queue: 16 });
  const all = [verifier.verify('run', password)];
  await settle();
  const last = (name: string, network: string) => {
    const turn = verifier.verifyLast(name, password, network);
    turn.catch(() => {});
    return turn;
  };
  all.push(last('x1', 'x'), last('x2', 'x'));
  await expect(last('x3', 'x')).rejects.toThrow(HashQueueFullError);
  all.push(last('y1', 'y'), last('y2', 'y'));
  await expect(last('z1', 'z')).rejects.toThrow(HashQueueFullError);
  for (let n = 0; n < 16; n++) all.push(verifier.verify(`n${n}`, password));
  await expect(verifier.verify('too many', password)).rejects.toThrow(HashQueueFullError);
  while (started.length < 21) {
    await settle();
    await runFor(started.at(-1) as string, 0);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await runFor(started.at(-1) as string, 0);
  await Promise.all(all);
  // Those of two networks, in turns.
  expect(started.filter((hash) => /^[xy]/.test(hash))).toEqual(['x1', 'y1', 'x2', 'y2']);
});
