// TCP ports on loopback: the one that is wanted, or a free one.

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** `wanted` if nothing listens there, else any free port. */
export async function choosePort(wanted: number): Promise<number> {
  return (await tryPort(wanted)) ?? (await tryPort(0)) ?? wanted;
}

async function tryPort(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}
