// RCPT (RFC 5321 §4.1.1.3; parameters: RFC 3461 §4). Each goes upstream by itself, and its answer is the upstream's. Where the client
// does not wait for the answer and the upstream has PIPELINING (RFC 2920), nor do we.

import type { Dialogue, Next } from '../dialogue.ts';
import { isFinal, isPositive, REPLIES, relayed } from '../replies.ts';
import { refused } from '../reports.ts';
import type { Submission, Transaction } from '../submission.ts';
import { isAscii, type PathArgument, parsePathArgument, XTEXT } from '../wire.ts';

export async function rcpt(dialogue: Dialogue, rest: string): Promise<Next> {
  const { submission, connection, reader } = dialogue;
  if (submission === undefined)
    return error(dialogue, connection.mayLogIn ? REPLIES.loginFirst : REPLIES.tlsFirst);
  const { transaction } = submission;
  const argument = parsePathArgument('TO', rest);
  if (argument === undefined) return error(dialogue, REPLIES.rcptSyntax);
  // No error of the client's: it may have sent all of it before it heard that its MAIL was refused.
  if (transaction === undefined) return say(dialogue, REPLIES.mailFirst);
  if (!submission.isIntact(transaction)) return say(dialogue, REPLIES.upstreamLost);
  const line = rcptLine(argument, transaction);
  if (!line.startsWith('RCPT')) return say(dialogue, line);
  if (transaction.accepted + transaction.asked >= submission.policy.maxRecipients) {
    refused(dialogue, submission, 'recipients');
    return say(dialogue, REPLIES.tooManyRecipients);
  }
  if (!transaction.allowance.takeRecipient()) {
    refused(dialogue, submission, 'recipient_quota');
    return say(dialogue, REPLIES.recipientQuota);
  }
  const answer = ask(submission, transaction, line);
  if (reader.hasLine() && transaction.upstream.extensions.has('PIPELINING')) dialogue.owe(answer);
  else {
    await dialogue.settle();
    dialogue.reply(await answer);
  }
  return 'go on';
}

async function ask(submission: Submission, transaction: Transaction, line: string): Promise<string> {
  transaction.asked++;
  let isTaken = false;
  try {
    const reply = await transaction.upstream.command(line);
    isTaken = isPositive(reply);
    if (!isFinal(reply) && submission.isIntact(transaction)) submission.dropUpstream();
    return relayed(reply);
  } catch {
    if (submission.isIntact(transaction)) submission.dropUpstream();
    return REPLIES.upstreamLost;
  } finally {
    transaction.asked--;
    if (isTaken) transaction.accepted++;
    else transaction.allowance.giveBackRecipient();
  }
}

/** The command as the upstream gets it, or why it gets none. */
function rcptLine({ path, parameters }: PathArgument, { upstream, utf8 }: Transaction): string {
  if (path === '') return REPLIES.noAddress;
  if (!utf8 && !isAscii(path)) return REPLIES.needsUtf8;
  let line = `RCPT TO:<${path}>`;
  for (const [keyword, value] of parameters) {
    const form = Object.hasOwn(PARAMETERS, keyword) ? PARAMETERS[keyword] : undefined;
    if (form === undefined || !upstream.extensions.has('DSN')) return REPLIES.parameterUnknown;
    if (!form.test(value ?? '')) return REPLIES.parameterValue;
    line += ` ${keyword}=${value}`;
  }
  return line;
}

const PARAMETERS: Readonly<Record<string, RegExp>> = {
  NOTIFY: /^(NEVER|(SUCCESS|FAILURE|DELAY)(,(SUCCESS|FAILURE|DELAY)){0,2})$/i,
  ORCPT: new RegExp(`^[A-Za-z0-9-]{1,20};${XTEXT}{1,500}$`),
};

/** Answers that are owed come first. */
async function say(dialogue: Dialogue, text: string): Promise<Next> {
  await dialogue.settle();
  return dialogue.reply(text);
}

async function error(dialogue: Dialogue, text: string): Promise<Next> {
  await dialogue.settle();
  return dialogue.replyError(text);
}
