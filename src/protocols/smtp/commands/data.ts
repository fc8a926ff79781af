// DATA (RFC 5321 §4.1.1.4). The client is told to go on when the upstream has said so, and the message goes up as it comes.

import type { Dialogue, Next } from '../dialogue.ts';
import { REPLIES, relayed } from '../replies.ts';
import { messageEnded, outcomeOf } from '../reports.ts';
import { transfer } from '../transfer.ts';
import type { SmtpReply } from '../upstream.ts';

export async function data(dialogue: Dialogue, rest: string): Promise<Next> {
  const { submission, connection } = dialogue;
  if (submission === undefined)
    return error(dialogue, connection.mayLogIn ? REPLIES.loginFirst : REPLIES.tlsFirst);
  const { transaction } = submission;
  if (rest !== '') return error(dialogue, REPLIES.noArguments);
  // These two are no errors of the client's: it may have sent the whole group before it heard that its MAIL was refused.
  if (transaction === undefined) return refuse(dialogue, REPLIES.mailFirst);
  if (!submission.isIntact(transaction)) {
    submission.endTransaction();
    return refuse(dialogue, REPLIES.upstreamLost);
  }
  if (transaction.accepted === 0) return refuse(dialogue, REPLIES.noRecipients);
  let reply: SmtpReply;
  try {
    reply = await transaction.upstream.command('DATA');
  } catch {
    submission.dropUpstream();
    submission.endTransaction();
    messageEnded(dialogue, submission, transaction, { outcome: 'aborted', size: 0 });
    return refuse(dialogue, REPLIES.upstreamLost);
  }
  if (reply.code !== 354) {
    messageEnded(dialogue, submission, transaction, { outcome: outcomeOf(reply), size: 0, reply });
    submission.endTransaction();
    if (reply.code >= 400) return refuse(dialogue, relayed(reply));
    // It takes the next command for data, or the other way round.
    submission.dropUpstream();
    return refuse(dialogue, REPLIES.upstreamNonsense);
  }
  dialogue.reply(REPLIES.sendData);
  await dialogue.flush();
  return transfer(dialogue, submission, transaction);
}

/**
 * No 354. What lies behind the command already is a message whose sender did not wait for it (DATA is the last of a group, RFC 2920
 * §3.1), and is not to be taken for commands.
 */
function refuse(dialogue: Dialogue, text: string): Next {
  dialogue.reply(text);
  return dialogue.reader.hasUnread ? dialogue.goodbye('unasked') : 'go on';
}

function error(dialogue: Dialogue, text: string): Next {
  return dialogue.reader.hasUnread ? refuse(dialogue, text) : dialogue.replyError(text);
}
