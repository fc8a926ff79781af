// The limits of several processes, in Redis: what memory-throttle.ts counts, counted by the scripts of redis-scripts.ts. It
// knows Redis as it should be; what to do when it is not is fallback-throttle.ts.
//
// The budget of verifications is not here. It bounds the argon2id runs of one process for one network and record, which
// happen for one wrong guess in 65,536; several processes with a budget each change nothing that matters, and asking Redis
// would put a round trip before every right app password.

import type { Redis } from 'ioredis';
import type { Clock } from '../lib/clock.ts';
import { networkMatcher } from '../lib/network.ts';
import type { NameMark, User } from '../lib/user.ts';
import { exemptNetworks } from './exempt-networks.ts';
import type { MemoryThrottleSettings } from './memory-throttle.ts';
import { RedisConnection, type RedisSettings } from './redis-connection.ts';
import { MOST, redisScripts } from './redis-scripts.ts';
import type { Block, BlockEntry, BlockKind, Throttle } from './throttle.ts';

export interface SharedThrottle extends Omit<Throttle, 'mayVerify' | 'mismatch'> {
  /** Other settings for what comes from now on. Counts stay, and blocks end when they would have. */
  configure(settings: MemoryThrottleSettings): void;
  /** Connects, unless there is a connection. Rejects with what stood in the way, after about 2 s at most. */
  connect(): Promise<void>;
  /** Rejects unless Redis takes writes. */
  probe(): Promise<void>;
  /** Gives the connection up, and what waits for an answer with it. */
  drop(): void;
  /** `listener` is called when a connection has ended by itself. */
  onLost(listener: () => void): void;
}

export interface RedisThrottleOptions {
  readonly settings: MemoryThrottleSettings;
  readonly redis: RedisSettings;
  /** What all keys begin with. */
  readonly prefix: string;
  /** For tests. The time of Redis unless given, so that all processes have the same. */
  readonly clock?: Pick<Clock, 'now'>;
  /** Entries of each index; for tests. */
  readonly most?: number;
}

/** Times are decimal texts where they may have fractions. */
type ScriptedRedis = Redis & {
  guess(
    now: string,
    network: string,
    user: User | NameMark,
    fingerprint: string,
  ): Promise<[BlockKind, string] | null>;
  attempt(now: string, network: string): Promise<string | null>;
  success(now: string, network: string, user: User | NameMark): Promise<null>;
  forget(now: string, what: BlockKind | 'networks' | 'pairs', ...members: string[]): Promise<number>;
};

const KINDS: readonly BlockKind[] = ['network', 'attempts', 'network_and_user'];
/** Members of an index per command, so that no list or clearing holds Redis up for others. */
const CHUNK = 500;

export function createRedisThrottle(options: RedisThrottleOptions): SharedThrottle {
  const { prefix, clock, most = MOST } = options;
  let isExempt = exemptNetworks(options.settings.exempt);
  const scripts = (limits: MemoryThrottleSettings) => redisScripts({ limits, prefix, most });
  const connection = new RedisConnection(options.redis, scripts(options.settings));
  const client = () => connection.client() as Promise<ScriptedRedis>;
  const now = () => (clock === undefined ? '' : String(clock.now()));

  /** Every member of a sorted set with its score, a chunk at a time; one may come twice (SCAN's guarantees). */
  async function* members(redis: Redis, index: string): AsyncIterable<Map<string, number>> {
    let cursor = '0';
    do {
      const [next, flat] = await redis.zscan(`${prefix}index:${index}`, cursor, 'COUNT', CHUNK);
      const found = new Map<string, number>();
      for (let n = 0; n < flat.length; n += 2) found.set(flat[n] as string, Number(flat[n + 1]));
      if (found.size > 0) yield found;
      cursor = next;
    } while (cursor !== '0');
  }

  /** Forgets the members of an index that `matches` says yes to; gives the number of blocks in force among them. */
  async function forget(
    redis: ScriptedRedis,
    what: BlockKind | 'networks' | 'pairs',
    matches: (network: string, user: string | null) => boolean,
  ): Promise<number> {
    const index = what === 'networks' || what === 'pairs' ? what : `blocks:${what}`;
    const found = new Set<string>();
    for await (const chunk of members(redis, index)) {
      for (const member of chunk.keys()) if (matches(...parts(member))) found.add(member);
    }
    let ended = 0;
    const all = [...found];
    for (let n = 0; n < all.length; n += CHUNK) {
      ended += await redis.forget(now(), what, ...all.slice(n, n + CHUNK));
    }
    return ended;
  }

  return {
    configure(next) {
      isExempt = exemptNetworks(next.exempt);
      connection.define(scripts(next));
    },

    async guess({ network, user, fingerprint }) {
      if (isExempt(network)) return undefined;
      const block = await (await client()).guess(now(), network, user, fingerprint);
      return block === null ? undefined : blockOf(block[0], block[1]);
    },

    async attempt(network) {
      if (isExempt(network)) return undefined;
      const left = await (await client()).attempt(now(), network);
      return left === null ? undefined : blockOf('attempts', left);
    },

    async success({ network, user }) {
      if (isExempt(network)) return;
      await (await client()).success(now(), network, user);
    },

    async list() {
      const redis = await client();
      const time = clock === undefined ? Number((await redis.time())[0]) * 1000 : clock.now();
      const entries = new Map<string, BlockEntry>();
      for (const kind of KINDS) {
        for await (const chunk of members(redis, `blocks:${kind}`)) {
          const subjects = [...chunk].filter(([, until]) => until > time).map(([subject]) => subject);
          if (subjects.length === 0) continue;
          // The index may name blocks that somebody has deleted by hand.
          const held = await redis.mget(subjects.map((subject) => `${prefix}block:${kind}:${subject}`));
          for (const [n, subject] of subjects.entries()) {
            const until = Number.parseFloat(held[n] ?? '');
            if (!(until > time)) continue;
            const [network, user] = parts(subject);
            entries.set(`${kind} ${subject}`, { kind, network, user: user as User | NameMark | null, until });
          }
        }
      }
      return [...entries.values()];
    },

    async clear({ network, user }) {
      const redis = await client();
      const inNetwork = network === undefined ? () => true : networkMatcher(network);
      const matches = (n: string, u: string | null) => inNetwork(n) && (user === undefined || u === user);
      let ended = await forget(redis, 'network_and_user', matches);
      await forget(redis, 'pairs', matches);
      if (user !== undefined) return ended;
      await forget(redis, 'networks', matches);
      for (const kind of ['network', 'attempts'] as const) ended += await forget(redis, kind, matches);
      return ended;
    },

    async connect() {
      await client();
    },

    async probe() {
      await (await client()).set(`${prefix}probe`, '1', 'PX', 60_000);
    },

    drop: () => connection.drop(),
    onLost: (listener) => connection.onLost(listener),
  };
}

function blockOf(kind: BlockKind, left: string): Block {
  return { kind, retryAfter: Number(left) };
}

/** A network, or a network and a user. */
function parts(member: string): [network: string, user: string | null] {
  const space = member.indexOf(' ');
  return space === -1 ? [member, null] : [member.slice(0, space), member.slice(space + 1)];
}
