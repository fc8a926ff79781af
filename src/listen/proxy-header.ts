// Reads the PROXY header that a trusted peer has to send first.

import type { Socket } from 'node:net';
import { type ProxyHeader, type ProxyHeaderFault, ProxyHeaderParser } from './proxy-protocol.ts';

export type HeaderRefusal =
  | ProxyHeaderFault
  /** Not whole within the deadline. */
  | 'late'
  /** The peer closed or reset the connection before it was whole. */
  | 'closed'
  /** Closed without a single octet, as the plainest health checks do. */
  | 'closed_silently';

/**
 * Gives the header, or why there is none; never rejects. The socket is paused then; what came behind the header is put back
 * into it. `deadline` is in milliseconds: a trickle does not extend it. The socket's 'error' handler is the caller's.
 */
export function readProxyHeader(socket: Socket, deadline: number): Promise<ProxyHeader | HeaderRefusal> {
  const parser = new ProxyHeaderParser();
  return new Promise((resolve) => {
    const settle = (outcome: ProxyHeader | HeaderRefusal) => {
      clearTimeout(timer);
      socket.pause();
      socket.off('data', onData);
      socket.off('end', onClosed);
      socket.off('close', onClosed);
      resolve(outcome);
    };
    const onData = (chunk: Buffer) => {
      const result = parser.push(chunk);
      if (result.kind === 'more') return;
      if (result.kind === 'refused') return settle(result.fault);
      settle(result.header);
      if (result.rest.length > 0) socket.unshift(result.rest);
    };
    const onClosed = () => settle(parser.isEmpty ? 'closed_silently' : 'closed');
    const timer = setTimeout(() => settle('late'), deadline);
    socket.on('data', onData);
    socket.on('end', onClosed);
    socket.on('close', onClosed);
    if (socket.destroyed) onClosed();
  });
}
