// StartTLS (RFC 4511 §4.14, RFC 4513 §3.1).

import type { Dialogue } from './dialogue.ts';
import { isAnswerable, refuse } from './operations.ts';
import { encodeResult } from './responses.ts';
import { type Envelope, OID, OP, RESULT } from './wire.ts';

/** undefined: it was refused. */
export function startTls(dialogue: Dialogue, envelope: Envelope): Promise<void> | undefined {
  const { connection, bound } = dialogue;
  if (connection.tls !== null) {
    refuse(dialogue, envelope, 'tlsOn');
  } else if (connection.tlsMode !== 'starttls') {
    refuse(dialogue, envelope, 'unknownExtension');
  } else if (bound !== undefined) {
    // Nobody is bound without TLS where there is StartTLS; and whoever is must not go on as that behind it.
    refuse(dialogue, envelope, 'tlsNotNow');
  } else if (isAnswerable(dialogue, envelope)) {
    const answer = encodeResult(envelope.messageId, OP.extendedResponse, RESULT.success, {
      oid: OID.startTls,
    });
    return dialogue.startTls(answer);
  }
  return undefined;
}
