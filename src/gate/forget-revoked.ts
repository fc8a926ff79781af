// Forgets what is remembered of records that were revoked, as soon as the store tells of it: if it then goes away, a revoked app
// password must not be good for the rest of its minutes.

import type { Store } from '../store/store.ts';
import type { RememberedVerifications } from './remembered.ts';

/** Ids in one look-up of standings. */
const BATCH = 500;
/** Milliseconds until a look that failed is repeated. */
const RETRY = 1000;

export class ForgetRevoked implements Disposable {
  readonly #store: Pick<Store, 'standings'>;
  readonly #remembered: Pick<RememberedVerifications, 'matchedIds' | 'forget'>;
  readonly #onFailed: (error: unknown) => void;
  readonly #stopWatching: () => void;
  #isNews = false;
  #isLooking = false;
  #isStopped = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(deps: {
    store: Pick<Store, 'standings' | 'watch'>;
    remembered: Pick<RememberedVerifications, 'matchedIds' | 'forget'>;
    onFailed: (error: unknown) => void;
  }) {
    this.#store = deps.store;
    this.#remembered = deps.remembered;
    this.#onFailed = deps.onFailed;
    this.#stopWatching = deps.store.watch(() => this.#lookSoon());
  }

  [Symbol.dispose](): void {
    this.#isStopped = true;
    this.#stopWatching();
    clearTimeout(this.#retry);
  }

  /** One look at a time: news that comes during a look leads to one more. */
  #lookSoon(): void {
    this.#isNews = true;
    if (this.#isLooking || this.#isStopped) return;
    this.#isLooking = true;
    clearTimeout(this.#retry);
    void this.#look()
      .catch((error: unknown) => {
        if (this.#isStopped) return;
        this.#onFailed(error);
        this.#retry = setTimeout(() => this.#lookSoon(), RETRY).unref();
      })
      .finally(() => {
        this.#isLooking = false;
      });
  }

  async #look(): Promise<void> {
    while (this.#isNews && !this.#isStopped) {
      this.#isNews = false;
      const ids = this.#remembered.matchedIds();
      for (let from = 0; from < ids.length; from += BATCH) {
        const standings = await this.#store.standings(ids.slice(from, from + BATCH));
        const ended = [...standings].filter(([, { revoked, userDisabled }]) => revoked || userDisabled);
        if (ended.length > 0) this.#remembered.forget(new Set(ended.map(([id]) => id)));
      }
    }
  }
}
