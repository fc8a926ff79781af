// Attempts to log in, and the verifications that they cost.

import type { Reason } from '../gate/verdict.ts';
import { type MetricTable, SECONDS } from '../lib/metrics.ts';
import type { Protocol } from '../lib/protocol.ts';
import type { User } from '../lib/user.ts';
import { type ConnectionFacts, connectionFields, printable } from './fields.ts';
import type { Subject } from './subject.ts';

export interface LoginFacts {
  readonly protocol: Protocol;
  readonly verdict: 'admitted' | 'refused' | 'throttled' | 'unavailable';
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
    labels: ['protocol', 'verdict', 'reason'],
  },
  postern_login_seconds: {
    type: 'histogram',
    help: 'Time from reading an admitted attempt to its answer, the upstream login included.',
    labels: ['protocol'],
    buckets: SECONDS,
  },
  postern_password_verifications_total: {
    type: 'counter',
    help: 'argon2id runs that verified an app password, by result.',
    labels: ['result'],
  },
  postern_verification_queue_length: {
    type: 'gauge',
    help: 'Verifications that wait for an argon2id run.',
    labels: [],
  },
} as const satisfies MetricTable;

export function loginEvents({ log, metrics }: Subject<keyof typeof LOGIN_METRICS>) {
  return {
    login(connection: ConnectionFacts, login: LoginFacts) {
      const { protocol, verdict, reason } = login;
      metrics.increment('postern_logins_total', { protocol, verdict, reason });
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
    verificationQueue(length: number) {
      metrics.set('postern_verification_queue_length', {}, length);
    },
  };
}
