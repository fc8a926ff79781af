// The limits that are in force: what other metrics are divided by.

import type { MetricTable } from '../lib/metrics.ts';
import type { Subject } from './subject.ts';

/** Their keys in the configuration; `fileDescriptors`: the connections for which the limit on open files lasts. */
const LIMITS = [
  'limits.connections',
  'fileDescriptors',
  'limits.beforeLogin',
  'limits.perNetwork',
  'limits.perUser',
  'appPasswords.hash.queue',
  'appPasswords.hash.concurrency',
] as const;

export type LimitsInForce = Readonly<Record<(typeof LIMITS)[number], number>>;

export const LIMIT_METRICS = {
  postern_limit: {
    type: 'gauge',
    help: 'The limits that are in force, to divide by: postern_connections by the smaller of limits.connections and fileDescriptors, postern_connections_before_login by limits.beforeLogin, postern_verification_queue_length by appPasswords.hash.queue.',
    labels: { key: LIMITS },
  },
} as const satisfies MetricTable;

export function limitEvents({ metrics }: Subject<keyof typeof LIMIT_METRICS>) {
  return {
    limitsInForce(limits: LimitsInForce) {
      for (const key of LIMITS) metrics.set('postern_limit', { key }, limits[key]);
    },
  };
}
