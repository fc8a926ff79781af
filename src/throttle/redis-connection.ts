// One connection to Redis at a time. A lost one is replaced when somebody asks for it next; nothing is queued for later and
// nothing is sent twice, because a limit that is told late is worth nothing.

import { isIP } from 'node:net';
import { Redis, type RedisOptions, ReplyError } from 'ioredis';
import type { Secret } from '../lib/secret.ts';
import { DeadlineError, within } from './deadline.ts';

export interface RedisSettings {
  readonly host: string;
  readonly port: number;
  /** The number of the database. */
  readonly db: number;
  readonly username: string | null;
  readonly password: Secret | null;
  readonly tls: {
    /** PEM of authorities to trust instead of the system's. */
    readonly ca: string | null;
  } | null;
}

/** Lua, by the name that it is called by. It takes no keys. */
export type Scripts = Readonly<Record<string, string>>;

/** Milliseconds for TCP, TLS and Redis's own login. */
const CONNECT_DEADLINE = 2000;

export class RedisConnection {
  #options: RedisOptions & { readonly replyMapping: 'legacy' };
  readonly #db: number;
  #client: Redis | undefined;
  #ready: Promise<Redis> | undefined;
  #onLost: () => void = () => {};

  /** Does not connect yet. */
  constructor(settings: RedisSettings, scripts: Scripts) {
    const { host, port, db, username, password, tls } = settings;
    this.#db = db;
    this.#options = {
      host,
      port,
      ...(username !== null && { username }),
      ...(password !== null && { password: password.reveal() }),
      ...(tls !== null && {
        tls: { ...(isIP(host) === 0 && { servername: host }), ...(tls.ca !== null && { ca: tls.ca }) },
      }),
      scripts: commands(scripts),
      // For the goodbye of a connection that is given up.
      disconnectTimeout: 200,
      lazyConnect: true,
      // What every Redis and its relatives speak; nothing of RESP3 is used.
      protocol: 2,
      replyMapping: 'legacy',
      disableClientInfo: true,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: null,
    };
  }

  /** Other scripts of the same names, from now on. */
  define(scripts: Scripts): void {
    this.#options = { ...this.#options, scripts: commands(scripts) };
    for (const [name, command] of Object.entries(commands(scripts))) {
      this.#client?.defineCommand(name, command);
    }
  }

  /** Called when a connection that was good has ended by itself. */
  onLost(listener: () => void): void {
    this.#onLost = listener;
  }

  /** The connection, which is made if there is none. Rejects with what stood in the way. */
  client(): Promise<Redis> {
    this.#ready ??= this.#connect();
    return this.#ready;
  }

  /** Ends the connection; what waits for answers is rejected. */
  drop(): void {
    const client = this.#client;
    this.#client = undefined;
    this.#ready = undefined;
    client?.disconnect();
  }

  async #connect(): Promise<Redis> {
    const client = new Redis(this.#options);
    this.#client = client;
    let isGood = false;
    // ioredis rejects connect() with "Connection is closed" whatever the reason was, and reports the reason as an event.
    // It goes on after some of them, such as a database that does not exist or a password that is not asked for.
    const failed = new Promise<never>((_, reject) => {
      client.on('error', reject);
      client.on('end', () => {
        reject(new Error('the connection was closed'));
        if (this.#client !== client) return;
        this.drop();
        if (isGood) this.#onLost();
      });
    });
    failed.catch(() => {});
    try {
      const connected = Promise.race([failed, establish(client, this.#db)]);
      await within(
        CONNECT_DEADLINE,
        connected,
        this.#options.tls ? 'TLS handshake (does it speak TLS?)' : 'connection',
      );
    } catch (error) {
      if (this.#client === client) this.drop();
      else client.disconnect();
      throw error;
    }
    isGood = true;
    return client;
  }
}

function commands(scripts: Scripts): Record<string, { lua: string; numberOfKeys: number }> {
  return Object.fromEntries(Object.entries(scripts).map(([name, lua]) => [name, { lua, numberOfKeys: 0 }]));
}

async function establish(client: Redis, db: number): Promise<void> {
  await client.connect();
  if (db !== 0) await client.select(db);
}

/** Redis's own words for what an operator can mend, by the first word of its error. */
const REPLIES: Record<string, string> = {
  NOAUTH: 'it asks for a password',
  WRONGPASS: 'the user name or the password is wrong',
  NOPERM: 'the user may not do what is needed',
  OOM: 'it is full (maxmemory)',
  READONLY: 'it is a read-only replica',
  LOADING: 'it is loading its data',
  MISCONF: 'it cannot save its data, and takes no writes',
  MASTERDOWN: 'it is a replica without its master',
  BUSY: 'it is busy with a script',
  CLUSTERDOWN: 'its cluster is down',
};

/** Whether the connection broke off, which says little of Redis: it closes idle ones, and so do firewalls. */
export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof DeadlineError || error instanceof ReplyError)
    return false;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== undefined) return code === 'ECONNRESET' || code === 'EPIPE';
  return !message.startsWith(NOT_REDIS);
}

/** How ioredis's error begins when what comes is not its protocol. */
const NOT_REDIS = 'Unknown RESP type';

/**
 * Why Redis could not be used, for a log line. Never the error's own text: Redis repeats what it was sent, and that may be a
 * password.
 */
export function whyRedisFailed(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof DeadlineError) return error.message;
  if (error instanceof ReplyError) {
    const word = /^-?([A-Z]{2,20})\b/.exec(error.message)?.[1] ?? 'ERR';
    // A script reports what its commands ran into in words of its own.
    const inside = Object.keys(REPLIES).find((reply) => error.message.includes(`${reply} `));
    const known = REPLIES[word] === undefined ? (inside ?? word) : word;
    return REPLIES[known] === undefined ? `it answered ${known}` : `${known}: ${REPLIES[known]}`;
  }
  if (error.message.startsWith(NOT_REDIS)) {
    return 'it does not speak the Redis protocol (does it want TLS? then rediss://)';
  }
  if (typeof code === 'string') {
    const tls = /SSL|TLS|CERT|SIGNATURE/.test(code) ? 'TLS failed: ' : '';
    return `${tls}${code.slice(0, 60)}`;
  }
  return 'the connection was closed';
}
