// What the events of a subject are made with.

import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';

/** `Name`: the metrics of this subject, the only ones that it counts in. */
export interface Subject<Name extends string> {
  readonly log: Log;
  readonly metrics: Metrics<Name>;
  /** Whether there has been less than the ration of a key's warnings; beyond that a line is at debug. */
  readonly isWorthWarning: (key: string) => boolean;
}
