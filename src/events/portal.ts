// The portal: sign-ins, requests that it rejects, mail to users.

import { type MetricTable, words } from '../lib/metrics.ts';
import type { User } from '../lib/user.ts';
import { printable } from './fields.ts';
import type { Subject } from './subject.ts';

const SIGN_IN_RESULTS = {
  signed_in: 'signed in to the portal',
  refused: 'the provider signed somebody in whom the portal refuses',
  no_two_step: 'the provider could not do two-step verification',
  cancelled: 'a sign-in was broken off at the provider',
  failed: 'a sign-in could not be accepted',
  unavailable: 'the OpenID provider cannot be used',
} as const;

const REJECTIONS = ['rate', 'connections', 'csrf', 'embedded'] as const;

const MAIL_RESULTS = ['sent', 'retried', 'failed', 'dropped'] as const;

export const PORTAL_METRICS = {
  postern_portal_sign_ins_total: {
    type: 'counter',
    help: 'Sign-ins to the portal that came back from the provider, by what became of them.',
    labels: { result: words(SIGN_IN_RESULTS) },
  },
  postern_portal_rejected_total: {
    type: 'counter',
    help: 'Requests and connections to the portal that were rejected: too many, a change that no page of the portal asked for, or embedded by another site.',
    labels: { reason: REJECTIONS },
  },
  postern_portal_mail_total: {
    type: 'counter',
    help: 'Tries to send mail to users about their app passwords.',
    labels: { result: MAIL_RESULTS },
  },
} as const satisfies MetricTable;

export function portalEvents({ log, metrics, isWorthWarning }: Subject<keyof typeof PORTAL_METRICS>) {
  return {
    /** `detail`: why it came to nothing. */
    portalSignIn(result: keyof typeof SIGN_IN_RESULTS, detail: string | null) {
      metrics.increment('postern_portal_sign_ins_total', { result });
      if (result === 'signed_in') return;
      const isNews = isWorthWarning(`portal ${result}`);
      const line = { event: 'portal_sign_in', result, detail: printable(detail) };
      log[isNews ? 'warn' : 'debug'](line, SIGN_IN_RESULTS[result]);
    },
    portalRejected(reason: (typeof REJECTIONS)[number]) {
      metrics.increment('postern_portal_rejected_total', { reason });
      const level = isWorthWarning(`portal ${reason}`) ? 'warn' : 'debug';
      log[level]({ event: 'portal_rejected', reason }, 'the portal rejected a request');
    },
    portalMail(result: (typeof MAIL_RESULTS)[number], user: User, detail: string | null) {
      metrics.increment('postern_portal_mail_total', { result });
      const level = result === 'sent' ? 'info' : 'warn';
      log[level](
        { event: 'portal_mail', result, user, detail: printable(detail) },
        `mail to a user: ${result}`,
      );
    },
  };
}
