// Mistakes of ours: what should not have happened, and where.

import { errorText } from './fields.ts';
import type { Subject } from './subject.ts';

export function internalErrorEvents({ log }: Subject<never>) {
  return {
    internalError(where: string, error: unknown) {
      logInternalError(log, where, error);
    },
  };
}

/** For the other subjects, where a failure may turn out to be one. */
export function logInternalError(log: Subject<never>['log'], where: string, error: unknown): void {
  const stack = error instanceof Error ? error.stack : undefined;
  log.error({ event: 'internal_error', where, error: errorText(error), stack }, 'internal error');
}
