// LOGIN (RFC 3501 §6.2.3): `tag LOGIN userid password`, each an atom, a quoted string or a literal.

import { Secret } from '../../../lib/secret.ts';
import { attemptLogin } from '../admission.ts';
import type { Dialogue, Next } from '../dialogue.ts';
import { REPLIES } from '../replies.ts';
import type { Decoder } from '../wire.ts';

export async function login(dialogue: Dialogue, tag: string, decoder: Decoder): Promise<Next> {
  if (dialogue.connection.tls === null) return dialogue.reply(tag, REPLIES.privacyRequired);
  const name = decoder.space() ? decoder.astring() : undefined;
  const password = decoder.space() ? decoder.astring() : undefined;
  if (name === undefined || password === undefined || !decoder.atEnd())
    return dialogue.reply(tag, REPLIES.badSyntax);
  return attemptLogin(dialogue, tag, { login: name, secret: new Secret(password) });
}
