// The SMTP submission server's side (RFC 6409, 4954, 3207).

import { closeWith } from '../../listen/goodbye.ts';
import type { ProtocolServer } from '../../listen/listener.ts';
import type { SmtpDeps } from './dialogue.ts';

export function createSmtpServer(_deps: SmtpDeps): ProtocolServer {
  return {
    serve: async (connection) => closeWith(connection.socket, '421 4.3.2 Not in service\r\n'),
    plaintextOnTlsPort: () => null,
  };
}
