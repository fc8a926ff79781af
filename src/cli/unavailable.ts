// Which errors of a command mean "not now, perhaps later".

import { UnavailableError } from '../lib/errors.ts';
import { StoreUnavailableError } from '../store/store.ts';

/** Whether what the command needs did not answer: the running process, or the store. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof UnavailableError || error instanceof StoreUnavailableError;
}
