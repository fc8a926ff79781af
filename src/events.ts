// Business events: each is a function that makes a log line, a metric or both. Nobody else logs or counts. src/events has a file for
// each subject, with its functions and its metrics; here they are put together. A new subject is a line in each of the two lists.
// Secrets are not in these functions' arguments at all. docs/operations.md and docs/metrics.md are tested against them.

import { auditEvents } from './events/audit.ts';
import { CERTIFICATE_METRICS, certificateEvents } from './events/certificates.ts';
import { CONFIG_METRICS, configEvents } from './events/config.ts';
import { CONNECTION_METRICS, connectionEvents } from './events/connections.ts';
import { internalErrorEvents } from './events/internal-error.ts';
import { LIMIT_METRICS, limitEvents } from './events/limits.ts';
import { LOGIN_METRICS, loginEvents } from './events/logins.ts';
import { OVERLOAD_METRICS, overloadEvents } from './events/overload.ts';
import { PORTAL_METRICS, portalEvents } from './events/portal.ts';
import { PROCESS_METRICS, processEvents } from './events/process.ts';
import { rationed } from './events/ration.ts';
import { SESSION_METRICS, sessionEvents } from './events/sessions.ts';
import { STORE_METRICS, storeEvents } from './events/store.ts';
import { SUBMISSION_METRICS, submissionEvents } from './events/submissions.ts';
import { THROTTLE_METRICS, throttleEvents } from './events/throttle.ts';
import { UPSTREAM_METRICS, upstreamEvents } from './events/upstreams.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import type { Log } from './lib/log.ts';
import { Metrics, type MetricTable } from './lib/metrics.ts';

export type { ConnectionFacts } from './events/fields.ts';
export type { LoginFacts } from './events/logins.ts';
export type { SessionFacts } from './events/sessions.ts';
export type { MessageFacts, MessageOutcome, SubmissionRefusal } from './events/submissions.ts';

/** Every metric that Postern has, in the order of docs/metrics.md. */
export const METRICS = {
  ...LOGIN_METRICS,
  ...SESSION_METRICS,
  ...SUBMISSION_METRICS,
  ...CONNECTION_METRICS,
  ...LIMIT_METRICS,
  ...UPSTREAM_METRICS,
  ...STORE_METRICS,
  ...OVERLOAD_METRICS,
  ...PORTAL_METRICS,
  ...THROTTLE_METRICS,
  ...CONFIG_METRICS,
  ...CERTIFICATE_METRICS,
  ...PROCESS_METRICS,
} as const satisfies MetricTable;

export const createMetrics = () => new Metrics(METRICS);

export type Events = ReturnType<typeof createEvents>;

export function createEvents({
  log,
  metrics,
  clock = systemClock,
}: {
  readonly log: Log;
  readonly metrics: Metrics<keyof typeof METRICS>;
  readonly clock?: Pick<Clock, 'monotonic'>;
}) {
  const subject = { log, metrics, isWorthWarning: rationed(clock) };
  return {
    ...loginEvents(subject),
    ...sessionEvents(subject),
    ...submissionEvents(subject),
    ...connectionEvents(subject),
    ...limitEvents(subject),
    ...upstreamEvents(subject),
    ...storeEvents(subject),
    ...overloadEvents(subject),
    ...portalEvents(subject),
    ...throttleEvents(subject),
    ...configEvents(subject),
    ...certificateEvents(subject),
    ...processEvents(subject),
    ...auditEvents(subject),
    ...internalErrorEvents(subject),
  };
}
