// AUTHENTICATE (RFC 3501 §6.2.2) with PLAIN and LOGIN, with and without an initial response (SASL-IR, RFC 4959).
//
//   C: a AUTHENTICATE PLAIN                      C: a AUTHENTICATE LOGIN
//   S: +                                         S: + VXNlcm5hbWU6
//   C: AGFsaWNlAHNlY3JldA==                      C: YWxpY2U=
//                                                S: + UGFzc3dvcmQ6
//                                                C: c2VjcmV0

import { Secret } from '../../../lib/secret.ts';
import { decodePlain, LOGIN_PROMPTS, MAX_SASL_OCTETS, readAnswer } from '../../sasl.ts';
import { attemptLogin } from '../admission.ts';
import type { Dialogue, Next } from '../dialogue.ts';
import { REPLIES } from '../replies.ts';
import type { Decoder } from '../wire.ts';

/** What the client answered, or what to do instead. */
type Heard = { readonly text: string } | { readonly next: Next };

export async function authenticate(dialogue: Dialogue, tag: string, decoder: Decoder): Promise<Next> {
  if (dialogue.connection.tls === null) return dialogue.reply(tag, REPLIES.privacyRequired);
  const mechanism = decoder.space() ? decoder.atom()?.toUpperCase() : undefined;
  // An initial response is never empty (RFC 4959 §3 has "=" for that): nothing behind the space is none.
  const initial = (decoder.space() && decoder.rest()) || undefined;
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
  const heard = initial === undefined ? await ask(dialogue, tag, '') : take(dialogue, tag, initial);
  if ('next' in heard) return heard.next;
  return attemptLogin(dialogue, tag, decodePlain(heard.text));
}

async function loginMechanism(dialogue: Dialogue, tag: string, initial: string | undefined): Promise<Next> {
  const name =
    initial === undefined ? await ask(dialogue, tag, LOGIN_PROMPTS.username) : take(dialogue, tag, initial);
  if ('next' in name) return name.next;
  const password = await ask(dialogue, tag, LOGIN_PROMPTS.password);
  if ('next' in password) return password.next;
  return attemptLogin(dialogue, tag, { login: name.text, secret: new Secret(password.text) });
}

async function ask(dialogue: Dialogue, tag: string, challenge: string): Promise<Heard> {
  dialogue.write(`+ ${challenge}`);
  const frame = await dialogue.reader.textLine(MAX_SASL_OCTETS);
  if (frame.kind === 'ended')
    return { next: frame.why === 'closed' ? dialogue.hangUp() : dialogue.goodbye(frame.why) };
  if (frame.kind !== 'complete') return { next: dialogue.goodbye('lineTooLong') };
  return take(dialogue, tag, frame.bytes.toString('latin1'));
}

function take(dialogue: Dialogue, tag: string, line: string): Heard {
  const answer = readAnswer(line);
  switch (answer.kind) {
    case 'text':
      return answer;
    case 'cancelled':
      return { next: dialogue.reply(tag, REPLIES.cancelled) };
    case 'too long':
    case 'bad base64':
      return { next: dialogue.reply(tag, REPLIES.badBase64) };
  }
}
