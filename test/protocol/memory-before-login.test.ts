// What a stranger can make Postern hold for one connection before login: the figures of docs/operations.md, "Under attack". Measured as
// what many connections that hold as much as they can have more than as many that are idle, after a collection.

import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/ports.ts';
import { type PosternInProcess, startPosternInProcess } from '../support/postern-in-process.ts';
import { pki } from './postern-before-script.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const CONNECTIONS = 150;

let postern: PosternInProcess;
let ca: string;
beforeAll(async () => {
  const authority = await pki();
  ca = authority.ca.cert;
  const nowhere = `127.0.0.1:${await freePort()}`;
  const listener = (protocol: string, tls: string) => ({
    name: `${protocol}-${tls}`,
    protocol,
    address: '127.0.0.1:0',
    tls,
  });
  postern = await startPosternInProcess(await authority.issue(), {
    listeners: ['imap', 'smtp', 'ldap'].flatMap((protocol) => [
      listener(protocol, 'starttls'),
      listener(protocol, 'implicit'),
    ]),
    upstreams: {
      imap: {
        protocol: 'imap',
        address: nowhere,
        tls: 'none',
        login: { method: 'plain', user: 'x', password: 'not used' },
      },
      smtp: { protocol: 'smtp', address: nowhere, tls: 'none', login: { method: 'none' } },
      ldap: {
        protocol: 'ldap',
        address: nowhere,
        tls: 'none',
        login: { method: 'bind', dn: 'cn=x', password: 'not used' },
        userDn: 'uid={local},dc=x',
      },
    },
    routes: [{ users: '*', imap: 'imap', smtp: 'smtp', ldap: 'ldap' }],
    limits: { loginDeadline: '10m', perNetwork: 1000 },
  });
});
afterAll(() => postern?.[Symbol.asyncDispose]());

/** Octets that this process holds, in V8's heap and outside of it. */
async function held(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collect();
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
  }
  return least;
}

async function open(listener: string): Promise<Socket> {
  const port = postern.ports[listener] as number;
  const socket = listener.endsWith('implicit')
    ? connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca })
    : connectTcp({ port, host: '127.0.0.1' });
  socket.on('error', () => {}).resume();
  await new Promise((resolve) =>
    socket.once(listener.endsWith('implicit') ? 'secureConnect' : 'connect', resolve),
  );
  return socket;
}

const pairs = (count: number) =>
  Array.from({ length: count }, (_, n) => `"key ${n}" "${'v'.repeat(1024)}"`).join(' ');
/** An LDAP message of so many octets, less its last. */
const message = (octets: number) =>
  Buffer.concat([
    Buffer.from([0x30, 0x83, octets >> 16, (octets >> 8) & 0xff, octets & 0xff]),
    Buffer.alloc(octets - 1),
  ]);

/** The most that documents say, in KiB, and what comes near to it. */
const WORST: Record<string, { most: number; says: readonly (string | Buffer)[] }> = {
  'imap-starttls': { most: 40, says: [`a ID (${pairs(30)})\r\n`, `b ID (${pairs(32)}`] },
  'imap-implicit': { most: 80, says: [`a ID (${pairs(30)})\r\n`, `b ID ("k" "${'v'.repeat(65_000)}`] },
  'smtp-starttls': { most: 20, says: [`EHLO ${'x'.repeat(400)}\r\n`, `AUTH PLAIN ${'A'.repeat(12_200)}`] },
  'smtp-implicit': { most: 20, says: [`EHLO ${'x'.repeat(400)}\r\n`, `AUTH PLAIN ${'A'.repeat(12_200)}`] },
  'ldap-starttls': { most: 20, says: [message(16_000)] },
  'ldap-implicit': { most: 80, says: [message(65_000)] },
};

test('a message for which there is no use before TLS is not waited for: LDAP', async () => {
  const socket = await open('ldap-starttls');
  socket.write(message(20_000).subarray(0, 10));
  await new Promise((resolve) => socket.once('close', resolve));
});

test('nor an ID of which nothing would be kept: IMAP', async () => {
  const socket = await open('imap-starttls');
  socket.write(`a ID ("k" "${'v'.repeat(36_000)}`);
  await new Promise((resolve) => socket.once('close', resolve));
});

describe.each(Object.keys(WORST))('%s', (listener) => {
  const { most, says } = WORST[listener] as (typeof WORST)[string];

  test(`holds ${most} KiB at most for a client that has not logged in`, async () => {
    const sockets: Socket[] = [];
    try {
      for (let n = 0; n < CONNECTIONS; n++) sockets.push(await open(listener));
      const idle = await held();
      for (const words of says) {
        await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.write(words, resolve))));
        // All of it is in the kernel's hands; what Postern has of it shows when no more comes.
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      const least = Buffer.byteLength(says.at(-1) as string) / 2;
      const each = async () => ((await held()) - idle) / CONNECTIONS;
      await expect.poll(each).toBeLessThan(most * 1024);
      // It does hold what is not whole yet: or nothing would be measured here.
      await expect.poll(each).toBeGreaterThan(least);
      expect(sockets.filter((socket) => socket.destroyed)).toEqual([]);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  test('and that is what the documents say', () => {
    const operations = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8');
    const [protocol, tls] = listener.split('-');
    const row = new RegExp(`^\\| ${protocol?.toUpperCase()} \\| (\\d+) KiB \\| (\\d+) KiB \\|`, 'm').exec(
      operations,
    );
    expect(Number(row?.[tls === 'starttls' ? 1 : 2])).toBe(most);
  });
});
