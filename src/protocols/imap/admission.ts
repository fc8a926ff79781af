// From credentials to a session: the gate's verdict, the upstream login, the answer, the splice.
//
//   gate → admitted → registered as a live session → upstream login → standing read again → tagged OK → joined

import type { LoginFacts } from '../../events.ts';
import type { Admitted, Attempt, Decision, Refused, Throttled, Unavailable } from '../../gate/verdict.ts';
import type { Secret } from '../../lib/secret.ts';
import type { EndReason, LiveSession } from '../../sessions/live-sessions.ts';
import { splice } from '../../upstream/splice.ts';
import { softwareName } from './commands/id.ts';
import type { Dialogue, Next } from './dialogue.ts';
import { REPLIES, verdictReply } from './replies.ts';
import { ImapLoginError, type JoinableUpstream, logInUpstream } from './upstream.ts';
import { hasForbiddenControl } from './wire.ts';

export async function attemptLogin(
  dialogue: Dialogue,
  tag: string,
  login: string,
  secret: Secret,
): Promise<Next> {
  if (hasForbiddenControl(login) || hasForbiddenControl(secret.reveal())) {
    return dialogue.reply(tag, REPLIES.badCredentials);
  }
  const { deps, connection } = dialogue;
  const attempt: Attempt = {
    protocol: 'imap',
    login,
    secret,
    client: { address: connection.client.address, software: softwareName(dialogue.clientId) },
    arrivedAt: deps.clock.monotonic(),
  };
  if (connection.isHealthCheck) return refuseHealthCheck(dialogue, tag, attempt);
  connection.attempting(true);
  try {
    const decision = await deps.gate.decide(attempt);
    if (decision.verdict.kind === 'admitted') {
      return await join(dialogue, tag, attempt, decision, decision.verdict);
    }
    report(dialogue, attempt, decision, decision.verdict);
    return decision.answer ? refuse(dialogue, tag, decision.verdict) : dialogue.drop();
  } finally {
    connection.attempting(false);
  }
}

/** Nobody knows whose attempt it is, so it counts against nobody, and cannot be let in. */
function refuseHealthCheck(dialogue: Dialogue, tag: string, attempt: Attempt): Next {
  const verdict: Unavailable = { kind: 'unavailable', reason: 'health_check' };
  report(dialogue, attempt, { verdict, answer: true, user: null, passwordId: null }, verdict);
  return refuse(dialogue, tag, verdict);
}

/** Says no, and goodbye after too many. An empty password counts as nothing (old Outlook's first try). */
function refuse(dialogue: Dialogue, tag: string, verdict: Refused | Throttled | Unavailable): Next {
  dialogue.reply(tag, verdictReply(verdict));
  if (verdict.kind === 'refused' && verdict.reason === 'empty_password') return 'go on';
  dialogue.failedAttempts++;
  return dialogue.failedAttempts < dialogue.deps.attemptsPerConnection
    ? 'go on'
    : dialogue.goodbye('attempts');
}

async function join(
  dialogue: Dialogue,
  tag: string,
  attempt: Attempt,
  decision: Decision,
  admitted: Admitted,
): Promise<Next> {
  const { connection, deps } = dialogue;
  if (!deps.sessions.hasRoomFor(admitted.user)) {
    const verdict: Throttled = { kind: 'throttled', reason: 'user_sessions', retryAfter: 0 };
    report(dialogue, attempt, decision, verdict);
    return refuse(dialogue, tag, verdict);
  }
  const live = deps.sessions.register(
    {
      id: connection.id,
      protocol: 'imap',
      user: admitted.user,
      passwordId: admitted.record.id,
      upstream: admitted.upstream,
      client: connection.client,
    },
    admitted.record.expiresAt,
  );
  const outcome = await openUpstream(dialogue, live, admitted).catch((error: unknown) => {
    live.leave();
    throw error;
  });
  if (!('socket' in outcome)) {
    live.leave();
    report(dialogue, attempt, decision, outcome);
    return refuse(dialogue, tag, outcome);
  }
  report(dialogue, attempt, decision, admitted);
  startSession(dialogue, tag, live, outcome);
  return 'over';
}

/** The upstream, logged in and ready to be joined, or the verdict that takes the admission back. */
async function openUpstream(
  dialogue: Dialogue,
  live: LiveSession,
  admitted: Admitted,
): Promise<JoinableUpstream | Refused | Unavailable> {
  const { connection, deps } = dialogue;
  const target = deps.upstreams.get(admitted.upstream);
  if (target === undefined) throw new Error(`no IMAP upstream is named ${admitted.upstream}`);
  const abort = new AbortController();
  const onClientGone = () => abort.abort();
  live.onEnd(() => abort.abort());
  connection.socket.once('close', onClientGone);
  try {
    const upstream = await logInUpstream(target, {
      user: admitted.user,
      client: connection.client,
      destination: connection.destination,
      sessionId: connection.id,
      clientId: dialogue.clientId,
      signal: abort.signal,
      clock: deps.clock,
    });
    const ended = await live.mayJoin();
    if (ended === undefined) return upstream;
    upstream.socket.destroy();
    return takenBack(ended);
  } catch (error) {
    if (live.ended !== undefined) return takenBack(live.ended);
    if (error instanceof ImapLoginError) {
      if (error.reason !== 'upstream_unreachable') {
        deps.events.upstreamRefusedPostern(admitted.upstream, error.reason, error.message);
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

/** The tagged OK with the upstream's capabilities, then what the client had pipelined goes up, then the two are joined. */
function startSession(dialogue: Dialogue, tag: string, live: LiveSession, upstream: JoinableUpstream): void {
  const { connection, deps } = dialogue;
  const client = connection.socket;
  const startedAt = deps.clock.monotonic();
  connection.loggedIn();
  const pipelined = dialogue.inbox.detach();
  client.cork();
  for (const data of upstream.untagged) {
    client.write(data);
    client.write('\r\n');
  }
  client.write(`${tag} OK [CAPABILITY ${upstream.capabilities}] Logged in\r\n`);
  if (upstream.rest.length > 0) client.write(upstream.rest);
  client.uncork();
  if (pipelined.length > 0) upstream.socket.write(pipelined);
  const { info } = live;
  const { events, clock } = deps;
  // What went before the splice is the session's too.
  const early = { toUpstream: pipelined.length, toClient: upstream.rest.length };
  const joined = splice<EndReason>(client, upstream.socket, {
    idle: deps.idle,
    clock,
    onEnd: (end) => {
      live.leave();
      events.sessionEnded(info, {
        reason: end.reason,
        bytesToUpstream: early.toUpstream + end.bytesToUpstream,
        bytesToClient: early.toClient + end.bytesToClient,
        seconds: (clock.monotonic() - startedAt) / 1000,
      });
    },
  });
  events.sessionStarted(info);
  live.joined();
  live.onEnd((reason) => joined.end(reason));
}

function report(
  dialogue: Dialogue,
  attempt: Attempt,
  decision: Decision,
  verdict: Decision['verdict'],
): void {
  const { connection, deps } = dialogue;
  const facts: LoginFacts = {
    protocol: 'imap',
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
