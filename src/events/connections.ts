// Connections of clients before anybody logs in: accepted, turned away, TLS, and what balancers put before them.

import { type MetricTable, words } from '../lib/metrics.ts';
import { type ConnectionFacts, connectionFields, errorCode } from './fields.ts';
import type { Subject } from './subject.ts';

const CLIENT_MISTAKES = {
  plaintext_on_tls_port: 'a client spoke plaintext on a TLS port: its security setting should be SSL/TLS',
  tls_on_starttls_port: 'a client spoke TLS on a STARTTLS port: its security setting should be STARTTLS',
  http: 'a client spoke HTTP to a mail port',
} as const;

const PROXY_HEADER_FAULTS = {
  missing: 'a balancer sent no PROXY header: turn it on there, or take its network out of proxyProtocol',
  malformed: 'a balancer sent a PROXY header that is not well-formed',
  checksum: 'a balancer sent a PROXY header with a wrong checksum',
  late: 'a balancer did not finish its PROXY header in time',
  closed: 'a balancer closed the connection within its PROXY header',
  closed_silently: 'a balancer closed the connection without a word',
  second: 'a balancer sent a second PROXY header: only the first of several balancers may send one',
  untrusted: 'a PROXY header came from a peer outside proxyProtocol: if it is a balancer, add its network',
} as const;

/** What ends a connection, or keeps it out: keys of `limits`, and the limit on open files. */
const CONNECTION_LIMITS = ['connections', 'perNetwork', 'beforeLogin', 'fileDescriptors'] as const;

export const CONNECTION_METRICS = {
  postern_connections: { type: 'gauge', help: 'Open client connections.', labels: { listener: 'listener' } },
  postern_connections_before_login: {
    type: 'gauge',
    help: 'Open client connections on which nobody has logged in.',
    labels: {},
  },
  postern_connections_rejected_total: {
    type: 'counter',
    help: 'Client connections closed because a limit was reached: those that gave way, and new ones for which nobody did.',
    labels: { listener: 'listener', limit: CONNECTION_LIMITS },
  },
  postern_proxy_headers_refused_total: {
    type: 'counter',
    help: 'Connections closed because their PROXY header was missing, wrong or late, or came from a peer that is not trusted.',
    labels: { listener: 'listener', kind: words(PROXY_HEADER_FAULTS) },
  },
  postern_tls_connections_total: {
    type: 'counter',
    help: 'Completed TLS handshakes with clients.',
    labels: { listener: 'listener', version: ['TLSv1.2', 'TLSv1.3'] },
  },
  postern_tls_failures_total: {
    type: 'counter',
    help: 'TLS handshakes with clients that failed, and clients that spoke plaintext on a TLS port or TLS on a plaintext one.',
    labels: { listener: 'listener', kind: ['handshake', ...words(CLIENT_MISTAKES)] },
  },
} as const satisfies MetricTable;

export function connectionEvents({ log, metrics, isWorthWarning }: Subject<keyof typeof CONNECTION_METRICS>) {
  return {
    /** The config has a listener of that name. */
    listenerNamed(listener: string) {
      metrics.named('listener', listener);
    },
    connectionOpened(listener: string) {
      metrics.add('postern_connections', { listener }, 1);
    },
    connectionClosed(listener: string) {
      metrics.add('postern_connections', { listener }, -1);
    },
    connectionsBeforeLogin(count: number) {
      metrics.set('postern_connections_before_login', {}, count);
    },
    connectionRejected(facts: {
      listener: string;
      address: string;
      bound: (typeof CONNECTION_LIMITS)[number];
    }) {
      metrics.increment('postern_connections_rejected_total', {
        listener: facts.listener,
        limit: facts.bound,
      });
      log.debug({
        event: 'connection_rejected',
        listener: facts.listener,
        client: facts.address,
        limit: facts.bound,
      });
    },
    acceptFailed(listener: string, error: Error) {
      log.error({ event: 'accept_failed', listener, error: errorCode(error) }, 'cannot accept connections');
    },
    /** A PROXY header that is not as it should be, or is where none should be. What it holds is not logged. */
    proxyHeaderRefused(connection: ConnectionFacts, kind: keyof typeof PROXY_HEADER_FAULTS) {
      metrics.increment('postern_proxy_headers_refused_total', { listener: connection.listener, kind });
      // The plainest health checks of balancers come every few seconds.
      const isNews =
        kind !== 'closed_silently' && isWorthWarning(`proxy_header ${connection.listener} ${kind}`);
      const level = isNews ? 'warn' : 'debug';
      log[level](
        { event: 'proxy_header_refused', ...connectionFields(connection), kind },
        PROXY_HEADER_FAULTS[kind],
      );
    },
    fewFileDescriptors(connections: number, configured: number) {
      log.warn(
        { event: 'few_file_descriptors', connections, configured },
        `file descriptors last for ${connections} connections, fewer than limits.connections: raise the limit on open files (LimitNOFILE)`,
      );
    },
    tlsStarted(listener: string, version: string) {
      metrics.increment('postern_tls_connections_total', { listener, version });
    },
    tlsFailed(connection: ConnectionFacts, error: unknown) {
      metrics.increment('postern_tls_failures_total', { listener: connection.listener, kind: 'handshake' });
      log.debug({ event: 'tls_failed', ...connectionFields(connection), error: errorCode(error) });
    },
    tlsMistake(connection: ConnectionFacts, kind: keyof typeof CLIENT_MISTAKES) {
      metrics.increment('postern_tls_failures_total', { listener: connection.listener, kind });
      const level = isWorthWarning(`mistake ${connection.listener} ${kind}`) ? 'warn' : 'debug';
      log[level]({ event: 'client_mistake', ...connectionFields(connection), kind }, CLIENT_MISTAKES[kind]);
    },
  };
}
