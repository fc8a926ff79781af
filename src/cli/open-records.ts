// What the commands on records work with: the config, the store, and for making app passwords the selector keys.

import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { systemClock } from '../lib/clock.ts';
import { openKeys } from '../passwords/keys-file.ts';
import { createPasswords, type Passwords } from '../passwords/service.ts';
import { openStoreOnce } from '../store/open.ts';
import type { UnwatchedStore } from '../store/store.ts';
import { type ConfigOption, configFile } from './config-option.ts';

/** What they need of the configuration. */
const SECTIONS = ['store', 'keys', 'users', 'appPasswords'] as const;

export interface Records extends AsyncDisposable {
  readonly config: Pick<Config, 'file' | (typeof SECTIONS)[number]>;
  readonly store: UnwatchedStore;
  /** Opens the keys file, which only making one needs: a broken one must not keep anyone from revoking. */
  passwords(): Promise<Passwords>;
}

/** Rejects with ConfigError and StoreUnavailableError. */
export async function openRecords(options: ConfigOption, env: NodeJS.ProcessEnv): Promise<Records> {
  const config = await loadConfig(configFile(options, env), env, { only: SECTIONS });
  const store = await openStoreOnce(config.store.url, { clock: systemClock });
  return {
    config,
    store,
    async passwords() {
      const keys = await openKeys({ file: config.keys.file, store });
      const { hash, maxPerUser } = config.appPasswords;
      return createPasswords({ store, keys, hash, clock: systemClock, limits: { maxPerUser } });
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
