// AUTH (RFC 4954 §4) with PLAIN and LOGIN, both with and without an initial response: scanners send the user name inline.
//
//   C: AUTH PLAIN                      C: AUTH LOGIN
//   S: 334                             S: 334 VXNlcm5hbWU6
//   C: AGFsaWNlAHNlY3JldA==            C: YWxpY2U=
//                                      S: 334 UGFzc3dvcmQ6
//                                      C: c2VjcmV0

import { Secret } from '../../../lib/secret.ts';
import { decodePlain, LOGIN_PROMPTS, readAnswer } from '../../sasl.ts';
import { attemptLogin } from '../admission.ts';
import type { Dialogue, Next } from '../dialogue.ts';
import { REPLIES } from '../replies.ts';

/** What the client answered, or what to do instead. */
type Heard = { readonly text: string } | { readonly next: Next };

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
  const heard = initial === undefined ? await ask(dialogue, '') : take(dialogue, initial);
  return 'next' in heard ? heard.next : attemptLogin(dialogue, decodePlain(heard.text));
}

async function loginMechanism(dialogue: Dialogue, initial: string | undefined): Promise<Next> {
  const name = initial === undefined ? await ask(dialogue, LOGIN_PROMPTS.username) : take(dialogue, initial);
  if ('next' in name) return name.next;
  const password = await ask(dialogue, LOGIN_PROMPTS.password);
  if ('next' in password) return password.next;
  return attemptLogin(dialogue, { login: name.text, secret: new Secret(password.text) });
}

async function ask(dialogue: Dialogue, challenge: string): Promise<Heard> {
  dialogue.reply(`334 ${challenge}`);
  await dialogue.flush();
  const line = await dialogue.reader.line();
  if (line.kind === 'ended')
    return { next: line.why === 'closed' ? dialogue.hangUp() : dialogue.goodbye(line.why) };
  if (line.kind === 'endless') return { next: dialogue.close(REPLIES.authTooLong) };
  if (line.kind === 'too long') return { next: dialogue.replyError(REPLIES.authTooLong) };
  return take(dialogue, line.bytes.toString('latin1'));
}

function take(dialogue: Dialogue, line: string): Heard {
  const answer = readAnswer(line);
  return answer.kind === 'text' ? answer : { next: dialogue.replyError(NO_ANSWER[answer.kind]) };
}

const NO_ANSWER = {
  cancelled: REPLIES.authCancelled,
  'too long': REPLIES.authTooLong,
  'bad base64': REPLIES.authBase64,
} as const;
