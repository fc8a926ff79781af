// `redis`: where several processes keep the limits that they share.

import { Secret } from '../../lib/secret.ts';
import { optional, reshaped, section } from '../shapes.ts';
import { duration, formatHostPort, type HostPort, path, secret, secretText, text } from '../values.ts';
import { needsSecret, type Written } from '../written.ts';

const NO_URL =
  'is not the URL of a Redis, must be redis://host:port/database or rediss://…, with a user name and password in it percent-encoded';

export const redisSchema = reshaped(
  section({
    /**
     * Where it is: `redis://host:port/database`, or `rediss://` for TLS. It may hold a user name and a password. This
     * or `urlFile`.
     */
    url: secretText(
      {
        example: './secrets/redis-url',
        meaning: 'A file that holds the URL on one line, closed to other users. This or `url`.',
      },
      NO_URL,
      parseRedisUrl,
      formatRedisUrl,
    ),
    /** Its password, if it is not in the URL. */
    password: secret({
      example: './secrets/redis',
      meaning: 'A file that holds its password on one line, closed to other users.',
    }),
    /** Authorities to trust for it, PEM, with `rediss://`. Default: those that Node.js trusts. */
    ca: optional(path('./tls/internal-ca.pem')),
    /** What all its keys begin with. */
    prefix: text('must be 1 to 64 letters, digits and :._-', (written) =>
      /^[A-Za-z0-9:._-]{1,64}$/.test(written) ? written : undefined,
    )
      .meta({ title: 'text' })
      .prefault('postern:'),
    /** Time for it to answer; after that, limits are each process’s own until it answers again. */
    timeout: duration('10ms', '5s').prefault('200ms'),
  }),
  ({ url, ...redis }, wrongKey) => {
    if (url?.password && redis.password)
      wrongKey('password', 'is set beside a URL that holds a password, must be the only one of the two');
    if (url?.tls === false && redis.ca !== null)
      wrongKey('ca', 'means nothing with redis://, must be left out');
    redis.password ??= url?.password ?? null;
    // `checkRedis` has seen to it that there is one.
    return { ...(url as RedisUrl), ...redis };
  },
  ({ host, port, db, tls, username, password, ...redis }) => ({
    ...redis,
    url: { host, port, db, tls, username, password: null },
    password,
  }),
);

/** What a URL says. */
export interface RedisUrl extends HostPort {
  /** The number of the database. */
  readonly db: number;
  readonly tls: boolean;
  readonly username: string | null;
  readonly password: Secret | null;
}

/** `redis://` or `rediss://`, `[user:password@]host[:port][/database]`; undefined if the text is anything else. */
export function parseRedisUrl(text: string): RedisUrl | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === '' || url.search !== '' || url.hash !== '') return undefined;
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') return undefined;
  const database = /^\/?(\d{0,5})$/.exec(url.pathname);
  if (database === null || url.port === '0') return undefined;
  try {
    return {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? 6379 : Number(url.port),
      db: Number(database[1]),
      tls: url.protocol === 'rediss:',
      username: decodeURIComponent(url.username) || null,
      password: url.password === '' ? null : new Secret(decodeURIComponent(url.password)),
    };
  } catch {
    return undefined;
  }
}

/** Without its password. */
function formatRedisUrl({ host, port, db, tls, username }: RedisUrl): string {
  const user = username === null ? '' : `${encodeURIComponent(username)}@`;
  return `${tls ? 'rediss' : 'redis'}://${user}${formatHostPort({ host, port })}/${db}`;
}

export function checkRedis(redis: Written): void {
  if (redis.isWritten) needsSecret(redis, 'url');
}
