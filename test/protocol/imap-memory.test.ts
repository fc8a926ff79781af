// How much memory strangers cost the real program, before they log in.

import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPki, type Pki } from '../support/pki.ts';
import { freePort } from '../support/ports.ts';
import { type Postern, startPostern } from '../support/postern.ts';

let pki: Pki;
let postern: Postern;
beforeAll(async () => {
  pki = await createPki();
  postern = await startPostern({
    certificate: await pki.issue(),
    config: `
upstreams:
  nobody: { protocol: imap, address: "127.0.0.1:${await freePort()}", tls: none, login: { method: plain, user: x, password: "not used here" } }
routes: [{ users: "*", imap: nobody }]
limits: { loginDeadline: 3s }
`,
  });
  // What the garbage collector lets lie about under such a load is not held, but counts the first time.
  await floods('');
});
afterAll(async () => {
  await postern[Symbol.asyncDispose]();
  pki[Symbol.dispose]();
});

/** The most that the process has ever had in memory, in MB. */
function peak(): number {
  const status = readFileSync(`/proc/${postern.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) / 1000;
}

/** Sends the same octets until it has sent so many, or is closed. */
async function flood(port: number, octets: number, beginning: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {});
  const closed = new Promise<boolean>((resolve) => socket.once('close', () => resolve(false)));
  const chunk = Buffer.alloc(65_536, 'x');
  socket.resume();
  socket.write(beginning);
  for (let sent = 0; sent < octets; sent += chunk.length) {
    const goesOn = new Promise<boolean>((resolve) => socket.write(chunk, (error) => resolve(!error)));
    if (!(await Promise.race([goesOn, closed]))) break;
  }
  return socket;
}

async function floods(beginning: string): Promise<void> {
  const sockets = await Promise.all(
    Array.from({ length: 40 }, () => flood(postern.ports.imap, 10_000_000, beginning)),
  );
  for (const socket of sockets) socket.destroy();
}

test.each([
  ['a line without an end', 'a LOGIN '],
  ['a literal without an end', 'a LOGIN {16000+}\r\n'],
  ['an ID without an end', 'a ID ('],
  ['TLS records where STARTTLS should be', '\x16\x03\x01'],
])('400 MB by 40 clients as %s are not held', async (_, beginning) => {
  const before = peak();
  await floods(beginning);
  expect(peak() - before).toBeLessThan(100);
  await expect.poll(async () => (await postern.metrics()).value('postern_connections')).toBe(0);
});

test('and Postern is well', async () => {
  expect(await postern.status('/readyz')).toBe(200);
  expect(postern.events().filter((line) => line.event === 'internal_error')).toEqual([]);
});
