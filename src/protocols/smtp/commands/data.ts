// DATA (RFC 5321 §4.1.1.4). The client is told to go on when the upstream has said so, and the message goes up as it comes.

import type { Dialogue, Next } from '../dialogue.ts';
import { REPLIES, relayed } from '../replies.ts';
import { messageEnded, outcomeOf } from '../reports.ts';
import { transfer } from '../transfer.ts';
import type { SmtpReply } from '../upstream.ts';

export async function data(dialogue: Dialogue, rest: string): Promise<Next> {
  const { submission, connection } = dialogue;
  if (submission === undefined)
    return dialogue.replyError(connection.mayLogIn ? REPLIES.loginFirst : REPLIES.tlsFirst);
  const { transaction } = submission;
  if (rest !== '') return dialogue.replyError(REPLIES.noArguments);
  if (transaction === undefined) return dialogue.replyError(REPLIES.mailFirst);
  if (!submission.isIntact(transaction)) {
    submission.endTransaction();
    return dialogue.reply(REPLIES.upstreamLost);
  }
  if (transaction.accepted === 0) return dialogue.replyError(REPLIES.noRecipients);
  let reply: SmtpReply;
  try {
    reply = await transaction.upstream.command('DATA');
  } catch {
    submission.dropUpstream();
    submission.endTransaction();
    messageEnded(dialogue, submission, transaction, { outcome: 'aborted', size: 0 });
    return dialogue.reply(REPLIES.upstreamLost);
  }
  if (reply.code !== 354) {
    messageEnded(dialogue, submission, transaction, { outcome: outcomeOf(reply), size: 0, reply });
    submission.endTransaction();
    if (reply.code >= 400) return dialogue.reply(relayed(reply));
    // It takes the next command for data, or the other way round.
    submission.dropUpstream();
    return dialogue.reply(REPLIES.upstreamNonsense);
  }
  dialogue.reply(REPLIES.sendData);
  await dialogue.flush();
  return transfer(dialogue, submission, transaction);
}
