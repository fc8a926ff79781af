// What the commands on records work with: the config, the store, and for making app passwords the selector keys.

import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { systemClock } from '../lib/clock.ts';
import { UnavailableError } from '../lib/errors.ts';
import { openKeys } from '../passwords/keys-file.ts';
import { createPasswords, type Passwords } from '../passwords/service.ts';
import { NoStoreError, openStoreOnce } from '../store/open.ts';
import type { UnwatchedStore } from '../store/store.ts';
import { type ConfigOption, configFile } from './config-option.ts';
import type { Terminal } from './terminal.ts';

/** What they need of the configuration. */
const SECTIONS = ['store', 'keys', 'users', 'appPasswords'] as const;

export interface Records extends AsyncDisposable {
  readonly config: Pick<Config, 'file' | (typeof SECTIONS)[number]>;
  readonly store: UnwatchedStore;
  /** Opens the keys file, which only making one needs: a broken one must not keep anyone from revoking. */
  passwords(): Promise<Passwords>;
}

/** What they need of the configuration. Rejects with ConfigError. */
export function configForRecords(options: ConfigOption, env: NodeJS.ProcessEnv): Promise<Records['config']> {
  return loadConfig(configFile(options, env), env, { only: SECTIONS });
}

/** Rejects with ConfigError and StoreUnavailableError; where there is no store none is made. */
export async function openRecords(options: ConfigOption, env: NodeJS.ProcessEnv): Promise<Records> {
  const config = await configForRecords(options, env);
  try {
    return recordsOf(config, await openStoreOnce(config.store.url, { clock: systemClock, mode: 'existing' }));
  } catch (error) {
    if (!(error instanceof NoStoreError)) throw error;
    throw new UnavailableError(
      `${error.message}: is it the path of store.url? ` +
        'The first start of `postern serve`, or the first `postern password create`, makes it',
    );
  }
}

/** The same, but makes a store where there is none, and says so. */
export async function openOrMakeRecords(
  config: Records['config'],
  terminal: Pick<Terminal, 'stderr'>,
): Promise<Records> {
  const { url } = config.store;
  try {
    return recordsOf(config, await openStoreOnce(url, { clock: systemClock, mode: 'existing' }));
  } catch (error) {
    if (!(error instanceof NoStoreError)) throw error;
    const store = await openStoreOnce(url, { clock: systemClock });
    terminal.stderr(`note: there was no store at ${error.place}: a new one was made\n`);
    return recordsOf(config, store);
  }
}

function recordsOf(config: Records['config'], store: UnwatchedStore): Records {
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
