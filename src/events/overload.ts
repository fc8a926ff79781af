// Overload: the event loop is late.

import type { MetricTable } from '../lib/metrics.ts';
import type { Subject } from './subject.ts';

export const OVERLOAD_METRICS = {
  postern_overloaded: {
    type: 'gauge',
    help: '1 while the event loop is late and attempts that crowd are refused.',
    labels: {},
  },
} as const satisfies MetricTable;

export function overloadEvents({ log, metrics }: Subject<keyof typeof OVERLOAD_METRICS>) {
  metrics.set('postern_overloaded', {}, 0);

  return {
    /** `delay`: of the event loop, in milliseconds. */
    overloadChanged(isLate: boolean, delay: number) {
      metrics.set('postern_overloaded', {}, isLate ? 1 : 0);
      const seconds = Number((delay / 1000).toFixed(3));
      if (isLate) {
        log.warn({ event: 'overloaded', seconds }, 'the event loop is late: attempts that crowd are refused');
      } else {
        log.info({ event: 'overload_ended', seconds }, 'the event loop is in time again');
      }
    },
  };
}
