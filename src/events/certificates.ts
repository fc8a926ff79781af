// The certificate that clients are shown.

import type { MetricTable } from '../lib/metrics.ts';
import type { Subject } from './subject.ts';

export const CERTIFICATE_METRICS = {
  postern_tls_certificate_expiry_timestamp_seconds: {
    type: 'gauge',
    help: 'When the certificate that clients are shown ends, in seconds since the epoch.',
    labels: {},
  },
} as const satisfies MetricTable;

export function certificateEvents({ log, metrics }: Subject<keyof typeof CERTIFICATE_METRICS>) {
  return {
    /** `expiresAt` in seconds since the epoch. */
    certificateLoaded({ expiresAt, fingerprint }: { expiresAt: number; fingerprint: string }, now: number) {
      metrics.set('postern_tls_certificate_expiry_timestamp_seconds', {}, expiresAt);
      const isExpired = expiresAt * 1000 <= now;
      log[isExpired ? 'warn' : 'info'](
        { event: 'certificate_loaded', expires: new Date(expiresAt * 1000).toISOString(), fingerprint },
        isExpired ? 'the certificate has expired: clients will refuse it' : 'a certificate is in use',
      );
    },
    certificateUnusable(problem: string) {
      log.error(
        { event: 'certificate_unusable', problem },
        'the certificate files have changed and cannot be used: the one before stays in use',
      );
    },
  };
}
