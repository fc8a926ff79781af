// A fake directory that does what a test's script says, right or wrong: for the upstreams that no real server can be made to be. What
// the script leaves out is answered as a plain server would, accepting every Bind and finding one entry of every name.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { done, elementLength, entry, type Message, readMessage, result } from './ldap-bytes.ts';

export interface DirectoryConnection {
  readonly socket: Socket;
  write(...messages: Uint8Array[]): void;
  /** Ends the connection in good order. */
  end(): void;
}

export interface Request extends Message {
  readonly bytes: Buffer;
  /** Which connection it came on, from 1. */
  readonly connection: number;
}

/** Gives true if it has dealt with the request. */
export type DirectoryScript = (
  request: Request,
  connection: DirectoryConnection,
) => boolean | undefined | Promise<boolean | undefined>;

export interface ScriptedLdapUpstream extends AsyncDisposable {
  readonly port: number;
  /** Every request of every connection so far; Postern's own login is two of them. */
  readonly requests: readonly Request[];
  readonly connections: { readonly total: number; readonly open: number };
  setScript(script: DirectoryScript): void;
  /** Those that are open. */
  readonly sockets: ReadonlySet<Socket>;
}

const RESPONSES: Record<string, number> = {
  bind: 0x61,
  modify: 0x67,
  add: 0x69,
  delete: 0x6b,
  modifyDn: 0x6d,
  compare: 0x6f,
  extended: 0x78,
};

export async function startScriptedLdapUpstream(
  script: DirectoryScript = () => false,
): Promise<ScriptedLdapUpstream> {
  let current = script;
  const requests: Request[] = [];
  const sockets = new Set<Socket>();
  let total = 0;

  const server = createServer((socket) => {
    total += 1;
    const number = total;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    const connection: DirectoryConnection = {
      socket,
      write: (...messages) => void (socket.writable && socket.write(Buffer.concat(messages))),
      end: () => void socket.end(),
    };
    let buffered = Buffer.alloc(0);
    let before = Promise.resolve();
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      for (;;) {
        const length = elementLength(buffered);
        if (length === undefined || length > buffered.length) return;
        const bytes = buffered.subarray(0, length);
        buffered = buffered.subarray(length);
        const request = { ...readMessage(bytes), bytes, connection: number };
        requests.push(request);
        before = before.then(() => answer(request, connection));
      }
    });
  });

  async function answer(request: Request, connection: DirectoryConnection): Promise<void> {
    if (await current(request, connection)) return;
    const { id, op, dn = '' } = request;
    if (op === 'unbind') connection.end();
    else if (op === 'search') connection.write(entry(id, dn, { cn: ['one'] }), done(id));
    else if (RESPONSES[op] !== undefined) connection.write(result(id, RESPONSES[op], 0));
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    sockets,
    get connections() {
      return { total, open: sockets.size };
    },
    setScript: (next) => {
      current = next;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.resetAndDestroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
