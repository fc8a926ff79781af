// From the config's `store.url` to a store.

import type { Clock } from '../lib/clock.ts';
import { ConfigError } from '../lib/errors.ts';
import { openSqliteStore } from './sqlite-store.ts';
import type { Store } from './store.ts';

/**
 * `sqlite:/absolute/path`. Rejects with ConfigError for another URL or a database of a newer Postern, with
 * StoreUnavailableError if it cannot be opened.
 */
export async function openStore(url: string, { clock }: { clock: Clock }): Promise<Store> {
  const file = /^sqlite:(?:\/\/(?=\/))?(\/.+)$/s.exec(url)?.[1];
  if (file === undefined || file.includes('\0')) {
    throw new ConfigError(
      'store.url: not a store that this version knows; it would be sqlite:/path/to/postern.db',
    );
  }
  return openSqliteStore(file, { clock });
}
