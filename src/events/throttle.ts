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
  postern_redis_seconds: {
    type: 'histogram',
    help: 'Time that Redis took to answer about a limit or a check.',
    labels: {},
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
  },
  postern_redis_errors_total: {
    type: 'counter',
    help: 'Questions that Redis did not answer: an error, no connection, or longer than redis.timeout.',
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
    /** `seconds` until the answer, or until none was waited for any more. */
    redisAsked(seconds: number, isAnswered: boolean) {
      if (isAnswered) metrics.observe('postern_redis_seconds', {}, seconds);
      else metrics.increment('postern_redis_errors_total');
    },
    throttleRecovered() {
      metrics.set('postern_throttle_degraded', {}, 0);
      log.info({ event: 'throttle_recovered' }, 'Redis can be used again: limits are shared');
    },
  };
}
