// One message on its way from the client to the upstream, in pieces as they come, each checked first (data.ts).
//
// Nothing half is ever delivered: what may not go on breaks the upstream's connection off, before its end of data could be sent.
// The rest of such a message is read and thrown away, so that none of it is taken for commands. Nothing is acknowledged but by
// the upstream's own answer: if that does not come, the client is told that nobody knows.

import { spentBuffers } from '../../upstream/spent-buffers.ts';
import { DataScanner } from './data.ts';
import type { Dialogue, Next } from './dialogue.ts';
import { receivedField } from './received.ts';
import { isFinal, isPositive, REPLIES, relayed } from './replies.ts';
import { messageEnded, outcomeOf, refused } from './reports.ts';
import type { Submission, Transaction } from './submission.ts';
import type { SmtpReply } from './upstream.ts';

/** Octets of a message that is refused that are read for its end; then the connection is closed. */
const MOST_THROWN_AWAY = 67_108_864;
/** What ends the data is no part of the message. */
const END_OCTETS = 3;

/** Why a message that is under way goes no further. */
type Fault = 'bare_newline' | 'nul' | 'size' | 'upstream';

const ANSWERS: Readonly<Record<Fault, string>> = {
  bare_newline: REPLIES.bareNewline,
  nul: REPLIES.nul,
  size: REPLIES.tooLarge,
  upstream: REPLIES.upstreamLost,
};

/** From the upstream's 354 to the answer to the message. */
export async function transfer(
  dialogue: Dialogue,
  submission: Submission,
  transaction: Transaction,
): Promise<Next> {
  const { inbox, connection, deps } = dialogue;
  const { policy, admitted } = submission;
  const { upstream } = transaction;
  const scanner = new DataScanner(policy.bareNewlines);
  let size = 0;
  let thrownAway = 0;
  let fault: Fault | undefined;
  if (policy.receivedHeader)
    upstream.write(receivedField(connection, deps.hostname, admitted.user, deps.clock.now()));
  for (;;) {
    const got = await inbox.data();
    if (got.kind === 'ended') {
      submission.dropUpstream();
      ended(fault === undefined ? 'aborted' : outcomeOfFault(fault));
      return got.why === 'closed' ? dialogue.hangUp() : dialogue.goodbye(got.why);
    }
    spentBuffers.add(got.bytes.length);
    const isEnd = scanner.push(got.bytes);
    if (scanner.rest.length > 0) inbox.putBack(scanner.rest);
    const { out } = scanner;
    size += isEnd ? out.length - END_OCTETS : out.length;
    if (fault === undefined) {
      fault = scanner.fault;
      if (fault === undefined && size > policy.maxSize) fault = 'size';
      if (fault === undefined && !submission.isIntact(transaction)) fault = 'upstream';
      if (fault !== undefined) stop(fault);
    }
    if (isEnd) break;
    if (fault !== undefined) {
      thrownAway += got.bytes.length;
      if (thrownAway > MOST_THROWN_AWAY) {
        ended(outcomeOfFault(fault));
        return dialogue.close(ANSWERS[fault]);
      }
    } else if (!upstream.write(out)) {
      try {
        await upstream.drained();
      } catch {
        fault = 'upstream';
        stop(fault);
      }
    }
  }
  if (fault !== undefined) {
    ended(outcomeOfFault(fault));
    return dialogue.reply(ANSWERS[fault]);
  }
  submission.isFinal = true;
  let reply: SmtpReply | undefined;
  try {
    reply = await upstream.endData(scanner.out);
  } catch {
    // Whether it was delivered nobody knows.
    submission.dropUpstream();
  } finally {
    submission.isFinal = false;
  }
  if (reply === undefined) {
    ended('unknown');
    return dialogue.reply(REPLIES.fateUnknown);
  }
  const isAccepted = isPositive(reply);
  if (isAccepted) void transaction.allowance.settle(transaction.accepted);
  messageEnded(dialogue, submission, transaction, { outcome: outcomeOf(reply), size, reply });
  submission.transaction = undefined;
  if (!isFinal(reply)) submission.dropUpstream();
  if (!isAccepted) transaction.allowance.release();
  else dialogue.forgiveErrors();
  return dialogue.reply(relayed(reply));

  /** Breaks the upstream's connection off, so that what it has got so far comes to nothing. */
  function stop(why: Fault): void {
    submission.dropUpstream();
    if (why !== 'upstream') refused(dialogue, submission, why);
  }

  function ended(outcome: Parameters<typeof messageEnded>[3]['outcome']): void {
    messageEnded(dialogue, submission, transaction, { outcome, size });
    submission.endTransaction();
  }
}

function outcomeOfFault(fault: Fault): 'refused_here' | 'aborted' {
  return fault === 'upstream' ? 'aborted' : 'refused_here';
}
