// From credentials to a session: the gate's verdict and the upstream login (protocols/admission.ts), the answer, the splice.

import type { Refused, Throttled, Unavailable } from '../../gate/verdict.ts';
import type { EndReason, LiveSession } from '../../sessions/live-sessions.ts';
import { splice } from '../../upstream/splice.ts';
import { admit, type Presented } from '../admission.ts';
import { softwareName } from './commands/id.ts';
import type { Dialogue, Next } from './dialogue.ts';
import { verdictReply } from './replies.ts';
import { type JoinableUpstream, logInUpstream } from './upstream.ts';

export async function attemptLogin(dialogue: Dialogue, tag: string, presented: Presented): Promise<Next> {
  const { connection, deps, clientId } = dialogue;
  const admission = await admit(
    connection,
    deps,
    { protocol: 'imap', ...presented, software: softwareName(clientId) },
    ({ user, upstream }, signal) => {
      const target = deps.upstreams.get(upstream);
      if (target === undefined) throw new Error(`no IMAP upstream is named ${upstream}`);
      const { client, destination, id: sessionId } = connection;
      const { clock } = deps;
      return logInUpstream(target, { user, client, destination, sessionId, clientId, signal, clock });
    },
    ({ socket }) => socket.destroy(),
  );
  if (admission.kind === 'rejected') {
    return admission.answer ? refuse(dialogue, tag, admission.verdict) : dialogue.drop();
  }
  const { admitted, live, upstream } = admission;
  deps.capabilities.learn(admitted.upstream, admitted.user, upstream.capabilities);
  startSession(dialogue, tag, live, upstream);
  return 'over';
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

/** The tagged OK with the upstream's capabilities, then what the client had pipelined goes up, then the two are joined. */
function startSession(dialogue: Dialogue, tag: string, live: LiveSession, upstream: JoinableUpstream): void {
  const { connection, deps } = dialogue;
  const client = connection.socket;
  const startedAt = deps.clock.monotonic();
  connection.loggedIn();
  const pipelined = dialogue.reader.detach();
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
