// Messages that clients send, and what Postern itself refuses of them.

import { type MetricTable, SECONDS, words } from '../lib/metrics.ts';
import { printable } from './fields.ts';
import type { SessionFacts } from './sessions.ts';
import type { Subject } from './subject.ts';

/** What became of a message for which the upstream had taken recipients. */
const MESSAGE_OUTCOMES = [
  'accepted',
  /** By the upstream, for good. */
  'refused',
  /** By the upstream, for now. */
  'deferred',
  /** By Postern, in the middle of it: too large, bare line ends, a NUL. */
  'refused_here',
  /** The client or the upstream went, or the session was ended, before the end of it. */
  'aborted',
  /** The upstream went before it answered: delivered or not. */
  'unknown',
] as const;
export type MessageOutcome = (typeof MESSAGE_OUTCOMES)[number];

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
  | 'wrong_end'
  | 'nul';

const SUBMISSION_REFUSALS: Record<SubmissionRefusal, string> = {
  sender: 'a sender address that is neither the user’s nor among submission.senders was refused',
  null_sender: 'the empty sender address was refused: see submission.nullSender',
  size: 'a message over submission.maxSize was refused',
  recipients: 'recipients over submission.maxRecipients were refused for now',
  message_quota: 'a message over the quota was refused for now',
  recipient_quota: 'recipients over the quota were refused for now',
  bare_newline: 'a message with a bare CR or LF was refused: see submission.bareNewlines',
  wrong_end:
    'a message was ended by LF dot LF or the like, which is no end, and refused: its sender has to end lines with CR LF',
  nul: 'a message with a NUL was refused',
};

export const SUBMISSION_METRICS = {
  postern_messages_total: {
    type: 'counter',
    help: 'Messages for which the upstream had taken recipients, by what became of them.',
    labels: { upstream: 'smtpUpstream', outcome: MESSAGE_OUTCOMES },
  },
  postern_message_recipients_total: {
    type: 'counter',
    help: 'Recipients of accepted messages.',
    labels: { upstream: 'smtpUpstream' },
  },
  postern_message_bytes: {
    type: 'histogram',
    help: 'Size of accepted messages.',
    labels: {},
    buckets: [1_000, 10_000, 100_000, 1_000_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000],
  },
  postern_message_seconds: {
    type: 'histogram',
    help: 'Time from MAIL to the upstream’s answer, of accepted messages.',
    labels: { upstream: 'smtpUpstream' },
    buckets: SECONDS,
  },
  postern_submission_refusals_total: {
    type: 'counter',
    help: 'Senders, recipients and messages that Postern itself refused to clients that had logged in.',
    labels: { reason: words(SUBMISSION_REFUSALS) },
  },
} as const satisfies MetricTable;

export function submissionEvents({ log, metrics, isWorthWarning }: Subject<keyof typeof SUBMISSION_METRICS>) {
  return {
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
  };
}
