// Free TCP ports on loopback, for programs that must be told theirs. What is given here is nobody else's, though nothing listens
// on it yet: not in this process, and not in any other that takes its ports here, of this run or of another beside it.

import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

// Below the range that Linux takes outgoing ports from (32768 and up), so that no client connection of another test sits
// on one in the meantime.
const FIRST = 12_000;
const BLOCK = 100;
const BLOCKS = 200;

/** Whoever listens on the first port of a block has the rest of it; the kernel lets go of it when the process ends. */
const guards: Server[] = [];
// From a place of its own, so that a port rests before it is given again.
let block = (process.pid * 37) % BLOCKS;
let next = BLOCK;

/** A port that nothing listens on, given to nobody else. */
export async function freePort(): Promise<number> {
  for (;;) {
    while (next === BLOCK) await takeBlock();
    const port = FIRST + block * BLOCK + next;
    next += 1;
    if (await isFree(port)) return port;
  }
}

// One after the other, whoever asks.
let taking: Promise<void> | undefined;

function takeBlock(): Promise<void> {
  taking ??= (async () => {
    for (let tried = 0; tried < BLOCKS; tried++) {
      block = (block + 1) % BLOCKS;
      const server = await listen(FIRST + block * BLOCK);
      if (server === undefined) continue;
      // The former block stays ours: programs of this process may listen in it.
      server.unref();
      guards.push(server);
      next = 1;
      return;
    }
    throw new Error(`all blocks of ports from ${FIRST} are taken`);
  })().finally(() => {
    taking = undefined;
  });
  return taking;
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server === undefined) return false;
  server.close();
  await once(server, 'close');
  return true;
}

async function listen(port: number): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(port, '0.0.0.0');
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}
