// MAIL (RFC 5321 §4.1.1.2; parameters: RFC 1870, 6152, 6531, 3461, 4954 §5). Who may send as whom is decided here, and whether there
// is room for one more message; then the upstream is asked.

import type { Dialogue, Next } from '../dialogue.ts';
import { maySendAs } from '../policy.ts';
import { isFinal, isPositive, REPLIES, relayed } from '../replies.ts';
import { refused, upstreamFailed } from '../reports.ts';
import type { Submission } from '../submission.ts';
import { type SmtpReply, UpstreamGoneError, type UpstreamSession } from '../upstream.ts';
import { isAscii, type PathArgument, parsePathArgument, XTEXT } from '../wire.ts';

export async function mail(dialogue: Dialogue, rest: string): Promise<Next> {
  const { submission, connection, deps } = dialogue;
  if (submission === undefined)
    return dialogue.replyError(connection.mayLogIn ? REPLIES.loginFirst : REPLIES.tlsFirst);
  const argument = parsePathArgument('FROM', rest);
  if (argument === undefined) return dialogue.replyError(REPLIES.mailSyntax);
  if (submission.transaction !== undefined) return dialogue.replyError(REPLIES.nested);
  const { path, parameters } = argument;
  const { policy, admitted } = submission;
  const { user } = admitted;
  if (!maySendAs(path, user, policy)) {
    refused(dialogue, submission, path === '' ? 'null_sender' : 'sender', path);
    return dialogue.reply(path === '' ? REPLIES.nullSenderNotAllowed : REPLIES.senderNotAllowed);
  }
  const size = parameters.get('SIZE');
  if (size && /^\d{1,20}$/.test(size) && Number(size) > policy.maxSize) {
    refused(dialogue, submission, 'size');
    return dialogue.reply(REPLIES.tooLarge);
  }
  const since = deps.clock.monotonic();
  const allowance = await deps.quotas.begin([
    { name: `password:${admitted.record.id}`, limits: policy.perAppPassword },
    { name: `user:${user}`, limits: policy.perUser },
  ]);
  if (allowance === undefined) {
    refused(dialogue, submission, 'message_quota');
    return dialogue.reply(REPLIES.messageQuota);
  }
  const outcome = await send(dialogue, submission, argument);
  if (typeof outcome === 'string') {
    allowance.release();
    return dialogue.reply(outcome);
  }
  const { upstream, reply } = outcome;
  if (isPositive(reply)) {
    const utf8 = parameters.has('SMTPUTF8');
    submission.transaction = { upstream, allowance, utf8, since, accepted: 0, asked: 0, isReported: false };
  } else {
    allowance.release();
    // It waits for something that it will not get, such as data.
    if (!isFinal(reply)) submission.dropUpstream();
  }
  return dialogue.reply(relayed(reply));
}

/** The upstream's answer, or what to say without one. A connection that turns out to be gone is replaced, once. */
async function send(
  dialogue: Dialogue,
  submission: Submission,
  argument: PathArgument,
): Promise<string | { upstream: UpstreamSession; reply: SmtpReply }> {
  for (let hasFailed = false; ; hasFailed = true) {
    const isNew = submission.upstream === undefined;
    let upstream: UpstreamSession;
    try {
      upstream = await submission.connected();
    } catch (error) {
      upstreamFailed(dialogue, submission, error);
      return REPLIES.upstreamUnreachable;
    }
    const line = mailLine(argument, upstream.extensions);
    if (!line.startsWith('MAIL')) return line;
    try {
      return { upstream, reply: await upstream.command(line) };
    } catch (error) {
      if (!(error instanceof UpstreamGoneError)) throw error;
      submission.dropUpstream();
      if (isNew || hasFailed || dialogue.reader.ended !== undefined) return REPLIES.upstreamLost;
    }
  }
}

/** The command as the upstream gets it, or why it gets none. */
function mailLine({ path, parameters }: PathArgument, extensions: ReadonlyMap<string, string>): string {
  let line = `MAIL FROM:<${path}>`;
  for (const [keyword, value] of parameters) {
    const parameter = value === null ? keyword : `${keyword}=${value}`;
    const rule = Object.hasOwn(PARAMETERS, keyword) ? PARAMETERS[keyword] : undefined;
    if (rule === undefined) return REPLIES.parameterUnknown;
    if (!rule.value.test(value ?? '')) return REPLIES.parameterValue;
    if (extensions.has(rule.extension)) line += rule.isOurs ? '' : ` ${parameter}`;
    else if (!rule.isOurs && !rule.droppable?.test(value ?? '')) return REPLIES.parameterUnknown;
  }
  if (!isAscii(path) && !parameters.has('SMTPUTF8')) return REPLIES.needsUtf8;
  return line;
}

interface ParameterRule {
  readonly extension: string;
  /** What the value may be; empty where there is none. */
  readonly value: RegExp;
  /** Values that mean nothing to an upstream without the extension. */
  readonly droppable?: RegExp;
  /** Never passed on: Postern's own word is what the upstream trusts. */
  readonly isOurs?: boolean;
}

const PARAMETERS: Readonly<Record<string, ParameterRule>> = {
  SIZE: { extension: 'SIZE', value: /^\d{1,20}$/, droppable: /^/ },
  BODY: { extension: '8BITMIME', value: /^(7BIT|8BITMIME)$/i, droppable: /^7BIT$/i },
  SMTPUTF8: { extension: 'SMTPUTF8', value: /^$/ },
  RET: { extension: 'DSN', value: /^(FULL|HDRS)$/i },
  ENVID: { extension: 'DSN', value: new RegExp(`^${XTEXT}{1,100}$`) },
  AUTH: { extension: 'AUTH', value: /^[!-~]{1,500}$/, isOurs: true },
};
