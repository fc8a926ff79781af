// One function per business event: the log line and the metric that it makes. Nobody else logs or counts.
// What a peer sent reaches a line only through `printable`; secrets are not in these arguments at all. Long, because it is the whole
// list: docs/operations.md is tested against it.

import type { Reason } from './gate/verdict.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import { UnavailableError } from './lib/errors.ts';
import type { Log } from './lib/log.ts';
import type { Metrics } from './lib/metrics.ts';
import type { Protocol } from './lib/protocol.ts';
import type { User } from './lib/user.ts';

export interface ConnectionFacts {
  readonly id: string;
  readonly listener: string;
  readonly client: { readonly address: string; readonly port: number };
  /** The address of the balancer that it came through. */
  readonly balancer?: string | null;
}

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

export interface SessionFacts {
  readonly id: string;
  readonly protocol: Protocol;
  readonly user: User;
  readonly passwordId: string;
  readonly upstream: string;
  readonly client: { readonly address: string; readonly port: number };
}

/** What became of a message for which the upstream had taken recipients. */
export type MessageOutcome =
  | 'accepted'
  /** By the upstream, for good. */
  | 'refused'
  /** By the upstream, for now. */
  | 'deferred'
  /** By Postern, in the middle of it: too large, bare line ends, a NUL. */
  | 'refused_here'
  /** The client or the upstream went, or the session was ended, before the end of it. */
  | 'aborted'
  /** The upstream went before it answered: delivered or not. */
  | 'unknown';

export interface MessageFacts {
  readonly outcome: MessageOutcome;
  /** The upstream's answer, null if there was none. */
  readonly code: number | null;
  readonly enhancedCode: string | null;
  /** What the upstream calls the message. */
  readonly queueId: string | null;
  /** Octets. */
  readonly size: number;
  /** How many the upstream had taken. Who they are is nobody's business but its own. */
  readonly recipients: number;
  /** From MAIL to the answer. */
  readonly seconds: number;
}

/** What Postern itself refuses to a client that has logged in to send mail. */
export type SubmissionRefusal =
  | 'sender'
  | 'null_sender'
  | 'size'
  | 'recipients'
  | 'message_quota'
  | 'recipient_quota'
  | 'bare_newline'
  | 'nul';

export type Events = ReturnType<typeof createEvents>;

