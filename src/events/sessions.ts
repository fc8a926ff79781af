// Sessions: a client and an upstream that are joined.

import type { MetricTable } from '../lib/metrics.ts';
import { type Protocol, SPOKEN_PROTOCOLS } from '../lib/protocol.ts';
import type { User } from '../lib/user.ts';
import type { Subject } from './subject.ts';

export interface SessionFacts {
  readonly id: string;
  readonly protocol: Protocol;
  readonly user: User;
  readonly passwordId: string;
  readonly upstream: string;
  readonly client: { readonly address: string; readonly port: number };
}

/** What ends a session. */
const SESSION_ENDS = [
  'client_closed',
  'upstream_closed',
  'client_error',
  'upstream_error',
  'idle',
  'revoked',
  'expired',
  'user_disabled',
  'admin',
  'shutdown',
  /** It came while the login that made the session was being answered. */
  'deadline',
] as const;

export const SESSION_METRICS = {
  postern_sessions: { type: 'gauge', help: 'Live sessions.', labels: { protocol: SPOKEN_PROTOCOLS } },
  postern_session_bytes_total: {
    type: 'counter',
    help: 'Bytes carried by sessions, counted when a session ends.',
    labels: { protocol: SPOKEN_PROTOCOLS, direction: ['to_upstream', 'to_client'] },
  },
  postern_sessions_ended_total: {
    type: 'counter',
    help: 'Sessions that ended, by what ended them.',
    labels: { protocol: SPOKEN_PROTOCOLS, reason: SESSION_ENDS },
  },
} as const satisfies MetricTable;

export function sessionEvents({ log, metrics }: Subject<keyof typeof SESSION_METRICS>) {
  return {
    sessionStarted(session: SessionFacts) {
      metrics.add('postern_sessions', { protocol: session.protocol }, 1);
    },
    sessionEnded(
      session: SessionFacts,
      end: {
        reason: (typeof SESSION_ENDS)[number];
        bytesToUpstream: number;
        bytesToClient: number;
        seconds: number;
      },
    ) {
      const { protocol } = session;
      metrics.add('postern_sessions', { protocol }, -1);
      metrics.increment('postern_sessions_ended_total', { protocol, reason: end.reason });
      metrics.increment(
        'postern_session_bytes_total',
        { protocol, direction: 'to_upstream' },
        end.bytesToUpstream,
      );
      metrics.increment(
        'postern_session_bytes_total',
        { protocol, direction: 'to_client' },
        end.bytesToClient,
      );
      const { id, client, ...facts } = session;
      log.info(
        {
          event: 'session',
          session: id,
          client: client.address,
          clientPort: client.port,
          ...facts,
          ...end,
          seconds: Number(end.seconds.toFixed(3)),
        },
        `session ended: ${end.reason}`,
      );
    },
  };
}
