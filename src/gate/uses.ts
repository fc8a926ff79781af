// Writes when a record was last used or refused, at most once a minute for each, and never in a login's way.

import type { Clock } from '../lib/clock.ts';
import type { PasswordRecord, Use } from '../passwords/record.ts';
import type { Store } from '../store/store.ts';

const INTERVAL = 60_000;

export class Uses {
  readonly #store: Pick<Store, 'noteUse'>;
  readonly #clock: Clock;
  readonly #onFailed: (error: unknown) => void;
  /** Being written now: twenty connections at once make one write. */
  readonly #writing = new Set<string>();

  constructor(store: Pick<Store, 'noteUse'>, clock: Clock, onFailed: (error: unknown) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#onFailed = onFailed;
  }

  note(record: PasswordRecord, kind: 'used' | 'refused', use: Omit<Use, 'at'>): void {
    const at = this.#clock.now();
    const last = kind === 'used' ? record.lastUsed : record.lastRefused;
    const key = `${kind} ${record.id}`;
    if ((last !== null && at - last.at < INTERVAL) || this.#writing.has(key)) return;
    this.#writing.add(key);
    this.#store
      .noteUse(record.id, kind, { at, ...use })
      .catch(this.#onFailed)
      .finally(() => this.#writing.delete(key));
  }
}