export function createEvents(deps: {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock?: Pick<Clock, 'monotonic'>;
}) {
  const { log, metrics, clock = systemClock } = deps;
  const isWorthWarning = rationed(clock);
  const connectionFields = (connection: ConnectionFacts) => ({
    session: connection.id,
    listener: connection.listener,
    client: connection.client.address,
    clientPort: connection.client.port,
    ...(connection.balancer ? { balancer: connection.balancer } : {}),
  });
  metrics.set('postern_throttle_degraded', {}, 0);
  metrics.set('postern_store_up', { operation: 'read' }, 1);
  metrics.set('postern_store_up', { operation: 'write' }, 1);
  metrics.set('postern_overloaded', {}, 0);
  const internalError = (where: string, error: unknown) => {
    const stack = error instanceof Error ? error.stack : undefined;
    log.error({ event: 'internal_error', where, error: errorText(error), stack }, 'internal error');
  };

  return {
    listening(listener: string, address: string, port: number) {
      log.info({ event: 'listening', listener, address, port }, `listening on ${address} port ${port}`);
    },
    ready(version: string, node: string) {
      metrics.set('postern_build_info', { version, node }, 1);
      metrics.set('postern_config_last_reload_successful', {}, 1);
      log.info({ event: 'ready', version, node }, 'ready');
    },
    configWarning(warning: string) {
      log.warn({ event: 'config_warning' }, warning);
    },
    reloaded() {
      metrics.set('postern_config_last_reload_successful', {}, 1);
      log.info({ event: 'reloaded' }, 'the configuration was reloaded, for new connections');
    },
    /** `problems` are what the admin has to mend, a line each. */
    reloadFailed(problems: readonly string[]) {
      metrics.set('postern_config_last_reload_successful', {}, 0);
      for (const problem of problems) {
        log.error(
          { event: 'reload_failed', problem },
          'the configuration was not reloaded: nothing has changed',
        );
      }
    },
    listenerClosed(listener: string, address: string, port: number) {
      log.info(
        { event: 'listener_closed', listener, address, port },
        `listening no more on ${address} port ${port}`,
      );
    },

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

    draining(sessions: number, deadline: number) {
      log.info({ event: 'draining', sessions, seconds: deadline / 1000 }, 'draining: no new connections');
    },
    stopped(sessionsCut: number) {
      log.info({ event: 'stopped', sessionsCut }, 'stopped');
    },

    connectionOpened(listener: string) {
      metrics.add('postern_connections', { listener }, 1);
    },
    connectionClosed(listener: string) {
      metrics.add('postern_connections', { listener }, -1);
    },
    connectionRejected(facts: { listener: string; address: string; bound: string }) {
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
    tlsMistake(connection: ConnectionFacts, kind: 'plaintext_on_tls_port' | 'tls_on_starttls_port' | 'http') {
      metrics.increment('postern_tls_failures_total', { listener: connection.listener, kind });
      const level = isWorthWarning(`mistake ${connection.listener} ${kind}`) ? 'warn' : 'debug';
      log[level]({ event: 'client_mistake', ...connectionFields(connection), kind }, CLIENT_MISTAKES[kind]);
    },

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
    sessionStarted(session: SessionFacts) {
      metrics.add('postern_sessions', { protocol: session.protocol }, 1);
    },
    sessionEnded(
      session: SessionFacts,
      end: { reason: string; bytesToUpstream: number; bytesToClient: number; seconds: number },
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

    message(session: SessionFacts, message: MessageFacts) {
      const { outcome, size, recipients, seconds } = message;
      metrics.increment('postern_messages_total', { upstream: session.upstream, outcome });
      if (outcome === 'accepted') {
        metrics.increment('postern_message_recipients_total', { upstream: session.upstream }, recipients);
        metrics.observe('postern_message_bytes', {}, size);
        metrics.observe('postern_message_seconds', { upstream: session.upstream }, seconds);
      }
      const { id, client, protocol: _, ...facts } = session;
      const line = {
        event: 'message',
        session: id,
        client: client.address,
        clientPort: client.port,
        ...facts,
        ...message,
        seconds: Number(seconds.toFixed(3)),
      };
      log.info(line, `message ${outcome}`);
    },
    /** `sender`: what the client wanted to be, where that is why. */
    submissionRefused(
      session: SessionFacts,
      refusal: { reason: SubmissionRefusal; sender: string | null; isNews: boolean },
    ) {
      const { reason, sender, isNews } = refusal;
      metrics.increment('postern_submission_refusals_total', { reason });
      const { id, client, user, passwordId } = session;
      const level = isNews && isWorthWarning(`submission ${reason}`) ? 'warn' : 'debug';
      log[level](
        {
          event: 'submission_refused',
          session: id,
          client: client.address,
          clientPort: client.port,
          user,
          passwordId,
          reason,
          ...(sender === null ? {} : { sender: printable(sender) }),
        },
        SUBMISSION_REFUSALS[reason],
      );
    },

    passwordVerified(result: 'match' | 'mismatch') {
      metrics.increment('postern_password_verifications_total', { result });
    },
    verificationQueue(length: number) {
      metrics.set('postern_verification_queue_length', {}, length);
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
    /** One connection to it, which does not mean that the next will fail. */
    upstreamFailed(upstream: string, address: string, detail: string) {
      log.warn(
        { event: 'upstream_failed', upstream, address, detail: printable(detail) },
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
    /** A misconfiguration that only the operator can mend. */
    upstreamRefusedPostern(upstream: string, reason: Reason, detail: string) {
      log.error(
        { event: 'upstream_refused', upstream, reason, detail: printable(detail) },
        'upstream login failed',
      );
    },

    /** `error`: why the store cannot be read (written) from now on; null: it can again. */
    storeChanged(operation: 'read' | 'write', error: Error | null) {
      metrics.set('postern_store_up', { operation }, error === null ? 1 : 0);
      if (error === null) {
        log.info({ event: 'store_recovered', operation }, `the store can be ${DONE[operation]} again`);
      } else {
        const line = { event: 'store_unavailable', operation, error: errorText(error) };
        log.error(line, `the store cannot be ${DONE[operation]}`);
      }
    },
    /** One call's failure. That the store does not answer is `storeChanged`'s to tell, once. */
    storeFailed(during: string, error: unknown) {
      if (error instanceof UnavailableError) {
        log.debug({ event: 'store_call_failed', during, error: errorText(error) });
      } else {
        internalError(during, error);
      }
    },
    /** `detail` holds no secret: Redis's own error texts may. */
    throttleDegraded(detail: string) {
      metrics.set('postern_throttle_degraded', {}, 1);
      log.error(
        { event: 'throttle_degraded', detail: printable(detail) },
        'Redis cannot be used: limits are those of this process alone',
      );
    },
    throttleRecovered() {
      metrics.set('postern_throttle_degraded', {}, 0);
      log.info({ event: 'throttle_recovered' }, 'Redis can be used again: limits are shared');
    },
    /** `delay`: of the event loop, in milliseconds. */
    overloadChanged(isLate: boolean, delay: number) {
      metrics.set('postern_overloaded', {}, isLate ? 1 : 0);
      const seconds = Number((delay / 1000).toFixed(3));
      if (isLate) {
        log.warn({ event: 'overloaded', seconds }, 'the event loop is late: attempts that crowd are refused');
      } else {
        log.info({ event: 'overload_ended', seconds }, 'the event loop is in time again');
      }
    },
    /** Also a row in the store. `passwordId`, `name`: of an app password. */
    audited(record: {
      readonly id: string;
      readonly by: string | null;
      readonly user: User | null;
      readonly action: string;
      readonly from: string | null;
      readonly passwordId: string | null;
      readonly name: string | null;
      readonly detail: string | null;
    }) {
      const { id, by, user, action, from, passwordId, name, detail } = record;
      const line = {
        event: 'audit',
        audit: id,
        action,
        by,
        user,
        from,
        passwordId,
        name: printable(name),
        detail: printable(detail),
      };
      log.info(line, `audit: ${action}`);
    },
    /** `detail`: why it came to nothing. */
    portalSignIn(result: keyof typeof SIGN_IN_RESULTS, detail: string | null) {
      metrics.increment('postern_portal_sign_ins_total', { result });
      if (result === 'signed_in') return;
      const isNews = isWorthWarning(`portal ${result}`);
      const line = { event: 'portal_sign_in', result, detail: printable(detail) };
      log[isNews ? 'warn' : 'debug'](line, SIGN_IN_RESULTS[result]);
    },
    portalRejected(reason: 'rate' | 'connections' | 'csrf') {
      metrics.increment('postern_portal_rejected_total', { reason });
      const level = isWorthWarning(`portal ${reason}`) ? 'warn' : 'debug';
      log[level]({ event: 'portal_rejected', reason }, 'the portal rejected a request');
    },
    portalMail(result: 'sent' | 'retried' | 'failed' | 'dropped', user: User, detail: string | null) {
      metrics.increment('postern_portal_mail_total', { result });
      const level = result === 'sent' ? 'info' : 'warn';
      log[level](
        { event: 'portal_mail', result, user, detail: printable(detail) },
        `mail to a user: ${result}`,
      );
    },
    internalError,
  };
}

const DONE = { read: 'read', write: 'written' } as const;

const SIGN_IN_RESULTS = {
  signed_in: 'signed in to the portal',
  refused: 'the provider signed somebody in whom the portal refuses',
  no_two_step: 'the provider could not do two-step verification',
  cancelled: 'a sign-in was broken off at the provider',
  failed: 'a sign-in could not be accepted',
  unavailable: 'the OpenID provider cannot be used',
} as const;

const CLIENT_MISTAKES = {
  plaintext_on_tls_port: 'a client spoke plaintext on a TLS port: its security setting should be SSL/TLS',
  tls_on_starttls_port: 'a client spoke TLS on a STARTTLS port: its security setting should be STARTTLS',
  http: 'a client spoke HTTP to a mail port',
} as const;

const SUBMISSION_REFUSALS: Record<SubmissionRefusal, string> = {
  sender: 'a sender address that is neither the user’s nor among submission.senders was refused',
  null_sender: 'the empty sender address was refused: see submission.nullSender',
  size: 'a message over submission.maxSize was refused',
  recipients: 'recipients over submission.maxRecipients were refused for now',
  message_quota: 'a message over the quota was refused for now',
  recipient_quota: 'recipients over the quota were refused for now',
  bare_newline: 'a message with a bare CR or LF was refused: see submission.bareNewlines',
  nul: 'a message with a NUL was refused',
};

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

/** Warnings of one key in so many milliseconds. Anybody can cause them, thousands in a second, and must not fill the disk by it. */
const RATION = { warnings: 20, milliseconds: 10_000 } as const;

/** Whether there has been less than the ration of a key's warnings. Keys are few: listeners and words of this file. */
function rationed(clock: Pick<Clock, 'monotonic'>): (key: string) => boolean {
  const given = new Map<string, { since: number; count: number }>();
  return (key) => {
    const now = clock.monotonic();
    let current = given.get(key);
    if (current === undefined || now - current.since >= RATION.milliseconds) {
      current = { since: now, count: 0 };
      given.set(key, current);
    }
    current.count++;
    return current.count <= RATION.warnings;
  };
}

/** A peer's words, fit for a log line: no control characters, at most 200 characters. */
export function printable(text: string | null): string | null {
  return text === null ? null : text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?').slice(0, 200);
}

function errorCode(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return code ?? printable(message ?? 'unknown') ?? 'unknown';
}

function errorText(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return printable(`${error.message}${cause}`) ?? 'unknown';
}
