// The composition root: from a config to a running Postern. Nobody else knows who depends on whom. Each stage has its file: what lasts,
// what is in force until a reload replaces it, the servers, the end.

import type { Config } from '../config/config.ts';
import { configWarnings } from '../config/warnings.ts';
import { createEvents, createMetrics } from '../events.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { ConfigError } from '../lib/errors.ts';
import { createLog, forJournal, type Log } from '../lib/log.ts';
import { openStore } from '../store/open.ts';
import { drain, endAtOnce } from './ending.ts';
import { putInForce } from './in-force.ts';
import { startLasting } from './lasting.ts';
import { startPasswords } from './passwords.ts';
import { PROTOCOL_ENTRIES, type ProtocolEntries } from './protocols.ts';
import { startServers } from './servers.ts';

export interface AppOverrides {
  readonly clock?: Clock;
  readonly log?: Log;
  /** Whether journald reads standard output, and is told the priorities of the log's lines. Default: false. */
  readonly isJournal?: boolean;
  readonly version?: string;
  /** What listeners may speak, by the word for it in the config. */
  readonly protocols?: ProtocolEntries;
  /** How the store is opened. */
  readonly openStore?: typeof openStore;
}

export interface App extends AsyncDisposable {
  /** The ports that listeners have, by name; the admin server's as `admin`, the portal's as `portal`. */
  readonly ports: Readonly<Record<string, number>>;
  /**
   * Takes another config for new connections, or changes nothing and logs why. Never rejects; one after the other if there
   * are several.
   */
  reload(load: () => Promise<Config>): Promise<void>;
  /**
   * Accepts no more, lets dialogues and sessions end by themselves until the config's `limits.drain`, ends those that are
   * left, and stops. Gives the number of sessions that had to be ended.
   */
  drain(): Promise<number>;
}

/**
 * Starts everything; resolves when every listener accepts. Rejects with ConfigError for what the admin has to mend, having
 * stopped what it had started.
 */
export async function createApp(config: Config, overrides: AppOverrides = {}): Promise<App> {
  await using started = new AsyncDisposableStack();
  const { clock = systemClock, isJournal = false, version = 'unknown' } = overrides;
  const { log = createLog(config.log.level, isJournal ? forJournal() : undefined) } = overrides;
  const { protocols = PROTOCOL_ENTRIES, openStore: open = openStore } = overrides;
  const metrics = createMetrics().withProcessMetrics();
  const events = createEvents({ log, metrics });
  for (const warning of configWarnings(config)) events.configWarning(warning);
  let status: 'starting' | 'ready' | 'draining' = 'starting';

  const lasting = await startLasting(config, { clock, events, openStore: open }, started);
  const inForce = await putInForce(config, { lasting, events, protocols, log }, started);
  const passwords = startPasswords(inForce, lasting, events, started);
  const deps = { inForce, lasting, passwords, events, metrics, status: () => status };
  const servers = await startServers(deps, started);

  inForce.watchCertificate();
  status = 'ready';
  events.ready(version, process.version);
  const { sessions } = lasting;
  const ending = { ...servers, sessions, events, everything: started.move() };

  async function reload(load: () => Promise<Config>): Promise<void> {
    if (status !== 'ready') return;
    try {
      await inForce.replace(await load(), servers, () => status === 'ready');
    } catch (error) {
      if (!(error instanceof ConfigError)) events.internalError('reload', error);
      events.reloadFailed(error instanceof ConfigError ? error.messages : ['internal error']);
    }
  }

  let reloading = Promise.resolve();
  return {
    get ports() {
      return servers.ports;
    },
    reload(load) {
      reloading = reloading.then(() => reload(load));
      return reloading;
    },
    drain() {
      status = 'draining';
      return drain(ending, inForce.config.limits.drain);
    },
    [Symbol.asyncDispose]() {
      status = 'draining';
      return endAtOnce(ending);
    },
  };
}
