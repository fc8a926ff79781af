// Who has said half a line, half a message or half a ClientHello has said nothing: where there is no place left, the next one gets theirs.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../support/ports.ts';
import { type PosternInProcess, startPosternInProcess } from '../support/postern-in-process.ts';
import { pki } from './postern-before-script.ts';

let postern: PosternInProcess;
beforeAll(async () => {
  const nowhere = `127.0.0.1:${await freePort()}`;
  const at = (protocol: string, tls: string) => ({
    name: `${protocol}-${tls}`,
    protocol,
    address: '127.0.0.1:0',
    tls,
  });
  postern = await startPosternInProcess(await (await pki()).issue(), {
    listeners: [
      at('imap', 'starttls'),
      at('imap', 'implicit'),
      at('smtp', 'starttls'),
      at('ldap', 'starttls'),
    ],
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
    limits: { beforeLogin: 2 },
  });
});
afterAll(() => postern?.[Symbol.asyncDispose]());

/** RFC 4511 §4.14. */
const START_TLS = Buffer.concat([
  Buffer.from([0x30, 0x1d, 2, 1, 1, 0x77, 0x18, 0x80, 0x16]),
  Buffer.from('1.3.6.1.4.1.1466.20037'),
]);

async function open(listener: string, localAddress: string, bytes: string | Buffer): Promise<Socket> {
  const socket = connect({ port: postern.ports[listener] as number, host: '127.0.0.1', localAddress });
  socket.on('error', () => {}).resume();
  await once(socket, 'connect');
  if (bytes.length > 0) socket.write(bytes);
  // What it said has come when the next one is accepted: one process, one event loop.
  await new Promise((resolve) => setTimeout(resolve, 100));
  return socket;
}

test.each([
  ['imap-starttls', 'a NOOP', 'a NOOP\r\n'],
  ['smtp-starttls', 'EHLO x', 'EHLO x\r\n'],
  ['ldap-starttls', START_TLS.subarray(0, -1), Buffer.concat([START_TLS.subarray(0, -1), Buffer.from('8')])],
  ['imap-implicit', '\x16\x03\x01\x02\x00\x01\x00', undefined],
] as const)('%s', async (listener, half, whole) => {
  const first = await open(listener, '127.20.0.1', half);
  const second = await open(listener, '127.21.0.1', whole ?? half);
  const third = await open(listener, '127.22.0.1', '');
  await expect.poll(() => first.destroyed).toBe(true);
  expect([second.destroyed, third.destroyed]).toEqual([false, false]);
  for (const socket of [second, third]) socket.destroy();
  await postern.metricIs(0, 'postern_connections', { listener });
});
