// The configuration: what is odd about it, and reloads.

import type { MetricTable } from '../lib/metrics.ts';
import type { Subject } from './subject.ts';

export const CONFIG_METRICS = {
  postern_config_last_reload_successful: {
    type: 'gauge',
    help: '1 if the config that was loaded last is in force.',
    labels: {},
  },
} as const satisfies MetricTable;

export function configEvents({ log, metrics }: Subject<keyof typeof CONFIG_METRICS>) {
  metrics.set('postern_config_last_reload_successful', {}, 1);

  return {
    configWarning(warning: string) {
      log.warn({ event: 'config_warning' }, warning);
    },
    reloaded() {
      metrics.set('postern_config_last_reload_successful', {}, 1);
      log.info({ event: 'reloaded' }, 'the configuration was reloaded, for new connections');
    },
    /** `problems` are what the admin has to mend, a line each. */
    reloadFailed(problems: readonly string[]) {
      metrics.set('postern_config_last_reload_successful', {}, 0);
      for (const problem of problems) {
        log.error(
          { event: 'reload_failed', problem },
          'the configuration was not reloaded: nothing has changed',
        );
      }
    },
  };
}
