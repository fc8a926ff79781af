// What may be advertised before anybody knows where the client will be routed: the least that all can do, asked for with patience.

import { describe, expect, test } from 'vitest';
import { LearntExtensions } from '../../../../src/protocols/smtp/extensions.ts';
import type { SmtpUpstream } from '../../../../src/protocols/smtp/upstream.ts';

const HOUR = 3_600_000;
const ALL = { SIZE: '1000', '8BITMIME': '', SMTPUTF8: '', DSN: '', ENHANCEDSTATUSCODES: '', CHUNKING: '' };

const upstreams = (...names: string[]) =>
  new Map(names.map((name) => [name, { name } as unknown as SmtpUpstream]));

/** Time that is moved, timers that are run by it, and upstreams that answer when they are told to. */
function world() {
  let now = 0;
  const timers = new Set<{ at: number; call: () => void }>();
  const asked: { name: string; answer: (offer: Record<string, string>) => void; fail: () => void }[] = [];
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    asked,
    timers,
    settle,
    options: {
      hostname: 'mail.example.com',
      clock: { now: () => now, monotonic: () => now },
      after(milliseconds: number, call: () => void) {
        const timer = { at: now + milliseconds, call };
        timers.add(timer);
        return { [Symbol.dispose]: () => void timers.delete(timer) };
      },
      ask: ({ name }: SmtpUpstream) =>
        new Promise<ReadonlyMap<string, string>>((resolve, reject) => {
          asked.push({
            name,
            answer: (offer) => resolve(new Map(Object.entries(offer))),
            fail: () => reject(new Error('unreachable')),
          });
        }),
    },
    async pass(milliseconds: number) {
      now += milliseconds;
      for (const timer of [...timers]) {
        if (timer.at > now) continue;
        timers.delete(timer);
        timer.call();
      }
      await settle();
    },
  };
}

const offered = (learnt: LearntExtensions) => Object.fromEntries(learnt.offered());

describe('what is offered', () => {
  test.each<[string, Record<string, string>[], Record<string, string>]>([
    ['of one upstream, what Postern can do too', [ALL], { ...ALL, PIPELINING: '' }],
    ['of several, what all can do', [ALL, { DSN: '', SIZE: '500' }], { DSN: '', SIZE: '500' }],
    [
      'the least size, where some have no limit',
      [{ SIZE: '0' }, { SIZE: '700' }, { SIZE: '' }],
      { SIZE: '700' },
    ],
    ['no limit, if none has one', [{ SIZE: '' }, { SIZE: '0' }], { SIZE: '' }],
    ['no size, where one does not know it', [{ SIZE: '1' }, {}], {}],
    ['no nonsense', [{ SIZE: '-1' }, { SIZE: '1e9' }, { SIZE: '9'.repeat(400) }], { SIZE: '' }],
  ])('%s', (_, offers, expected) => {
    const { options } = world();
    const names = offers.map((__, i) => `u${i}`);
    using learnt = new LearntExtensions({ ...options, upstreams: upstreams(...names) });
    offers.forEach((offer, i) => {
      learnt.learn(`u${i}`, new Map(Object.entries(offer)));
    });
    const { CHUNKING: _none, ...known } = expected;
    expect(offered(learnt)).toEqual({ ...known, PIPELINING: '' });
  });

  test('while one is unknown, and where there is none: Postern’s own alone', () => {
    const { options } = world();
    using learnt = new LearntExtensions({ ...options, upstreams: upstreams('a', 'b') });
    learnt.learn('a', new Map(Object.entries(ALL)));
    learnt.learn('stranger', new Map(Object.entries(ALL)));
    expect(offered(learnt)).toEqual({ PIPELINING: '' });
    expect(Object.fromEntries(learnt.for(['a']))).toMatchObject({ DSN: '', SIZE: '1000' });
    expect(Object.fromEntries(learnt.for([]))).toEqual({ PIPELINING: '' });
    expect(Object.fromEntries(learnt.for(['stranger']))).toEqual({ PIPELINING: '' });
  });
});

describe('asking', () => {
  test('once at the start, and again when nothing was heard for an hour', async () => {
    const { options, asked, pass, settle } = world();
    using learnt = new LearntExtensions({ ...options, upstreams: upstreams('a') });
    expect(asked.map(({ name }) => name)).toEqual(['a']);
    asked[0]!.answer({ DSN: '' });
    await settle();
    expect(offered(learnt)).toEqual({ PIPELINING: '', DSN: '' });
    await pass(HOUR / 2);
    learnt.learn('a', new Map([['SMTPUTF8', '']]));
    await pass(HOUR / 2);
    expect(asked).toHaveLength(1);
    await pass(HOUR / 2);
    expect(asked).toHaveLength(2);
    asked[1]!.answer({ DSN: '' });
    await settle();
    expect(offered(learnt)).toEqual({ PIPELINING: '', DSN: '' });
  });

  test('one question at a time, and every half minute while nothing is known', async () => {
    const { options, asked, pass, timers, settle } = world();
    using _ = new LearntExtensions({ ...options, upstreams: upstreams('a') });
    await pass(10 * HOUR);
    expect(asked).toHaveLength(1);
    for (let failures = 1; failures <= 3; failures++) {
      asked.at(-1)!.fail();
      await settle();
      expect(timers.size).toBe(1);
      await pass(29_000);
      expect(asked).toHaveLength(failures);
      await pass(1000);
      expect(asked).toHaveLength(failures + 1);
    }
  });

  test('a session’s word counts for more than the answer to a question that was under way', async () => {
    const { options, asked, settle, pass } = world();
    using learnt = new LearntExtensions({ ...options, upstreams: upstreams('a') });
    await pass(1);
    learnt.learn('a', new Map([['SMTPUTF8', '']]));
    asked[0]!.answer({ DSN: '' });
    await settle();
    expect(offered(learnt)).toEqual({ PIPELINING: '', SMTPUTF8: '' });
  });

  test('a reload takes over what is known, asks anew, and the old one asks no more', async () => {
    const { options, asked, settle, timers, pass } = world();
    const before = new LearntExtensions({ ...options, upstreams: upstreams('a', 'gone') });
    asked[0]!.answer({ DSN: '' });
    await settle();
    await pass(1);
    using learnt = new LearntExtensions({ ...options, upstreams: upstreams('a'), before });
    expect(offered(learnt)).toEqual({ PIPELINING: '', DSN: '' });
    expect(asked.map(({ name }) => name)).toEqual(['a', 'gone', 'a']);
    // Answers to the old one's question start no timer.
    asked[1]!.fail();
    await settle();
    expect(timers.size).toBe(0);
    asked[2]!.answer({});
    await settle();
    expect(offered(learnt)).toEqual({ PIPELINING: '' });
    expect(timers.size).toBe(1);
    learnt[Symbol.dispose]();
    expect(timers.size).toBe(0);
  });
});
