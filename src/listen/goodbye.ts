// Closing a connection politely.

import type { Socket } from 'node:net';

/** How long a client that was told goodbye has to take it, in milliseconds. */
const GRACE = 1000;

/** Says goodbye and closes, by force if the client does not take it. */
export function closeWith(socket: Socket, text: string | Buffer): void {
  if (socket.destroyed) return;
  socket.end(text);
  // What the client still sends is read and dropped: closing over unread bytes would be a reset, and lose the goodbye.
  socket.resume();
  const force = setTimeout(() => socket.destroy(), GRACE);
  socket.once('close', () => clearTimeout(force));
}
