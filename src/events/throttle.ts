// Limits on guesses: whether instances share them.

import type { MetricTable } from '../lib/metrics.ts';
import { printable } from './fields.ts';
import type { Subject } from './subject.ts';

export const THROTTLE_METRICS = {
  postern_throttle_degraded: {
    type: 'gauge',
    help: '1 while limits that should be shared are kept by this process alone.',
    labels: {},
  },
} as const satisfies MetricTable;

export function throttleEvents({ log, metrics }: Subject<keyof typeof THROTTLE_METRICS>) {
  metrics.set('postern_throttle_degraded', {}, 0);

  return {
    /** `detail` holds no secret: Redis's own error texts may. */
    throttleDegraded(detail: string) {
      metrics.set('postern_throttle_degraded', {}, 1);
      log.error(
        { event: 'throttle_degraded', detail: printable(detail) },
        'Redis cannot be used: limits are those of this process alone',
      );
    },
    throttleRecovered() {
      metrics.set('postern_throttle_degraded', {}, 0);
      log.info({ event: 'throttle_recovered' }, 'Redis can be used again: limits are shared');
    },
  };
}
