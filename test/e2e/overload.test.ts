// More than the program can do: the queue before argon2id full, the event loop late. The worst that could come of it: a right
// app password called wrong, one network that keeps another out, sessions that suffer with the newcomers.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  nobodysSecret,
  type PosternWithStore,
  REFUSED,
  startPosternWithStore,
  UNAVAILABLE,
} from '../support/postern-with-store.ts';
import type { Transcript } from '../support/transcript.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';

function loginReasons(setting: PosternWithStore): string[] {
  return setting.postern
    .events()
    .filter(({ event }) => event === 'login')
    .map(({ reason }) => String(reason));
}

describe('the hash queue', () => {
  let setting: PosternWithStore;
  beforeAll(async () => {
    // A run takes long enough for the others to pile up.
    setting = await startPosternWithStore({
      appPasswords: '{ hash: { memoryKiB: 65536, passes: 12, concurrency: 1, queue: 8 } }',
      hash: { memoryKiB: 65_536, passes: 12, lanes: 1 },
    });
  });
  afterAll(() => setting?.[Symbol.asyncDispose]());

  test('full of one network it keeps room for others, who take their turn; nobody is refused', async () => {
    const flood = await Promise.all(Array.from({ length: 6 }, () => setting.make(ALICE)));
    const other = await setting.make(BOB);
    const clients = await Promise.all(flood.map(() => setting.client('127.0.0.2')));
    await using late = await setting.client('127.0.0.3');
    const order: string[] = [];
    const answerOf = async (c: Transcript, who: string) => {
      const answer = (await c.expectUntil(/^a /)).at(-1)!.slice(2);
      if (!answer.startsWith('OK ')) return answer;
      order.push(who);
      return 'OK';
    };
    for (const [n, c] of clients.entries()) await c.send(`a LOGIN ${ALICE} ${flood[n]!.password}\r\n`);
    const answers = clients.map((c) => answerOf(c, 'flood'));
    await expect
      .poll(async () => (await setting.postern.metrics()).value('postern_verification_queue_length'), {
        interval: 20,
      })
      .toBe(2);
    await late.send(`a LOGIN ${BOB} ${other.password}\r\n`);
    expect(await answerOf(late, 'other')).toBe('OK');
    // One runs and a quarter of the queue waits: the rest is told so at once.
    expect((await Promise.all(answers)).sort()).toEqual([
      UNAVAILABLE,
      UNAVAILABLE,
      UNAVAILABLE,
      'OK',
      'OK',
      'OK',
    ]);
    // Behind the one that ran and the one that was next, before the third.
    expect(order).toEqual(['flood', 'flood', 'other', 'flood']);
    await expect
      .poll(() => loginReasons(setting))
      .toEqual(['hash_queue', 'hash_queue', 'hash_queue', 'none', 'none', 'none', 'none']);
    // Who was told to come again gets in when he does.
    const outcomes = await Promise.all(answers);
    const turnedAway = flood[outcomes.indexOf(UNAVAILABLE)]!;
    expect(await setting.login(ALICE, turnedAway.password, '127.0.0.2')).toBe('OK');
    for (const c of clients) await c[Symbol.asyncDispose]();
  });
});

describe('a late event loop', () => {
  let setting: PosternWithStore;
  beforeAll(async () => {
    setting = await startPosternWithStore({ failureDelay: '5s' });
  });
  afterAll(() => setting?.[Symbol.asyncDispose]());

  /** Makes each turn of the loop take 600 ms, as a processor would that has too much to do. */
  async function slowDown(milliseconds: number): Promise<void> {
    const started = performance.now();
    while (performance.now() - started < milliseconds) {
      setting.postern.signal('SIGSTOP');
      await sleep(600);
      setting.postern.signal('SIGCONT');
      await sleep(30);
    }
  }
  const events = () =>
    setting.postern.events().filter(({ event }) => event === 'overloaded' || event === 'overload_ended');

  test('crowding attempts are refused, somebody alone gets in, sessions go on, and it ends', async () => {
    const alice = await setting.make(ALICE);
    const bob = await setting.make(BOB);
    await using session = await setting.client();
    await session.send(`a LOGIN ${ALICE} ${alice.password}\r\n`);
    await session.expectUntil(/^a OK /);
    // Connected before: what is under test is the gate, not the accepting.
    const crowd = await Promise.all(Array.from({ length: 4 }, () => setting.client('127.0.0.2')));
    await using alone = await setting.client('127.0.0.3');

    const delays = setting.watchEventLoop();
    for (let n = 0; n < 10 && events().length === 0; n++) await slowDown(1200);
    expect(events()).toMatchObject([{ event: 'overloaded', level: 'warn' }]);
    expect(events()[0]!.seconds).toBeGreaterThanOrEqual(0.5);
    expect((await setting.postern.metrics()).value('postern_overloaded')).toBe(1);

    const started = performance.now();
    for (const c of crowd) await c.send(`a LOGIN ${ALICE} ${nobodysSecret()}\r\n`);
    await alone.send(`a LOGIN ${BOB} ${bob.password}\r\n`);
    const order: string[] = [];
    const answering = crowd.map(async (c) => {
      const answer = (await c.expectUntil(/^a /)).at(-1)!.slice(2);
      order.push('crowd');
      return answer;
    });
    await alone.expectUntil(/^a OK /);
    await session.send('n NOOP\r\n');
    await session.expect('n OK done');
    order.push('alone');
    const answers = await Promise.all(answering);
    // No sooner than a refusal: asking again at once would only add to the load.
    expect(performance.now() - started).toBeGreaterThan(4900);
    expect(order).toEqual(['alone', 'crowd', 'crowd', 'crowd', 'crowd']);
    expect((await delays()).longest).toBeGreaterThan(500);
    expect(answers.sort()).toEqual([REFUSED, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE]);
    await expect
      .poll(() => loginReasons(setting).sort())
      .toEqual(['bad_credentials', 'none', 'none', 'overloaded', 'overloaded', 'overloaded']);
    for (const c of crowd) await c[Symbol.asyncDispose]();

    await expect.poll(() => events().length).toBe(2);
    expect(events()[1]).toMatchObject({ event: 'overload_ended', level: 'info' });
    expect((await setting.postern.metrics()).value('postern_overloaded')).toBe(0);
    const both = await Promise.all([
      setting.login(ALICE, nobodysSecret(), '127.0.0.2'),
      setting.login(ALICE, alice.password, '127.0.0.2'),
    ]);
    expect(both).toEqual([REFUSED, 'OK']);
  });
});
