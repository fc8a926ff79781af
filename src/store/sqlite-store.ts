// The embedded store: one SQLite file in WAL mode, next to Postern, shared by its processes on one machine. Two threads
// have it open, one that reads and one that writes, so that neither the event loop nor a login that reads waits for a
// write's lock or disk.
//
// A file that was replaced is opened again. While something does not work, a probe looks every second whether it does.

import type { Clock } from '../lib/clock.ts';
import { ConfigError } from '../lib/errors.ts';
import { DatabaseMovedError } from './database-moved.ts';
import type { OpenOptions } from './sqlite-database.ts';
import { type Store, StoreUnavailableError } from './store.ts';
import { type OnStoreChange, type Operation, StoreHealth } from './store-health.ts';
import { ThreadClient } from './thread-client.ts';
import type { ThreadCall } from './thread-messages.ts';

/** How long a call tries while the database is locked, in milliseconds; once it is known not to work, it tries once. */
const PATIENCE = 5000;
const PROBE_INTERVAL = 1000;
/** Probes from one check of the whole database to the next. */
const PROBES_PER_CHECK = 5;

export interface StoreOptions {
  readonly clock: Clock;
  readonly onChange?: OnStoreChange;
}

/**
 * Opens the file, makes it if it is missing, and migrates it. Rejects with ConfigError if a newer Postern made it, with
 * StoreUnavailableError if it cannot be opened, is no database or stays locked.
 */
