// Free TCP ports on loopback, for programs that must be told theirs.

import { once } from 'node:events';
import { createServer } from 'node:net';

// Below the range that Linux takes outgoing ports from (32768 and up), so that no client connection of another test sits
// on one in the meantime, and from a part of its own for each worker process.
let next = 12_000 + (process.pid % 200) * 100;

/** A port that nothing listens on, given to nobody else in this process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = next;
    next = next === 31_999 ? 12_000 : next + 1;
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '0.0.0.0');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
