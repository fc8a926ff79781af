// The error of a database whose files changed under it. In a file of its own, so that the main thread, which tells it from
// others, does not load SQLite.

import { StoreUnavailableError } from './store.ts';

const MOVED = {
  gone: 'the database file is gone',
  replaced: 'the database file was replaced',
  closed: 'the database is not open',
} as const;

/** What is open is not what is at the path. Unless that is `gone`, opening it again may help. */
export class DatabaseMovedError extends StoreUnavailableError {
  readonly how: keyof typeof MOVED;

  constructor(how: keyof typeof MOVED) {
    super(MOVED[how]);
    this.how = how;
  }
}
