// RSET (RFC 5321 §4.1.1.5), and what ends a message in the same way.

import type { Dialogue, Next } from '../dialogue.ts';
import { isPositive, REPLIES } from '../replies.ts';

export async function rset(dialogue: Dialogue, rest: string): Promise<Next> {
  if (rest !== '') return dialogue.replyError(REPLIES.noArguments);
  await abandonMessage(dialogue);
  return dialogue.reply(REPLIES.ok);
}

/** Forgets the message that is under way, here and upstream. */
export async function abandonMessage({ submission }: Dialogue): Promise<void> {
  const transaction = submission?.transaction;
  if (submission === undefined || transaction === undefined) return;
  submission.endTransaction();
  if (!submission.isIntact(transaction)) return;
  try {
    if (isPositive(await transaction.upstream.command('RSET'))) return;
  } catch {
    // It is gone, and the message with it.
  }
  // A connection that would not forget it is of no use to the next one.
  submission.dropUpstream();
}
