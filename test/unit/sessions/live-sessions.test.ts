// The live sessions: a revocation slips nowhere, neither before the join nor after it, nor while the store is away.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { User } from '../../../src/lib/user.ts';
import { type EndReason, LiveSessions } from '../../../src/sessions/live-sessions.ts';
import { type Standing, StoreUnavailableError } from '../../../src/store/store.ts';

const GOOD: Standing = { revoked: false, expiresAt: null, userDisabled: false };
const clock = { now: () => Date.now(), monotonic: () => Date.now() };

class FakeStore {
  readonly standing = new Map<string, Standing>();
  readonly asked: (readonly string[])[] = [];
  isDown = false;
  /** While it is set, answers wait for it; what they say was read before. */
  hold: Promise<void> | undefined;
  #changed: () => void = () => {};
  isWatched = false;

  async standings(ids: readonly string[]): Promise<Map<string, Standing>> {
    this.asked.push(ids);
    if (this.isDown) throw new StoreUnavailableError('gone');
    const gone: Standing = { revoked: true, expiresAt: null, userDisabled: false };
    const answer = new Map(ids.map((id) => [id, this.standing.get(id) ?? gone]));
    await this.hold;
    return answer;
  }

  watch(changed: () => void): () => void {
    this.#changed = changed;
    this.isWatched = true;
    return () => {
      this.isWatched = false;
    };
  }

