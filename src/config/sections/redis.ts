// `redis`: where several processes keep the limits that they share.

import { z } from 'zod';
import type { Secret } from '../../lib/secret.ts';
import { duration, parsed, path, section } from '../values.ts';
import type { Written } from '../written.ts';

const secret = () => z.string({ error: 'must be text, in quotes' }).optional();

export const redisSchema = section({
  url: secret()
    .describe(
      'Where it is: `redis://host:port/database`, or `rediss://` for TLS. It may hold a user name and a password. This or `urlFile`.',
    )
    .meta({ title: 'secret' }),
  urlFile: path('./secrets/redis-url')
    .optional()
    .describe('A file that holds the URL on one line, closed to other users. This or `url`.'),
  password: secret().describe('Its password, if it is not in the URL.').meta({ title: 'secret' }),
  passwordFile: path('./secrets/redis')
    .optional()
    .describe('A file that holds its password on one line, closed to other users.'),
  ca: path('./tls/internal-ca.pem')
    .optional()
    .describe('Authorities to trust for it, PEM, with `rediss://`. Default: those that Node.js trusts.'),
  prefix: parsed('must be 1 to 64 letters, digits and :._-', (text) =>
    /^[A-Za-z0-9:._-]{1,64}$/.test(text) ? text : undefined,
  )
    .meta({ title: 'text' })
    .prefault('postern:')
    .describe('What all its keys begin with.'),
  timeout: duration('10ms', '5s')
    .prefault('200ms')
    .describe('Time for it to answer; after that, limits are each process’s own until it answers again.'),
});

/** What a URL says. */
export interface RedisUrl {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly tls: boolean;
  readonly username: string | null;
  readonly password: string | null;
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
      password: decodeURIComponent(url.password) || null,
    };
  } catch {
    return undefined;
  }
}

/** Checks the URL, and that there is one password at most. `url` is what was read; undefined if it could not be. */
export function checkRedis(redis: Written, url: Secret | undefined): void {
  if (url === undefined) return;
  const place = redis.get('url').isWritten ? redis.get('url') : redis.get('urlFile');
  const found = parseRedisUrl(url.reveal());
  if (found === undefined) {
    place.wrong(
      'is not the URL of a Redis, must be redis://host:port/database or rediss://…, with a user name and password in it percent-encoded',
    );
    return;
  }
  for (const key of ['password', 'passwordFile']) {
    const password = redis.get(key);
    if (password.isWritten && found.password !== null) {
      password.wrongKey('is set beside a URL that holds a password, must be the only one of the two');
    }
  }
  const ca = redis.get('ca');
  if (ca.isWritten && !found.tls) ca.wrongKey('means nothing with redis://, must be left out');
}
