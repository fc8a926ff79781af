// The real program and its real SQLite file, for what can go wrong with that file. This process opens the store only to make
// app passwords, and closes it again: what is left open is Postern's alone.

import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { systemClock } from '../../src/lib/clock.ts';
import { parseUser, type User } from '../../src/lib/user.ts';
import { generateAppPassword } from '../../src/passwords/app-password.ts';
import type { HashParameters } from '../../src/passwords/hash.ts';
import { openKeys } from '../../src/passwords/keys-file.ts';
import { createPasswords } from '../../src/passwords/service.ts';
import { openStoreOnce } from '../../src/store/open.ts';
import type { UnwatchedStore } from '../../src/store/store.ts';
import { spawnTied, stopChild, whenReady } from './child-process.ts';
import { eventually } from './patience.ts';
import { createPki } from './pki.ts';
import { type Postern, startPostern } from './postern.ts';
import { startScriptedImapUpstream } from './scripted-imap-upstream.ts';
import { ledger } from './secrets-ledger.ts';
import { starvation } from './starvation.ts';
import { connect, type Transcript } from './transcript.ts';

export interface Lock extends AsyncDisposable {
  /** The other process ends. */
  release(): Promise<void>;
}

export interface PosternWithStore extends AsyncDisposable {
  readonly postern: Postern;
  /** The database file. */
  readonly file: string;
  /** Does something with the store that this process opens for it. */
  withStore<T>(work: (store: UnwatchedStore) => Promise<T>): Promise<T>;
  /** A new app password, and its id. */
  make(user: string): Promise<{ id: string; password: string }>;
  /** Connects to the TLS port and reads the greeting. */
  client(localAddress?: string): Promise<Transcript>;
  /** One LOGIN: `OK`, or the answer without its tag. */
  login(user: string, password: string, localAddress?: string): Promise<string>;
  /** The log's lines about the store: event, operation and error. */
  storeEvents(): string[][];
  /** Waits until the log has so many of them. */
  storeEventsAre(count: number): Promise<string[][]>;
  /** Has another process hold a lock on a database; resolves when it has it. */
  holdLock(mode: 'exclusive' | 'alone', file?: string): Promise<Lock>;
  /** A copy of the store as it is now. */
  backup(name: string): Promise<string>;
  /** Looks at the event loop's delay in each half second until the result is called. */
  watchEventLoop(): () => Promise<EventLoopDelays>;
}

/**
 * In milliseconds; one for each half second that was looked at, without the time that the main thread was ready to run and a
 * busy machine ran something else.
 */
export interface EventLoopDelays {
  readonly longest: number;
  readonly median: number;
  readonly all: readonly number[];
}

export interface StoreSettingOptions {
  readonly asNobody?: boolean;
  /** Where the database is; relative to Postern's directory unless absolute. */
  readonly file?: string;
  /** YAML: that section. */
  readonly appPasswords?: string;
  /** What `make` hashes with. */
  readonly hash?: HashParameters;
  /** Of refusals; 50 ms unless told. */
  readonly failureDelay?: string;
}

/** In place of a right one. */
export const UNAVAILABLE = 'NO [UNAVAILABLE] Temporarily unavailable, try again later';
export const REFUSED = 'NO [AUTHENTICATIONFAILED] Authentication failed';

