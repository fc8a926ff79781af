// Which limits there are: of this process alone, or shared through Redis.

import { readFile } from 'node:fs/promises';
import type { Clock } from '../lib/clock.ts';
import { ConfigError } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';
import { FallbackThrottle, type FallbackThrottleOptions } from './fallback-throttle.ts';
import { createMemoryThrottle, type MemoryThrottleSettings } from './memory-throttle.ts';
import { createRedisThrottle } from './redis-throttle.ts';
import type { Throttle } from './throttle.ts';

export interface RedisOptions {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username: string | null;
  readonly password: Secret | null;
  readonly tls: boolean;
  /** A PEM file of authorities to trust instead of the system's. */
  readonly ca: string | null;
  readonly prefix: string;
  /** Milliseconds that one operation may take. */
  readonly timeout: number;
}

/** `own`: of this process, as configured; `degraded`: of this process because Redis does not answer. */
export type Sharing = 'own' | 'shared' | 'degraded';

export interface StartedThrottle extends Disposable {
  readonly throttle: Throttle;
  readonly sharing: Sharing;
  /** Other settings for what comes from now on. Counts stay, and blocks end when they would have. */
  configure(settings: MemoryThrottleSettings): void;
}

/** Redis need not be there: then it starts degraded. Rejects with ConfigError if `ca` cannot be read. */
export async function startThrottle(options: {
  readonly settings: MemoryThrottleSettings;
  readonly redis: RedisOptions | null;
  readonly clock: Clock;
  readonly events: FallbackThrottleOptions['events'];
  readonly onAsked?: FallbackThrottleOptions['onAsked'];
}): Promise<StartedThrottle> {
  const { settings, redis, clock, events, onAsked } = options;
  const own = createMemoryThrottle({ settings, clock });
  if (redis === null) {
    return {
      throttle: own,
      sharing: 'own',
      configure: (next) => own.configure(next),
      [Symbol.dispose]() {},
    };
  }
  const { prefix, timeout, ca } = redis;
  const tls = redis.tls ? { ca: ca === null ? null : await readAuthorities(ca) } : null;
  const shared = createRedisThrottle({ settings, redis: { ...redis, tls }, prefix });
  const throttle = new FallbackThrottle({ shared, own, timeout, clock, events, onAsked });
  await throttle.start();
  return {
    throttle,
    get sharing(): Sharing {
      return throttle.isDegraded ? 'degraded' : 'shared';
    },
    configure(next) {
      own.configure(next);
      shared.configure(next);
    },
    [Symbol.dispose]: () => throttle[Symbol.dispose](),
  };
}

/** PEM. Rejects with ConfigError. */
export async function readAuthorities(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`redis.ca: cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`);
  }
}
