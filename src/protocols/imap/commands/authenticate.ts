// AUTHENTICATE (RFC 3501 §6.2.2) with PLAIN and LOGIN, with and without an initial response (SASL-IR, RFC 4959).
//
//   C: a AUTHENTICATE PLAIN                      C: a AUTHENTICATE LOGIN
//   S: +                                         S: + VXNlcm5hbWU6
//   C: AGFsaWNlAHNlY3JldA==                      C: YWxpY2U=
//                                                S: + UGFzc3dvcmQ6
//                                                C: c2VjcmV0

import { Secret } from '../../../lib/secret.ts';
import { decodeBase64Text, decodePlain, LOGIN_PROMPTS, MAX_SASL_OCTETS } from '../../sasl.ts';
import { attemptLogin } from '../admission.ts';
import type { Dialogue, Next } from '../dialogue.ts';
import { REPLIES } from '../replies.ts';
import type { Decoder } from '../wire.ts';

/** What the client answered: text, or what to do instead. */
type Answer = { readonly text: string } | { readonly next: Next };

export async function authenticate(dialogue: Dialogue, tag: string, decoder: Decoder): Promise<Next> {
  if (dialogue.connection.tls === null) return dialogue.reply(tag, REPLIES.privacyRequired);
  const mechanism = decoder.space() ? decoder.atom()?.toUpperCase() : undefined;
  const initial = decoder.space() ? decoder.rest() : undefined;
  if (mechanism === undefined || !decoder.atEnd()) return dialogue.reply(tag, REPLIES.badSyntax);
  switch (mechanism) {
    case 'PLAIN':
      return plain(dialogue, tag, initial);
    case 'LOGIN':
      return loginMechanism(dialogue, tag, initial);
    default:
      return dialogue.reply(tag, REPLIES.mechanismUnknown);
  }
}

async function plain(dialogue: Dialogue, tag: string, initial: string | undefined): Promise<Next> {
  const answer = initial === undefined ? await ask(dialogue, tag, '') : decode(dialogue, tag, initial);
  if ('next' in answer) return answer.next;
  const credentials = decodePlain(answer.text);
  if (credentials === undefined) return dialogue.reply(tag, REPLIES.badCredentials);
  const { authorizationId, login, secret } = credentials;
  if (authorizationId !== '' && authorizationId !== login)
    return dialogue.reply(tag, REPLIES.authorizationFailed);
  return attemptLogin(dialogue, tag, login, secret);
}

async function loginMechanism(dialogue: Dialogue, tag: string, initial: string | undefined): Promise<Next> {
  const name =
    initial === undefined ? await ask(dialogue, tag, LOGIN_PROMPTS.username) : decode(dialogue, tag, initial);
  if ('next' in name) return name.next;
  const password = await ask(dialogue, tag, LOGIN_PROMPTS.password);
  if ('next' in password) return password.next;
  return attemptLogin(dialogue, tag, name.text, new Secret(password.text));
}

async function ask(dialogue: Dialogue, tag: string, challenge: string): Promise<Answer> {
  dialogue.write(`+ ${challenge}`);
  const frame = await dialogue.inbox.textLine(MAX_SASL_OCTETS);
  if (frame.kind === 'ended')
    return { next: frame.why === 'closed' ? dialogue.hangUp() : dialogue.goodbye(frame.why) };
  if (frame.kind !== 'complete') return { next: dialogue.goodbye('lineTooLong') };
  return decode(dialogue, tag, frame.bytes.toString('latin1'));
}

/** `*` cancels (RFC 3501 §6.2.2); `=` is an initial response that is empty (RFC 4959 §3). */
function decode(dialogue: Dialogue, tag: string, line: string): Answer {
  if (line === '*') return { next: dialogue.reply(tag, REPLIES.cancelled) };
  const text = line === '=' ? '' : decodeBase64Text(line);
  return text === undefined ? { next: dialogue.reply(tag, REPLIES.badBase64) } : { text };
}
