// What is in force for new connections, and how it is replaced: by a reload whole, or by a certificate that was renewed.

import type { Config } from '../config/config.ts';
import { needsRestart } from '../config/restart.ts';
import { configWarnings } from '../config/warnings.ts';
import { ConfigError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { CertificateWatch } from '../listen/certificate-watch.ts';
import type { ListenerSet } from '../listen/listener-set.ts';
import type { Portal } from '../portal/server.ts';
import { readConfigFiles } from './config-files.ts';
import { endGeneration, type Generation, type GenerationDeps, makeGeneration } from './generation.ts';

/** The servers that a reload tells. */
interface Replaced {
  readonly listeners: Pick<ListenerSet, 'prepare'>;
  readonly portal: Pick<Portal, 'configure'> | undefined;
}

export interface InForce {
  readonly generation: Generation;
  readonly config: Config;
  /** Looks for renewed certificates from now on. */
  watchCertificate(): void;
  /** Takes another config, or none of it: rejects with ConfigError, and then nothing has changed. */
  replace(next: Config, servers: Replaced, mayChange: () => boolean): Promise<void>;
}

/** Rejects with ConfigError for what the admin has to mend. `log`: its level is the config's. */
export async function putInForce(
  config: Config,
  deps: GenerationDeps & { readonly log: Pick<Log, 'level'> },
  started: AsyncDisposableStack,
): Promise<InForce> {
  const { lasting, events, log } = deps;
  const { clock } = lasting.gate;
  let generation = makeGeneration(config, await readConfigFiles(config), deps);
  started.defer(() => endGeneration(generation));
  events.certificateLoaded(generation.serverTls, clock.now());
  const certificateWatch = started.use(
    new CertificateWatch({
      files: () => generation.config.tls,
      inForce: () => generation.serverTls,
      onChanged(serverTls) {
        generation = { ...generation, serverTls };
        events.certificateLoaded(serverTls, clock.now());
      },
      onUnusable: events.certificateUnusable,
    }),
  );
  return {
    get generation() {
      return generation;
    },
    get config() {
      return generation.config;
    },
    watchCertificate: () => certificateWatch.start(),

    async replace(next, { listeners, portal }, mayChange) {
      const problems = needsRestart(generation.config, next);
      if (problems.length > 0) throw new ConfigError(problems);
      const files = await readConfigFiles(next);
      const change = await listeners.prepare(next.listeners);
      if (!mayChange()) return change.abandon();
      // From here on nothing waits and nothing fails.
      const before = generation;
      generation = makeGeneration(next, files, deps, before);
      lasting.configure(next);
      if (next.log.level !== before.config.log.level) log.level = next.log.level;
      portal?.configure();
      change.commit();
      if (files.serverTls.digest !== before.serverTls.digest)
        events.certificateLoaded(files.serverTls, clock.now());
      for (const warning of configWarnings(next)) events.configWarning(warning);
      events.reloaded();
      // It never rejects, and nobody waits for it.
      void lasting.audit.record({
        action: 'reloaded',
        by: 'cli',
        user: null,
        from: null,
        detail: next.file,
      });
    },
  };
}
