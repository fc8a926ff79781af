// One message on its way from the client to the upstream, in pieces as they come, each checked first (data.ts).
//
// Nothing half is ever delivered: what may not go on breaks the upstream's connection off, before its end of data could be sent.
// The rest of such a message is read and thrown away, so that none of it is taken for commands. Nothing is acknowledged but by
// the upstream's own answer: if that does not come, the client is told that nobody knows.
//
// A device that ends its message with LF dot LF waits for an answer that never comes, since that is no end, whatever the policy for line
// ends is: a server that took it for one could be made to see two messages where another sees one. After a while of silence behind it
// the device is told so, and the connection is closed.

import { spentBuffers } from '../../upstream/spent-buffers.ts';
import { DataScanner, LONGEST_WRONG_END, looksLikeWrongEnd } from './data.ts';
import type { Dialogue, Next } from './dialogue.ts';
import { receivedField } from './received.ts';
import { isFinal, isPositive, REPLIES, relayed } from './replies.ts';
import { messageEnded, outcomeOf, refused } from './reports.ts';
import type { Submission, Transaction } from './submission.ts';
import type { SmtpReply } from './upstream.ts';

/** Octets of a message that is refused that are read for its end; then the connection is closed. */
const MOST_THROWN_AWAY = 67_108_864;
/** Milliseconds of silence behind what looks like a wrong end; less where a session may be idle for less than twice that. */
const WRONG_END_SILENCE = 30_000;
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
  const { reader, connection, deps } = dialogue;
  const { policy, admitted } = submission;
  const { upstream } = transaction;
  const scanner = new DataScanner(policy.bareNewlines);
  let size = 0;
  let thrownAway = 0;
  let fault: Fault | undefined;
  /** What came last; the data begin at the beginning of a line. */
  let tail: Buffer = Buffer.from('\r\n');
  if (policy.receivedHeader)
    upstream.write(receivedField(connection, deps.hostname, admitted.user, deps.clock.now()));
  for (;;) {
    const got = await next();
    if (got.kind === 'ended') {
      submission.dropUpstream();
      if (got.why === 'wrong_end') {
        // News, whatever was said of its line ends before.
        transaction.isReported = false;
        refused(dialogue, submission, 'wrong_end');
        ended('refused_here');
        return dialogue.goodbye('wrong_end');
      }
      ended(fault === undefined ? 'aborted' : outcomeOfFault(fault));
      return got.why === 'closed' ? dialogue.hangUp() : dialogue.goodbye(got.why);
    }
    spentBuffers.add(got.bytes.length);
    tail = lastOf(tail, got.bytes);
    const isEnd = scanner.push(got.bytes);
    if (scanner.rest.length > 0) reader.putBack(scanner.rest);
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

  /** The next piece. */
  async function next() {
    const silence = Math.min(WRONG_END_SILENCE, deps.idle / 2);
    const timer = looksLikeWrongEnd(tail)
      ? setTimeout(() => dialogue.break('wrong_end'), silence)
      : undefined;
    const got = await reader.data();
    clearTimeout(timer);
    return got;
  }

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

/** A copy: a view would keep all of a piece in memory. */
function lastOf(before: Buffer, bytes: Buffer): Buffer {
  const last = bytes.subarray(-LONGEST_WRONG_END);
  const kept = last.length < LONGEST_WRONG_END ? before.subarray(last.length - LONGEST_WRONG_END) : NOTHING;
  return Buffer.concat([kept, last]);
}

const NOTHING = Buffer.alloc(0);

function outcomeOfFault(fault: Fault): 'refused_here' | 'aborted' {
  return fault === 'upstream' ? 'aborted' : 'refused_here';
}
