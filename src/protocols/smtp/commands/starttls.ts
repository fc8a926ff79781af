// STARTTLS (RFC 3207).

import type { Dialogue, Next } from '../dialogue.ts';
import { REPLIES } from '../replies.ts';

export async function startTls(dialogue: Dialogue, rest: string): Promise<Next> {
  const { connection, deps } = dialogue;
  if (rest !== '') return dialogue.replyError(REPLIES.noArguments);
  if (connection.tls !== null) return dialogue.replyError(REPLIES.tlsOn);
  if (connection.tlsMode === 'none') return dialogue.replyError(REPLIES.noTls);
  try {
    await dialogue.startTls();
    return 'go on';
  } catch (error) {
    deps.events.tlsFailed(connection, error);
    connection.socket.destroy();
    return 'over';
  }
}