export async function startPosternWithStore(options: StoreSettingOptions = {}): Promise<PosternWithStore> {
  await using started = new AsyncDisposableStack();
  const pki = started.use(await createPki());
  const certificate = await pki.issue();
  const upstream = started.use(await startScriptedImapUpstream());
  const name = options.file ?? 'store/postern.db';
  const postern = started.use(
    await startPostern({
      certificate,
      asNobody: options.asNobody ?? false,
      files: {
        master: ledger('mEs8-master-of-the-store'),
        'tls/cert.pem': certificate.cert,
        'tls/key.pem': certificate.key,
      },
      config: `
store: { url: "sqlite:${name.startsWith('/') ? name : `./${name}`}" }
tls: { certificate: ./tls/cert.pem, key: ./tls/key.pem }
upstreams:
  script:
    protocol: imap
    address: 127.0.0.1:${upstream.port}
    tls: none
    login: { method: plain, user: postern, passwordFile: ./master }
routes:
  - { users: "*@example.com", imap: script }
appPasswords: ${options.appPasswords ?? '{ hash: { memoryKiB: 7168, passes: 1 } }'}
throttle: { failureDelay: ${options.failureDelay ?? '50ms'}, exempt: ["127.0.0.0/8"] }
log: { level: info }
`,
    }),
  );
  const file = name.startsWith('/') ? name : join(postern.directory, name);
  const whole = started.move();
  let devices = 0;

  const withStore: PosternWithStore['withStore'] = async (work) => {
    await using store = await openStoreOnce(`sqlite:${file}`, { clock: systemClock });
    return await work(store);
  };
  const client = async (localAddress?: string) => {
    const opened = await connect({
      port: postern.ports.imaps,
      tls: true,
      ca: pki.ca.cert,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    await opened.expect('* OK [CAPABILITY …] Postern ready');
    return opened;
  };
  const storeEvents = () =>
    postern
      .events()
      .filter(({ event }) => event === 'store_unavailable' || event === 'store_recovered')
      .map(({ event, operation, error }) => [event, operation, error].filter(Boolean).map(String));

  return {
    postern,
    file,
    withStore,
    make: (user) =>
      withStore(async (store) => {
        const keys = await openKeys({ file: join(postern.directory, 'keys.json'), store });
        const hash = options.hash ?? { memoryKiB: 7168, passes: 1, lanes: 1 };
        const passwords = createPasswords({
          store,
          keys,
          hash,
          clock: systemClock,
          limits: { maxPerUser: 40 },
        });
        devices += 1;
        const made = await passwords.create({ user: parseUser(user) as User, name: `made ${devices}` });
        return { id: made.record.id, password: ledger(made.password.reveal()) };
      }),
    client,
    async login(user, password, localAddress) {
      await using opened = await client(localAddress);
      await opened.send(`a LOGIN "${user}" "${password}"\r\n`);
      const answer = (await opened.expectUntil(/^a /)).at(-1)!.slice(2);
      return answer.startsWith('OK ') ? 'OK' : answer;
    },
    storeEvents,
    async storeEventsAre(count) {
      await eventually(() => storeEvents().length >= count || undefined);
      return storeEvents();
    },
    async holdLock(mode, locked = file) {
      const script = join(import.meta.dirname, 'hold-write-lock.ts');
      const child = spawnTied(process.execPath, [script, locked, '600000', mode], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let output = '';
      child.stdout!.on('data', (chunk) => {
        output += chunk;
      });
      await whenReady(child, async () => output.includes('locked\n') || undefined);
      const release = async () => {
        await stopChild(child);
      };
      return { release, [Symbol.asyncDispose]: release };
    },
    async backup(copy) {
      const path = join(postern.directory, copy);
      const database = new Database(file, { readonly: true });
      await database.backup(path);
      database.close();
      return path;
    },
    watchEventLoop() {
      const delays: number[] = [];
      let isOver = false;
      const watching = (async () => {
        await postern.metrics();
        let starved = starvation(postern.pid);
        while (!isOver) {
          await sleep(500);
          if (isOver) return;
          // prom-client begins anew with each look; its histogram counts the 10 ms between two samples too.
          const delay = (await postern.metrics()).value('nodejs_eventloop_lag_max_seconds') * 1000 - 10;
          const now = starvation(postern.pid);
          delays.push(Math.max(0, delay - (now - starved)));
          starved = now;
        }
      })();
      // A test that fails stops Postern first.
      watching.catch(() => {});
      return async () => {
        isOver = true;
        await watching;
        const sorted = delays.toSorted((a, b) => a - b);
        return { longest: sorted.at(-1)!, median: sorted[Math.floor(sorted.length / 2)]!, all: delays };
      };
    },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

/** A secret of the right shape that is nobody's. */
export function nobodysSecret(): string {
  return ledger(generateAppPassword().reveal());
}

/** Deletes a database with its log of writes and that log's index. */
export function removeDatabase(file: string): void {
  for (const path of [file, `${file}-wal`, `${file}-shm`]) if (existsSync(path)) rmSync(path);
}