export async function openSqliteStore(file: string, options: StoreOptions): Promise<Store> {
  const store = new SqliteStore(file, options);
  try {
    await store.open();
    return store;
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

class SqliteStore implements Store {
  readonly #file: string;
  readonly #threads: Readonly<Record<Operation, ThreadClient>>;
  readonly #health: StoreHealth;
  readonly #watchers = new Set<() => void>();
  /** Why there is no database open, when opening it again failed. */
  #notOpen: StoreUnavailableError | undefined;
  #reopening: Promise<void> | undefined;
  /** How often it was opened. */
  #opened = 0;
  #probing: NodeJS.Timeout | undefined;
  #probes = 0;
  #isClosed = false;

  constructor(file: string, { clock, onChange }: StoreOptions) {
    this.#file = file;
    this.#health = new StoreHealth(clock, (operation, error) => {
      if (error !== null) this.#probeUntilHealthy();
      onChange?.(operation, error);
    });
    this.#threads = {
      read: new ThreadClient('reader', (news) => this.#onNews(news)),
      write: new ThreadClient('writer', () => {}),
    };
  }

  open(): Promise<void> {
    this.#threads.read.start();
    return this.#open('create');
  }

  select: Store['select'] = (...args) => this.#call('read', 'select', args);
  list: Store['list'] = (...args) => this.#call('read', 'list', args);
  standings: Store['standings'] = (...args) => this.#call('read', 'standings', args);
  namedKeys: Store['namedKeys'] = (...args) => this.#call('read', 'namedKeys', args);
  noteKeyCheck: Store['noteKeyCheck'] = (...args) => this.#call('write', 'noteKeyCheck', args);
  create: Store['create'] = (...args) => this.#call('write', 'create', args);
  revoke: Store['revoke'] = (...args) => this.#call('write', 'revoke', args);
  rehash: Store['rehash'] = (...args) => this.#call('write', 'rehash', args);
  noteUses: Store['noteUses'] = (...args) => this.#call('write', 'noteUses', args);
  setUserDisabled: Store['setUserDisabled'] = (...args) => this.#call('write', 'setUserDisabled', args);
  purge: Store['purge'] = (...args) => this.#call('write', 'purge', args);
  rename: Store['rename'] = (...args) => this.#call('write', 'rename', args);
  portalSession: Store['portalSession'] = (...args) => this.#call('read', 'portalSession', args);
  audit: Store['audit'] = (...args) => this.#call('read', 'audit', args);
  searchUsers: Store['searchUsers'] = (...args) => this.#call('read', 'searchUsers', args);
  addPortalSession: Store['addPortalSession'] = (...args) => this.#call('write', 'addPortalSession', args);
  touchPortalSession: Store['touchPortalSession'] = (...args) =>
    this.#call('write', 'touchPortalSession', args);
  endPortalSessions: Store['endPortalSessions'] = (...args) => this.#call('write', 'endPortalSessions', args);
  addAudit: Store['addAudit'] = (...args) => this.#call('write', 'addAudit', args);
  purgePortal: Store['purgePortal'] = (...args) => this.#call('write', 'purgePortal', args);

  watch(changed: () => void): () => void {
    const watcher = () => changed();
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#probing);
    this.#watchers.clear();
    // A thread that cannot close is ended: what it had committed is in the file.
    await this.#closeThreads().catch(() => {});
    await Promise.all([this.#threads.read.terminate(), this.#threads.write.terminate()]);
  }

  async #call<T>(operation: Operation, name: ThreadCall, args: readonly unknown[]): Promise<T> {
    if (this.#isClosed) throw new StoreUnavailableError('the store is closed');
    try {
      const patience = this.#patience(operation);
      const ask = () => this.#threads[operation].ask({ kind: 'call', call: name, args, patience });
      const result = await this.#whenOpen(ask);
      this.#health.succeeded(operation);
      return result as T;
    } catch (error) {
      if (error instanceof StoreUnavailableError && !this.#isClosed) this.#health.failed(operation, error);
      throw error;
    }
  }

  /** Opens the database again, and asks again, if it is not the one at the path. */
  async #whenOpen(ask: () => Promise<unknown>): Promise<unknown> {
    if (this.#notOpen !== undefined) throw this.#notOpen;
    const opened = this.#opened;
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof DatabaseMovedError) || error.how === 'gone' || this.#isClosed) throw error;
      // Others may have noticed before.
      if (opened === this.#opened) await this.#reopen();
      return ask();
    }
  }

  #patience(operation: Operation): number {
    return this.#health.failing.includes(operation) ? 0 : PATIENCE;
  }

  async #open(mode: OpenOptions['mode'], patience = PATIENCE): Promise<void> {
    const question = { kind: 'open', file: this.#file, mode, patience } as const;
    // The writer first: it makes the file and its tables.
    await this.#threads.write.ask(question);
    await this.#threads.read.ask(question);
    this.#opened++;
  }

  async #closeThreads(): Promise<void> {
    const question = { kind: 'close', patience: 0 } as const;
    await Promise.all([this.#threads.read.ask(question), this.#threads.write.ask(question)]);
  }

  /** Both threads close before either opens: what is left of the old database must not get into the new one. */
  #reopen(): Promise<void> {
    this.#reopening ??= this.#closeThreads()
      .then(() => this.#open('existing', this.#patience('read')))
      .then(
        () => {
          this.#notOpen = undefined;
          this.#health.repaired();
          // Whatever was revoked in it is news.
          this.#tellWatchers();
        },
        (error: unknown) => {
          this.#notOpen = asUnavailable(error);
          this.#allFailed(this.#notOpen);
          throw this.#notOpen;
        },
      )
      .finally(() => {
        this.#reopening = undefined;
      });
    return this.#reopening;
  }

  #onNews(news: 'changed' | 'gone' | 'replaced'): void {
    if (this.#isClosed) return;
    if (news === 'changed') this.#tellWatchers();
    else if (news === 'gone') this.#allFailed(new DatabaseMovedError('gone'));
    else this.#reopen().catch(() => {});
  }

  #allFailed(error: StoreUnavailableError): void {
    if (this.#isClosed) return;
    this.#health.failed('read', error);
    this.#health.failed('write', error);
  }

  #tellWatchers(): void {
    for (const changed of this.#watchers) changed();
  }

  #probeUntilHealthy(): void {
    if (this.#probing !== undefined) return;
    let isRunning = false;
    this.#probing = setInterval(() => {
      if (isRunning) return;
      isRunning = true;
      void this.#probe().finally(() => {
        isRunning = false;
        if (this.#health.failing.length > 0) return;
        clearInterval(this.#probing);
        this.#probing = undefined;
      });
    }, PROBE_INTERVAL);
    this.#probing.unref();
  }

  /** Never rejects: what fails counts as any call's failure does. */
  async #probe(): Promise<void> {
    try {
      if (this.#notOpen !== undefined) await this.#reopen();
      if (this.#health.isDamaged && this.#probes++ % PROBES_PER_CHECK === 0) {
        await this.#threads.write.ask({ kind: 'call', call: 'check', args: [], patience: 0 });
        // Connections may have damaged pages in memory still.
        await this.#reopen();
      }
    } catch (error) {
      for (const operation of this.#health.failing) this.#health.failed(operation, asUnavailable(error));
      return;
    }
    for (const operation of this.#health.failing) {
      await this.#call(operation, 'probe', []).catch(() => {});
    }
  }
}

/** An older Postern's complaint about a newer one's database ends a start; it does not end a running program. */
function asUnavailable(error: unknown): StoreUnavailableError {
  if (error instanceof StoreUnavailableError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new StoreUnavailableError(message, error instanceof ConfigError ? {} : { cause: error });
}
