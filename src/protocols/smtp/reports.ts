// What a session tells the log and the metrics: what was refused to it, and what became of each message.

import type { MessageOutcome, SubmissionRefusal } from '../../events.ts';
import { UpstreamLoginError } from '../admission.ts';
import type { Dialogue } from './dialogue.ts';
import { enhancedCode } from './reply.ts';
import type { Submission, Transaction } from './submission.ts';
import type { SmtpReply } from './upstream.ts';

/** `sender`: what the client wanted to be, where that is the matter. Of one message's recipients only the first is news. */
export function refused(
  { deps }: Dialogue,
  { live, transaction }: Submission,
  reason: SubmissionRefusal,
  sender: string | null = null,
): void {
  const isNews = transaction?.isReported !== true;
  if (transaction !== undefined) transaction.isReported = true;
  deps.events.submissionRefused(live.info, { reason, sender, isNews });
}

/** The upstream could not be logged in to again. What only the operator can mend is told as at a login. */
export function upstreamFailed({ deps }: Dialogue, { live, admitted }: Submission, error: unknown): void {
  if (!(error instanceof UpstreamLoginError)) return;
  const { reason, message } = error;
  if (reason !== 'upstream_unreachable' && reason !== 'session_ended')
    deps.events.upstreamRefusedPostern(admitted.upstream, reason, message, {
      session: live.info.id,
      user: admitted.user,
    });
}

/** What became of a message for which recipients had been taken. `reply`: the upstream's, to DATA or to the message. */
export function messageEnded(
  { deps }: Dialogue,
  { live }: Submission,
  { accepted, since }: Transaction,
  end: { readonly outcome: MessageOutcome; readonly size: number; readonly reply?: SmtpReply },
): void {
  const { outcome, size, reply } = end;
  deps.events.message(live.info, {
    outcome,
    code: reply?.code ?? null,
    enhancedCode: reply === undefined ? null : enhancedCode(reply) || null,
    queueId: outcome === 'accepted' && reply !== undefined ? queueIdOf(reply) : null,
    size,
    recipients: accepted,
    seconds: (deps.clock.monotonic() - since) / 1000,
  });
}

export function outcomeOf({ code }: SmtpReply): MessageOutcome {
  if (code >= 200 && code < 300) return 'accepted';
  return code >= 500 && code < 600 ? 'refused' : 'deferred';
}

/** What the upstream calls the message: `queued as X` (Postfix), `OK id=X` (Exim), `X Message accepted` (sendmail). */
export function queueIdOf({ lines }: SmtpReply): string | null {
  const text = lines.join(' ').slice(0, 1000);
  const match =
    /\bqueued as ([A-Za-z0-9._-]{1,64})/i.exec(text) ??
    /\bid=([A-Za-z0-9._-]{1,64})/i.exec(text) ??
    /(?:^|\d )([A-Za-z0-9]{8,64}) Message accepted/i.exec(text);
  return match?.[1] ?? null;
}
