// STARTTLS (RFC 3501 §6.2.1, RFC 2595).

import type { Dialogue, Next } from '../dialogue.ts';
import { REPLIES } from '../replies.ts';
import type { Decoder } from '../wire.ts';

export async function startTls(dialogue: Dialogue, tag: string, decoder: Decoder): Promise<Next> {
  if (!decoder.atEnd()) return dialogue.reply(tag, REPLIES.badSyntax);
  if (dialogue.connection.tls !== null) return dialogue.reply(tag, REPLIES.tlsOn);
  try {
    await dialogue.startTls(tag);
    return 'go on';
  } catch (error) {
    dialogue.deps.events.tlsFailed(dialogue.connection, error);
    dialogue.connection.socket.destroy();
    return 'over';
  }
}
