// Counts with an end: how much a user has done in this hour, this day. In this process, and through Redis where several
// processes share them. When Redis does not answer, this process goes on with what it has counted itself.
//
// Only who has logged in is counted, so there are as many keys as users and their app passwords.

import type { Clock } from '../lib/clock.ts';
import { BoundedMap } from './bounded-map.ts';
import { within } from './deadline.ts';
import { isConnectionLost, RedisConnection } from './redis-connection.ts';
import { type RedisOptions, readAuthorities } from './start.ts';
import { isOver, type Tally } from './tally.ts';

export interface CountEntry {
  readonly key: string;
  /** 0 only asks. */
  readonly by: number;
  /** Milliseconds from the first count to the end of it. */
  readonly window: number;
}

export interface QuotaCounts extends Disposable {
  /** Adds to each entry and gives the counts, in their order. Never rejects. */
  count(entries: readonly CountEntry[]): Promise<readonly number[]>;
}

/** Keys that a process remembers: of those, the one that was used longest ago goes first. */
const MOST = 200_000;
/** Milliseconds that Redis is left alone after it has failed. */
const PATIENCE = 2000;

/** Rejects with ConfigError if `redis.ca` cannot be read. Redis need not be there. */
export async function startQuotaCounts(options: {
  readonly redis: RedisOptions | null;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** For tests. */
  readonly most?: number;
}): Promise<QuotaCounts> {
  const { redis, clock, most = MOST } = options;
  const own = new OwnCounts(clock, most);
  if (redis === null) {
    return { count: async (entries) => own.count(entries), [Symbol.dispose]() {} };
  }
  const { ca } = redis;
  const tls = redis.tls ? { ca: ca === null ? null : await readAuthorities(ca) } : null;
  const connection = new RedisConnection({ ...redis, tls }, { quota: QUOTA });
  return new SharedCounts(connection, own, redis, clock);
}

class OwnCounts {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #tallies: BoundedMap<Tally>;

  constructor(clock: Pick<Clock, 'monotonic'>, most: number) {
    this.#clock = clock;
    this.#tallies = new BoundedMap(most);
  }

  count(entries: readonly CountEntry[]): number[] {
    const now = this.#clock.monotonic();
    return entries.map(({ key, by, window }) => {
      const tally = this.#tallies.touch(key);
      if (tally !== undefined && !isOver(tally, now, window)) {
        tally.count += by;
        return tally.count;
      }
      if (by > 0) this.#tallies.set(key, { count: by, since: now });
      return by;
    });
  }
}

/**
 * ARGV: prefix, then key, by and window of each entry. Gives the counts. A key lives as long as its window, from the first count
 * on.
 */
const QUOTA = `
local counts = {}
for n = 2, #ARGV, 3 do
  local key, by, window = ARGV[1] .. 'quota:' .. ARGV[n], tonumber(ARGV[n + 1]), ARGV[n + 2]
  local count = tonumber(redis.call('GET', key) or '0')
  if by > 0 then
    count = redis.call('INCRBY', key, by)
    if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, window) end
  end
  counts[#counts + 1] = count
end
return counts
`;

interface QuotaScript {
  quota(...args: string[]): Promise<number[]>;
}

class SharedCounts implements QuotaCounts {
  readonly #connection: RedisConnection;
  readonly #own: OwnCounts;
  readonly #options: Pick<RedisOptions, 'prefix' | 'timeout'>;
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** On the monotonic clock. */
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(
    connection: RedisConnection,
    own: OwnCounts,
    options: Pick<RedisOptions, 'prefix' | 'timeout'>,
    clock: Pick<Clock, 'monotonic'>,
  ) {
    this.#connection = connection;
    this.#own = own;
    this.#options = options;
    this.#clock = clock;
  }

  async count(entries: readonly CountEntry[]): Promise<readonly number[]> {
    const own = this.#own.count(entries);
    if (this.#clock.monotonic() < this.#notBefore) return own;
    try {
      return await within(this.#options.timeout, this.#askAgain(entries));
    } catch {
      // That Redis is away is the throttle's to tell: it asks the same one, all the time.
      this.#notBefore = this.#clock.monotonic() + PATIENCE;
      this.#connection.drop();
      return own;
    }
  }

  /** Redis closes connections that are idle, and so do firewalls: then there is another. */
  #askAgain(entries: readonly CountEntry[]): Promise<readonly number[]> {
    return this.#ask(entries).catch((error: unknown) => {
      if (!isConnectionLost(error)) throw error;
      this.#connection.drop();
      return this.#ask(entries);
    });
  }

  async #ask(entries: readonly CountEntry[]): Promise<readonly number[]> {
    const redis = (await this.#connection.client()) as unknown as QuotaScript;
    const args = entries.flatMap(({ key, by, window }) => [key, String(by), String(window)]);
    return redis.quota(this.#options.prefix, ...args);
  }

  [Symbol.dispose](): void {
    this.#connection.drop();
  }
}
