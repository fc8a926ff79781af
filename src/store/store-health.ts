// Whether the store can be read and written: two states, since a full disk still answers logins. Each change is told once.

import type { Clock } from '../lib/clock.ts';
import type { StoreUnavailableError } from './store.ts';

export type Operation = 'read' | 'write';

/** `error`: why it does not work; null: it works again. */
export type OnStoreChange = (operation: Operation, error: StoreUnavailableError | null) => void;

/** Milliseconds without a failure that make a success count: a disk that is nearly full refuses now and then. */
const QUIET = 1000;

/**
 * Failures after which it takes a check and another opening to know better. A damaged page fails those whose record is on it,
 * and nobody else, so that others succeed says nothing; a file that was opened without the right to write stays so.
 */
const DAMAGE: Readonly<Record<Operation, RegExp>> = {
  read: /^SQLITE_(CORRUPT|NOTADB|IOERR|ERROR)(_|$)/,
  write: /^SQLITE_(CORRUPT|NOTADB|READONLY|CANTOPEN|ERROR)(_|$)/,
};

export class StoreHealth {
  readonly #clock: Clock;
  readonly #onChange: OnStoreChange;
  readonly #lastFailure = new Map<Operation, number>();
  #isDamaged = false;

  constructor(clock: Clock, onChange: OnStoreChange) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** What does not work now. */
  get failing(): readonly Operation[] {
    return [...this.#lastFailure.keys()];
  }

  /** Only a check of the whole database, and another opening, tell whether it works again. */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  failed(operation: Operation, error: StoreUnavailableError): void {
    const isNews = !this.#lastFailure.has(operation);
    this.#lastFailure.set(operation, this.#clock.monotonic());
    if (error.code !== undefined && DAMAGE[operation].test(error.code)) this.#isDamaged = true;
    if (isNews) this.#onChange(operation, error);
  }

  succeeded(operation: Operation): void {
    const lastFailure = this.#lastFailure.get(operation);
    if (lastFailure === undefined || this.#isDamaged || this.#clock.monotonic() - lastFailure < QUIET) return;
    this.#lastFailure.delete(operation);
    this.#onChange(operation, null);
  }

  /** The database was opened anew and is not known to be damaged. */
  repaired(): void {
    this.#isDamaged = false;
  }
}
