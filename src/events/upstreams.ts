// Upstreams: connections to them, and whether their addresses are up.

import { type Reason, UNAVAILABLE_REASONS } from '../gate/verdict.ts';
import { type MetricTable, SECONDS } from '../lib/metrics.ts';
import { printable } from './fields.ts';
import type { Subject } from './subject.ts';

/** Whose login at an upstream it was. */
export interface UpstreamLogin {
  readonly session: string;
  readonly user: string;
}

const FAILURES = UNAVAILABLE_REASONS.filter((reason) => reason.startsWith('upstream_'));

export const UPSTREAM_METRICS = {
  postern_upstream_up: {
    type: 'gauge',
    help: '1 if any address of the upstream is usable, as far as is known; 0 if all are down.',
    labels: { upstream: 'upstream' },
  },
  postern_upstream_connect_seconds: {
    type: 'histogram',
    help: 'Time to connect to an upstream: TCP, TLS and greeting.',
    labels: { upstream: 'upstream' },
    buckets: SECONDS,
  },
  postern_upstream_login_seconds: {
    type: 'histogram',
    help: 'Time from dialling an upstream to being logged in there for a user.',
    labels: { upstream: 'upstream' },
    buckets: SECONDS,
  },
  postern_upstream_failures_total: {
    type: 'counter',
    help: 'What clients were turned away or cut off for, by upstream.',
    labels: { upstream: 'upstream', reason: FAILURES },
  },
} as const satisfies MetricTable;

export function upstreamEvents({ log, metrics }: Subject<keyof typeof UPSTREAM_METRICS>) {
  return {
    /** The config has an upstream of that name. */
    upstreamNamed(upstream: string, protocol: string) {
      metrics.named('upstream', upstream);
      if (protocol === 'smtp') metrics.named('smtpUpstream', upstream);
    },
    upstreamConnected(upstream: string, seconds: number) {
      metrics.observe('postern_upstream_connect_seconds', { upstream }, seconds);
    },
    upstreamUp(upstream: string, up: boolean) {
      metrics.set('postern_upstream_up', { upstream }, up ? 1 : 0);
    },
    /** It is not in the config any more. */
    upstreamGone(upstream: string) {
      metrics.remove('postern_upstream_up', { upstream });
    },
    /** One connection to it, which does not mean that the next will fail. `login`: whose, if it was past the greeting. */
    upstreamFailed(upstream: string, address: string, detail: string, login?: UpstreamLogin) {
      log.warn(
        { event: 'upstream_failed', upstream, address, ...login, detail: printable(detail) },
        'a connection to the upstream failed',
      );
    },
    /** `mend`: it will not pass by itself. */
    upstreamDown(upstream: string, address: string, detail: string, mend: boolean) {
      log[mend ? 'error' : 'warn'](
        { event: 'upstream_down', upstream, address, detail: printable(detail) },
        'upstream address is down: no login is sent there until a probe succeeds',
      );
    },
    upstreamRecovered(upstream: string, address: string, seconds: number) {
      log.info(
        { event: 'upstream_recovered', upstream, address, seconds: Number(seconds.toFixed(3)) },
        'upstream address is up again',
      );
    },
    upstreamLoggedIn(upstream: string, seconds: number) {
      metrics.observe('postern_upstream_login_seconds', { upstream }, seconds);
    },
    /** To a client that wants to log in; why not is `upstreamFailed`'s and `upstreamDown`'s to tell. */
    upstreamUnreachable(upstream: string) {
      metrics.increment('postern_upstream_failures_total', { upstream, reason: 'upstream_unreachable' });
    },
    /** A misconfiguration that only the operator can mend; `upstream_closed` may be that of one user, or no more than a restart. */
    upstreamRefusedPostern(upstream: string, reason: Reason, detail: string, login?: UpstreamLogin) {
      metrics.increment('postern_upstream_failures_total', { upstream, reason });
      log[reason === 'upstream_closed' ? 'warn' : 'error'](
        { event: 'upstream_refused', upstream, reason, ...login, detail: printable(detail) },
        'upstream login failed',
      );
    },
  };
}
