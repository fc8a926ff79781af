// The Received field (RFC 5321 §4.4, RFC 3848) that a route may ask for. Without it a message reaches the upstream as it came.

import type { Connection } from '../../listen/connection.ts';

/** One field, folded, with its last line end. `now` in milliseconds since the epoch. */
export function receivedField(
  { id, client, tls }: Pick<Connection, 'id' | 'client' | 'tls'>,
  hostname: string,
  user: string,
  now: number,
): Buffer {
  const address = client.address.includes(':') ? `IPv6:${client.address}` : client.address;
  const lines = [
    `Received: from [${address}]`,
    `by ${hostname} with ${tls === null ? 'ESMTPA' : 'ESMTPSA'} id ${id}`,
    // Not in ASCII it would need SMTPUTF8, which the client may not have asked for. Parentheses it cannot hold.
    ...(/^[!-~]+$/.test(user) ? [`(authenticated as ${user});`] : [';']),
    new Date(now).toUTCString().replace('GMT', '+0000'),
  ];
  return Buffer.from(`${lines.join('\r\n\t')}\r\n`);
}
