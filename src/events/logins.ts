// Attempts to log in, and the verifications that they cost.

import {
  REASONS,
  REFUSED_REASONS,
  type Reason,
  THROTTLED_REASONS,
  UNAVAILABLE_REASONS,
} from '../gate/verdict.ts';
import { type MetricTable, SECONDS, words } from '../lib/metrics.ts';
import { type Protocol, SPOKEN_PROTOCOLS } from '../lib/protocol.ts';
import type { User } from '../lib/user.ts';
import { type ConnectionFacts, connectionFields, printable } from './fields.ts';
import type { Subject } from './subject.ts';

const REASONS_OF = {
  admitted: ['none'],
  refused: REFUSED_REASONS,
  throttled: THROTTLED_REASONS,
  unavailable: UNAVAILABLE_REASONS,
} as const;

export type LoginVerdict = keyof typeof REASONS_OF;

export interface LoginFacts {
  readonly protocol: Protocol;
  readonly verdict: LoginVerdict;
  readonly reason: Reason;
  /** null if the login was no user, or looked like a secret. */
  readonly user: User | null;
  /** The record, where the right secret was presented. */
  readonly passwordId: string | null;
  readonly tls: string | null;
  readonly software: string | null;
  readonly upstream: string | null;
  /** From the attempt's arrival to its answer. */
  readonly seconds: number;
  /** False if the connection was closed instead of answered. */
  readonly answered: boolean;
}

export const LOGIN_METRICS = {
  postern_logins_total: {
    type: 'counter',
    help: 'Attempts to log in, by their outcome; the reason is none when admitted.',
    labels: { protocol: SPOKEN_PROTOCOLS, verdict: words(REASONS_OF), reason: REASONS },
    has: ({ verdict, reason }) => REASONS_OF[verdict as LoginVerdict].some((one) => one === reason),
  },
  postern_listener_logins_total: {
    type: 'counter',
    help: 'The same attempts by listener.',
    labels: { listener: 'listener', verdict: words(REASONS_OF) },
  },
  postern_login_seconds: {
    type: 'histogram',
    help: 'Time from reading an admitted attempt to its answer, the upstream login included.',
    labels: { protocol: SPOKEN_PROTOCOLS },
    buckets: SECONDS,
  },
  postern_password_verifications_total: {
    type: 'counter',
    help: 'argon2id runs that verified an app password, by result.',
    labels: { result: ['match', 'mismatch'] },
  },
  postern_verification_seconds: {
    type: 'histogram',
    help: 'Time that argon2id runs waited for their turn, and that they took; runs that hash a new app password too.',
    labels: { phase: ['wait', 'run'] },
    buckets: SECONDS,
  },
  postern_verification_queue_length: {
    type: 'gauge',
    help: 'Verifications that wait for an argon2id run.',
    labels: {},
  },
} as const satisfies MetricTable;

export function loginEvents({ log, metrics }: Subject<keyof typeof LOGIN_METRICS>) {
  return {
    login(connection: ConnectionFacts, login: LoginFacts) {
      const { protocol, verdict, reason } = login;
      metrics.increment('postern_logins_total', { protocol, verdict, reason });
      metrics.increment('postern_listener_logins_total', { listener: connection.listener, verdict });
      if (verdict === 'admitted') metrics.observe('postern_login_seconds', { protocol }, login.seconds);
      const line = {
        event: 'login',
        ...connectionFields(connection),
        ...login,
        software: printable(login.software),
        seconds: Number(login.seconds.toFixed(3)),
      };
      log.info(line, `login ${verdict}`);
    },
    passwordVerified(result: 'match' | 'mismatch') {
      metrics.increment('postern_password_verifications_total', { result });
    },
    /** In seconds. */
    passwordHashed(wait: number, run: number) {
      metrics.observe('postern_verification_seconds', { phase: 'wait' }, wait);
      metrics.observe('postern_verification_seconds', { phase: 'run' }, run);
    },
    verificationQueue(length: number) {
      metrics.set('postern_verification_queue_length', {}, length);
    },
  };
}
