// The store of app passwords: whether it answers.

import { UnavailableError } from '../lib/errors.ts';
import type { MetricTable } from '../lib/metrics.ts';
import { errorText } from './fields.ts';
import { logInternalError } from './internal-error.ts';
import type { Subject } from './subject.ts';

export const STORE_METRICS = {
  postern_store_up: {
    type: 'gauge',
    help: '1 while the store can be read (written), 0 while it cannot.',
    labels: { operation: ['read', 'write'] },
  },
} as const satisfies MetricTable;

export function storeEvents({ log, metrics }: Subject<keyof typeof STORE_METRICS>) {
  metrics.set('postern_store_up', { operation: 'read' }, 1);
  metrics.set('postern_store_up', { operation: 'write' }, 1);

  return {
    /** `error`: why the store cannot be read (written) from now on; null: it can again. */
    storeChanged(operation: 'read' | 'write', error: Error | null) {
      metrics.set('postern_store_up', { operation }, error === null ? 1 : 0);
      if (error === null) {
        log.info({ event: 'store_recovered', operation }, `the store can be ${DONE[operation]} again`);
      } else {
        const line = { event: 'store_unavailable', operation, error: errorText(error) };
        log.error(line, `the store cannot be ${DONE[operation]}`);
      }
    },
    /** One call's failure. That the store does not answer is `storeChanged`'s to tell, once. */
    storeFailed(during: string, error: unknown) {
      if (error instanceof UnavailableError) {
        log.debug({ event: 'store_call_failed', during, error: errorText(error) });
      } else {
        logInternalError(log, during, error);
      }
    },
  };
}

const DONE = { read: 'read', write: 'written' } as const;
