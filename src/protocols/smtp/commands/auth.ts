// AUTH (RFC 4954 §4) with PLAIN and LOGIN, both with and without an initial response: scanners send the user name inline.
//
//   C: AUTH PLAIN                      C: AUTH LOGIN
//   S: 334                             S: 334 VXNlcm5hbWU6
//   C: AGFsaWNlAHNlY3JldA==            C: YWxpY2U=
//                                      S: 334 UGFzc3dvcmQ6
//                                      C: c2VjcmV0

import { Secret } from '../../../lib/secret.ts';
import { decodeBase64Text, decodePlain, LOGIN_PROMPTS, MAX_SASL_OCTETS } from '../../sasl.ts';
import { attemptLogin } from '../admission.ts';
import type { Dialogue, Next } from '../dialogue.ts';
import { REPLIES } from '../replies.ts';

/** What the client answered: text, or what to do instead. */
type Answer = { readonly text: string } | { readonly next: Next };

export async function auth(dialogue: Dialogue, rest: string): Promise<Next> {
  if (dialogue.submission !== undefined) return dialogue.replyError(REPLIES.authOnce);
  if (!dialogue.connection.mayLogIn) return dialogue.replyError(REPLIES.authNeedsTls);
  const [mechanism = '', initial, ...more] = rest.split(/[ \t]+/);
  if (mechanism === '' || more.length > 0) return dialogue.replyError(REPLIES.authArguments);
  switch (mechanism.toUpperCase()) {
    case 'PLAIN':
      return plain(dialogue, initial);
    case 'LOGIN':
      return loginMechanism(dialogue, initial);
    default:
      return dialogue.replyError(REPLIES.authMechanism);
  }
}

async function plain(dialogue: Dialogue, initial: string | undefined): Promise<Next> {
  const answer = initial === undefined ? await ask(dialogue, '') : decode(dialogue, initial);
  if ('next' in answer) return answer.next;
  const credentials = decodePlain(answer.text);
  if (credentials === undefined) return dialogue.replyError(REPLIES.authCharacters);
  const { authorizationId, login, secret } = credentials;
  if (authorizationId !== '' && authorizationId !== login) return dialogue.replyError(REPLIES.authOther);
  return attemptLogin(dialogue, login, secret);
}

async function loginMechanism(dialogue: Dialogue, initial: string | undefined): Promise<Next> {
  const name =
    initial === undefined ? await ask(dialogue, LOGIN_PROMPTS.username) : decode(dialogue, initial);
  if ('next' in name) return name.next;
  const password = await ask(dialogue, LOGIN_PROMPTS.password);
  if ('next' in password) return password.next;
  return attemptLogin(dialogue, name.text, new Secret(password.text));
}

async function ask(dialogue: Dialogue, challenge: string): Promise<Answer> {
  dialogue.reply(`334 ${challenge}`);
  await dialogue.flush();
  const line = await dialogue.inbox.line();
  if (line.kind === 'ended')
    return { next: line.why === 'closed' ? dialogue.hangUp() : dialogue.goodbye(line.why) };
  if (line.kind === 'endless') return { next: dialogue.close(REPLIES.authTooLong) };
  if (line.kind === 'too long' || line.bytes.length > MAX_SASL_OCTETS)
    return { next: dialogue.replyError(REPLIES.authTooLong) };
  return decode(dialogue, line.bytes.toString('latin1').trim());
}

/** `*` cancels, and `=` is an initial response that is empty (RFC 4954 §4). */
function decode(dialogue: Dialogue, line: string): Answer {
  if (line === '*') return { next: dialogue.replyError(REPLIES.authCancelled) };
  if (line.length > MAX_SASL_OCTETS) return { next: dialogue.replyError(REPLIES.authTooLong) };
  const text = line === '=' ? '' : decodeBase64Text(line);
  return text === undefined ? { next: dialogue.replyError(REPLIES.authBase64) } : { text };
}
