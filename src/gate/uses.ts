// Writes when a record was last used or refused, at most once a minute for each, and never in a login's way: what comes within a
// moment is written in one go, since each write costs a login as much as its reads, and makes the readers' next reads dear.

import type { Clock } from '../lib/clock.ts';
import type { PasswordRecord, Use } from '../passwords/record.ts';
import type { NotedUse, Store } from '../store/store.ts';

const INTERVAL = 60_000;
/** Milliseconds from a use to its writing, and how many are written in one go. */
const BATCH = { wait: 100, most: 200 } as const;

export class Uses implements AsyncDisposable {
  readonly #store: Pick<Store, 'noteUses'>;
  readonly #clock: Clock;
  readonly #onFailed: (error: unknown) => void;
  /** Waiting to be written, or being written now: twenty connections at once make one note. */
  readonly #noted = new Set<string>();
  #batch: NotedUse[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(store: Pick<Store, 'noteUses'>, clock: Clock, onFailed: (error: unknown) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#onFailed = onFailed;
  }

  note(record: PasswordRecord, kind: 'used' | 'refused', use: Omit<Use, 'at'>): void {
    const at = this.#clock.now();
    const last = kind === 'used' ? record.lastUsed : record.lastRefused;
    const noted = { id: record.id, kind, use: { at, ...use } };
    const key = keyOf(noted);
    if ((last !== null && at - last.at < INTERVAL) || this.#noted.has(key)) return;
    this.#noted.add(key);
    if (this.#batch.push(noted) >= BATCH.most) void this.#write();
    else this.#timer ??= setTimeout(() => void this.#write(), BATCH.wait);
  }

  /** What waits is written. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#write();
  }

  async #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#batch;
    this.#batch = [];
    if (batch.length === 0) return;
    try {
      await this.#store.noteUses(batch);
    } catch (error) {
      this.#onFailed(error);
    }
    for (const noted of batch) this.#noted.delete(keyOf(noted));
  }
}

function keyOf({ kind, id }: NotedUse): string {
  return `${kind} ${id}`;
}
