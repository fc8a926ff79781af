// Upstreams: connections to them, and whether their addresses are up.

import type { Reason } from '../gate/verdict.ts';
import { type MetricTable, SECONDS } from '../lib/metrics.ts';
import { printable } from './fields.ts';
import type { Subject } from './subject.ts';

/** Whose login at an upstream it was. */
export interface UpstreamLogin {
  readonly session: string;
  readonly user: string;
}

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
    /** A misconfiguration that only the operator can mend; `upstream_closed` may be that of one user, or no more than a restart. */
    upstreamRefusedPostern(upstream: string, reason: Reason, detail: string, login?: UpstreamLogin) {
      log[reason === 'upstream_closed' ? 'warn' : 'error'](
        { event: 'upstream_refused', upstream, reason, ...login, detail: printable(detail) },
        'upstream login failed',
      );
    },
  };
}
