// From credentials to a session: the gate's verdict and the upstream login (protocols/admission.ts), and the answer.

import type { Admitted, Refused, Throttled, Unavailable } from '../../gate/verdict.ts';
import type { LiveSession } from '../../sessions/live-sessions.ts';
import { admit, type Presented } from '../admission.ts';
import type { Dialogue, Next } from './dialogue.ts';
import { REPLIES, verdictReply } from './replies.ts';
import { Submission } from './submission.ts';
import { openSmtpUpstream, type UpstreamSession } from './upstream.ts';

/** Characters of what the client calls itself that are logged and kept. */
const MOST_SOFTWARE = 100;

export async function attemptLogin(dialogue: Dialogue, presented: Presented): Promise<Next> {
  await dialogue.flush();
  const { connection, deps, helo } = dialogue;
  const software = helo === null || helo === '' ? null : helo.slice(0, MOST_SOFTWARE);
  const open = ({ user, upstream }: Admitted, signal: AbortSignal) => {
    const target = deps.upstreams.get(upstream);
    if (target === undefined) throw new Error(`no SMTP upstream is named ${upstream}`);
    const { client, destination, id: sessionId } = connection;
    const { hostname, clock } = deps;
    return openSmtpUpstream(target, { user, client, destination, sessionId, hostname, helo, signal, clock });
  };
  const admission = await admit(
    connection,
    deps,
    { protocol: 'smtp', ...presented, software },
    open,
    (upstream) => upstream.destroy(),
  );
  if (admission.kind === 'rejected') {
    return admission.answer ? refuse(dialogue, admission.verdict) : dialogue.drop();
  }
  const { admitted, live, upstream } = admission;
  return startSession(dialogue, admitted, live, upstream, (signal) => open(admitted, signal));
}

/** Says no, and goodbye after too many. An empty password counts as nothing (old Outlook's first try). */
function refuse(dialogue: Dialogue, verdict: Refused | Throttled | Unavailable): Next {
  dialogue.reply(verdictReply(verdict));
  if (verdict.kind === 'refused' && verdict.reason === 'empty_password') return 'go on';
  dialogue.failedAttempts++;
  return dialogue.failedAttempts < dialogue.deps.attemptsPerConnection
    ? 'go on'
    : dialogue.goodbye('attempts');
}

function startSession(
  dialogue: Dialogue,
  admitted: Admitted,
  live: LiveSession,
  upstream: UpstreamSession,
  open: (signal: AbortSignal) => Promise<UpstreamSession>,
): Next {
  const { connection, deps } = dialogue;
  const policy = deps.policies.get(admitted.route);
  if (policy === undefined) throw new Error(`route ${admitted.route} has no policy for submission`);
  connection.loggedIn();
  deps.extensions.learn(admitted.upstream, upstream.extensions);
  const submission = new Submission({ admitted, live, policy, upstream, open });
  dialogue.submission = submission;
  connection.socket.once('close', () => submission.cutShort());
  deps.events.sessionStarted(live.info);
  live.joined();
  live.onEnd((reason) => {
    submission.cutShort();
    dialogue.break(reason);
  });
  live.onDrain(() => {
    submission.isDraining = true;
    if (submission.transaction === undefined && dialogue.reader.isWaiting) dialogue.break('shutdown');
  });
  dialogue.forgiveErrors();
  return dialogue.reply(REPLIES.loggedIn);
}
