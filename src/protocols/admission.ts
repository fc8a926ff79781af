// From an attempt to a session that may begin, the same way for every protocol:
//
//   gate → admitted → registered as a live session → upstream login → standing read again → the protocol's answer
//
// A revocation cannot slip between verdict and session: the session is registered before the upstream login starts, and
// its record is read once more when that is done.

import type { Events, LoginFacts } from '../events.ts';
import type {
  Admitted,
  Attempt,
  Decision,
  Refused,
  Throttled,
  Unavailable,
  UnavailableReason,
} from '../gate/verdict.ts';
import type { Clock } from '../lib/clock.ts';
import type { Protocol } from '../lib/protocol.ts';
import type { Secret } from '../lib/secret.ts';
import type { Connection } from '../listen/connection.ts';
import type { EndReason, LiveSession, LiveSessions } from '../sessions/live-sessions.ts';

export interface AdmissionDeps {
  readonly gate: { decide(attempt: Attempt): Promise<Decision> };
  readonly sessions: Pick<LiveSessions, 'register' | 'hasRoomFor'>;
  readonly events: Pick<
    Events,
    'login' | 'upstreamLoggedIn' | 'upstreamUnreachable' | 'upstreamRefusedPostern'
  >;
  readonly clock: Clock;
}

/** Name and secret, as the client sent them. */
export interface Presented {
  /** The name as the client typed it. Untrusted. */
  readonly login: string;
  readonly secret: Secret;
  /** As whom it wants to act (RFC 4616 §2); nothing or `''`: as itself. Untrusted. */
  readonly authorizationId?: string;
}

/** One try to log in, as a dialogue has read it. */
export interface Try extends Presented {
  readonly protocol: Protocol;
  /** What the client calls itself. Untrusted. */
  readonly software: string | null;
}

/** Logs in upstream for the admitted user. Rejects with UpstreamLoginError, or with anything once `signal` has aborted. */
export type OpenUpstream<U> = (admitted: Admitted, signal: AbortSignal) => Promise<U>;

export type Admission<U> =
  /** The session is registered, its upstream logged in: the dialogue answers, and calls `live.joined()` and `live.leave()`. */
  | {
      readonly kind: 'admitted';
      readonly admitted: Admitted;
      readonly live: LiveSession;
      readonly upstream: U;
    }
  | {
      readonly kind: 'rejected';
      readonly verdict: Refused | Throttled | Unavailable;
      /** False: too many wait for their answer already, so the connection is closed without one. */
      readonly answer: boolean;
    };

/** An upstream login that failed. The message is for the operator, and holds no secret: not what was sent, nor what might repeat it. */
export class UpstreamLoginError extends Error {
  override readonly name = 'UpstreamLoginError';
  readonly reason: UnavailableReason;

  constructor(reason: UnavailableReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * Resolves once the client can be answered: refusals after their constant delay. The event of the login is reported. An
 * upstream that is opened and not wanted any more (the record was revoked meanwhile) is given to `discard`.
 */
export async function admit<U>(
  connection: Connection,
  deps: AdmissionDeps,
  { software, ...presented }: Try,
  openUpstream: OpenUpstream<U>,
  discard: (upstream: U) => void,
): Promise<Admission<U>> {
  const { gate, clock } = deps;
  const client = { address: connection.client.address, software };
  const { hasFailed } = connection;
  const attempt: Attempt = { ...presented, client, arrivedAt: clock.monotonic(), hasFailed };
  if (connection.isHealthCheck) {
    // Nobody knows whose attempt it is, so it counts against nobody, and cannot be let in.
    const verdict: Unavailable = { kind: 'unavailable', reason: 'health_check' };
    report(connection, deps, attempt, { verdict, answer: true, user: null, passwordId: null }, verdict);
    return { kind: 'rejected', verdict, answer: true };
  }
  connection.attempting(true);
  try {
    const decision = await gate.decide(attempt);
    const outcome =
      decision.verdict.kind === 'admitted'
        ? await openSession(connection, deps, attempt, decision.verdict, openUpstream, discard)
        : decision.verdict;
    report(connection, deps, attempt, decision, 'live' in outcome ? outcome.admitted : outcome);
    if ('live' in outcome) return outcome;
    connection.hasFailed = true;
    return { kind: 'rejected', verdict: outcome, answer: decision.answer };
  } finally {
    connection.attempting(false);
  }
}

async function openSession<U>(
  connection: Connection,
  deps: AdmissionDeps,
  { protocol, client: { software } }: Attempt,
  admitted: Admitted,
  openUpstream: OpenUpstream<U>,
  discard: (upstream: U) => void,
): Promise<Extract<Admission<U>, { kind: 'admitted' }> | Refused | Throttled | Unavailable> {
  const { user, record } = admitted;
  if (!deps.sessions.hasRoomFor(user)) return { kind: 'throttled', reason: 'user_sessions', retryAfter: 0 };
  const { id, client } = connection;
  const live = deps.sessions.register(
    { id, protocol, user, passwordId: record.id, upstream: admitted.upstream, client },
    { expiresAt: record.expiresAt, device: record.name, software, tls: connection.tls?.version ?? null },
  );
  const abort = new AbortController();
  const onClientGone = () => abort.abort();
  live.onEnd(onClientGone);
  connection.socket.once('close', onClientGone);
  try {
    const startedAt = deps.clock.monotonic();
    const upstream = await openUpstream(admitted, abort.signal);
    deps.events.upstreamLoggedIn(admitted.upstream, (deps.clock.monotonic() - startedAt) / 1000);
    const ended = await live.mayJoin();
    if (ended === undefined) return { kind: 'admitted', admitted, live, upstream };
    discard(upstream);
    live.leave();
    return takenBack(ended);
  } catch (error) {
    live.leave();
    if (live.ended !== undefined) return takenBack(live.ended);
    if (error instanceof UpstreamLoginError) {
      if (error.reason === 'upstream_unreachable') {
        deps.events.upstreamUnreachable(admitted.upstream);
      } else if (error.reason !== 'session_ended') {
        deps.events.upstreamRefusedPostern(admitted.upstream, error.reason, error.message, {
          session: id,
          user,
        });
      }
      return { kind: 'unavailable', reason: error.reason };
    }
    if (abort.signal.aborted) return { kind: 'unavailable', reason: 'session_ended' };
    throw error;
  } finally {
    connection.socket.off('close', onClientGone);
  }
}

/** Revoked (expired, disabled) while the upstream login ran: to the client that is a refusal like any other. */
function takenBack(why: EndReason): Refused | Unavailable {
  return why === 'admin' || why === 'shutdown'
    ? { kind: 'unavailable', reason: 'session_ended' }
    : { kind: 'refused', reason: why };
}

function report(
  connection: Connection,
  deps: AdmissionDeps,
  attempt: Attempt,
  decision: Decision,
  verdict: Decision['verdict'],
): void {
  const facts: LoginFacts = {
    protocol: attempt.protocol,
    verdict: verdict.kind,
    reason: verdict.kind === 'admitted' ? 'none' : verdict.reason,
    user: decision.user,
    passwordId: decision.passwordId,
    tls: connection.tls?.version ?? null,
    software: attempt.client.software,
    upstream: verdict.kind === 'admitted' ? verdict.upstream : null,
    seconds: (deps.clock.monotonic() - attempt.arrivedAt) / 1000,
    answered: decision.answer,
  };
  deps.events.login(connection, facts);
}