  /** Another process changes something. */
  set(id: string, given: Partial<Standing>): void {
    this.standing.set(id, { ...(this.standing.get(id) ?? GOOD), ...given });
    this.#changed();
  }
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

function setUp() {
  const store = new FakeStore();
  const events: string[] = [];
  const live = new LiveSessions({
    store,
    clock,
    events: {
      storeFailed: (during) => events.push(`failed: ${during}`),
      internalError: (where) => events.push(`bug: ${where}`),
    },
  });
  let sessions = 0;
  /** A session of that record, and what ended it. */
  const register = (passwordId = 'ap_1', user = 'alice@example.com', expiresAt: number | null = null) => {
    sessions += 1;
    if (!store.standing.has(passwordId)) store.standing.set(passwordId, { ...GOOD, expiresAt });
    const session = live.register(
      {
        id: `s${sessions}`,
        protocol: 'imap',
        user: user as User,
        passwordId,
        upstream: 'dovecot',
        client: { address: '192.0.2.7', port: 40_000 },
      },
      { expiresAt, device: 'Old phone', software: null, tls: 'TLSv1.2' },
    );
    const ends: EndReason[] = [];
    session.onEnd((reason) => ends.push(reason));
    return { session, ends };
  };
  const joined = async (...given: Parameters<typeof register>) => {
    const made = register(...given);
    expect(await made.session.mayJoin()).toBeUndefined();
    made.session.joined();
    return made;
  };
  return { store, live, events, register, joined };
}

const soon = () => vi.advanceTimersByTimeAsync(0);

describe('between verdict and join', () => {
  test.each([
    ['revoked', { revoked: true }],
    ['user_disabled', { userDisabled: true }],
    ['expired', { expiresAt: 1_800_000_000_000 }],
  ] as const)('%s: it may not join', async (reason, standing) => {
    const { store, register } = setUp();
    const { session, ends } = register();
    store.standing.set('ap_1', { ...GOOD, ...standing });
    expect(await session.mayJoin()).toBe(reason);
    expect(session.ended).toBe(reason);
    expect(ends).toEqual([reason]);
  });

  test('a record that is gone counts as revoked', async () => {
    const { store, register } = setUp();
    const { session } = register();
    store.standing.delete('ap_1');
    expect(await session.mayJoin()).toBe('revoked');
  });

  test('news while the upstream login runs ends it there', async () => {
    const { store, register } = setUp();
    const { session, ends } = register();
    store.set('ap_1', { revoked: true });
    await soon();
    expect(ends).toEqual(['revoked']);
    expect(await session.mayJoin()).toBe('revoked');
  });

  test('news between the last look and the splice reaches what is set last', async () => {
    const { store, register } = setUp();
    const { session } = register();
    expect(await session.mayJoin()).toBeUndefined();
    store.set('ap_1', { revoked: true });
    await soon();
    const ends: EndReason[] = [];
    session.joined();
    session.onEnd((reason) => ends.push(reason));
    expect(ends).toEqual(['revoked']);
  });

  test('a revocation that commits while the last look is being answered', async () => {
    const { store, register } = setUp();
    const { session, ends } = register();
    let release = () => {};
    store.hold = new Promise((resolve) => {
      release = resolve;
    });
    const mayJoin = session.mayJoin();
    store.hold = undefined;
    store.set('ap_1', { revoked: true });
    release();
    // The old answer says that it may; the news says that it may not.
    await mayJoin;
    await soon();
    expect(ends).toEqual(['revoked']);
  });
});

describe('a joined session', () => {
  test.each([
    ['revoked', { revoked: true }],
    ['user_disabled', { userDisabled: true }],
  ] as const)('%s: is ended as soon as the store says so, once', async (reason, standing) => {
    const { store, joined } = setUp();
    const { ends } = await joined();
    const other = await joined('ap_2');
    store.set('ap_1', standing);
    await soon();
    store.set('ap_1', standing);
    await soon();
    expect(ends).toEqual([reason]);
    expect(other.ends).toEqual([]);
  });

  test('all sessions of the record, and one look for all of them', async () => {
    const { store, joined } = setUp();
    const all = [await joined(), await joined(), await joined('ap_2')];
    store.asked.length = 0;
    store.set('ap_1', { revoked: true });
    await soon();
    expect(store.asked).toEqual([['ap_1', 'ap_2']]);
    expect(all.map(({ ends }) => ends)).toEqual([['revoked'], ['revoked'], []]);
  });

  test('expires by itself, within half a second, without asking the store', async () => {
    const { store, joined } = setUp();
    const { ends } = await joined('ap_1', 'alice@example.com', Date.now() + 10_000);
    store.isDown = true;
    await vi.advanceTimersByTimeAsync(9_999);
    expect(ends).toEqual([]);
    await vi.advanceTimersByTimeAsync(501);
    expect(ends).toEqual(['expired']);
  });

  test('an expiry that was changed meanwhile counts as it is now', async () => {
    const { store, joined } = setUp();
    const { ends } = await joined('ap_1', 'alice@example.com', Date.now() + 10_000);
    store.set('ap_1', { expiresAt: Date.now() + 20_000 });
    await vi.advanceTimersByTimeAsync(15_000);
    expect(ends).toEqual([]);
    await vi.advanceTimersByTimeAsync(5_500);
    expect(ends).toEqual(['expired']);
  });

  test('10,000 sessions are looked at in portions', async () => {
    const { store, register, live } = setUp();
    for (let n = 0; n < 10_000; n++) register(`ap_${n}`);
    store.asked.length = 0;
    store.set('ap_9999', { revoked: true });
    await soon();
    expect(store.asked).toHaveLength(20);
    expect(Math.max(...store.asked.map((ids) => ids.length))).toBe(500);
    expect(live.size).toBe(10_000);
  });
});

describe('news during a look', () => {
  test('is looked at right after it', async () => {
    const { store, joined } = setUp();
    const { ends } = await joined();
    let release = () => {};
    store.hold = new Promise((resolve) => {
      release = resolve;
    });
    store.set('ap_2', { revoked: true });
    await soon();
    store.hold = undefined;
    store.set('ap_1', { revoked: true });
    release();
    await soon();
    expect(ends).toEqual(['revoked']);
  });
});

describe('the store is away', () => {
  test('sessions go on, and what was missed is done when it is back', async () => {
    const { store, joined, events } = setUp();
    const { ends } = await joined();
    store.isDown = true;
    store.set('ap_1', { revoked: true });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(ends).toEqual([]);
    expect(events).toContain('failed: session check');
    store.isDown = false;
    await vi.advanceTimersByTimeAsync(500);
    expect(ends).toEqual(['revoked']);
  });

  test('it is asked twice a second then, and not at all when all is well', async () => {
    const { store, joined } = setUp();
    await joined();
    store.asked.length = 0;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(store.asked).toHaveLength(0);
    store.isDown = true;
    store.set('ap_1', {});
    await vi.advanceTimersByTimeAsync(10_000);
    expect(store.asked.length).toBeGreaterThan(15);
    expect(store.asked.length).toBeLessThan(25);
  });

  test('a session that could not be looked at when it was joined is looked at later', async () => {
    const { store, register } = setUp();
    const { session, ends } = register();
    store.isDown = true;
    store.standing.set('ap_1', { ...GOOD, revoked: true });
    expect(await session.mayJoin()).toBeUndefined();
    session.joined();
    store.isDown = false;
    await vi.advanceTimersByTimeAsync(500);
    expect(ends).toEqual(['revoked']);
  });
});

describe('list and end', () => {
  test('the list shows who, where, since when and whether it is joined', async () => {
    const { live, register } = setUp();
    const since = Date.now();
    const { session } = register();
    const entry = {
      id: 's1',
      protocol: 'imap',
      user: 'alice@example.com',
      passwordId: 'ap_1',
      upstream: 'dovecot',
      client: { address: '192.0.2.7', port: 40_000 },
      device: 'Old phone',
      software: null,
      tls: 'TLSv1.2',
      since,
    };
    expect(live.list()).toEqual([{ ...entry, state: 'logging_in' }]);
    session.joined();
    expect(live.list()).toEqual([{ ...entry, state: 'joined' }]);
    session.leave();
    expect(live.list()).toEqual([]);
    expect(live.size).toBe(0);
  });

  test('end by id, by user, all', async () => {
    const { live, joined } = setUp();
    const [a, b, c, d] = [
      await joined(),
      await joined(),
      await joined('ap_2', 'bob@example.com'),
      await joined('ap_3', 'carol@example.com'),
    ];
    expect(live.end({ id: 's1' }, 'admin')).toBe(1);
    expect([a, b, c, d].map(({ ends }) => ends)).toEqual([['admin'], [], [], []]);
    expect(live.end({ user: 'bob@example.com' as User }, 'admin')).toBe(1);
    expect(c.ends).toEqual(['admin']);
    for (const { session } of [a, c]) session.leave();
    expect(live.end('all', 'shutdown')).toBe(2);
    expect([b, d].map(({ ends }) => ends)).toEqual([['shutdown'], ['shutdown']]);
  });

  test('what does not exist: 0', async () => {
    const { live, joined } = setUp();
    const { ends } = await joined();
    for (const id of ['', 's2', '__proto__', 's1\0']) expect(live.end({ id }, 'admin')).toBe(0);
    expect(live.end({ user: 'nobody@example.com' as User }, 'admin')).toBe(0);
    expect(ends).toEqual([]);
  });

  test('the first reason is the one that stays', async () => {
    const { live, store, joined } = setUp();
    const { session, ends } = await joined();
    live.end({ id: 's1' }, 'admin');
    store.set('ap_1', { revoked: true });
    await soon();
    expect(ends).toEqual(['admin']);
    expect(session.ended).toBe('admin');
  });
});

test('empty() waits for the last one', async () => {
  const { live, register } = setUp();
  await live.empty();
  const [one, other] = [register(), register()];
  let isEmpty = false;
  void live.empty().then(() => {
    isEmpty = true;
  });
  one.session.leave();
  await soon();
  expect(isEmpty).toBe(false);
  other.session.leave();
  await soon();
  expect(isEmpty).toBe(true);
});

test('disposing stops the watch and the sweep', () => {
  const { live, store } = setUp();
  expect(store.isWatched).toBe(true);
  live[Symbol.dispose]();
  expect(store.isWatched).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});
