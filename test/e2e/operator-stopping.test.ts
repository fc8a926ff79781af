// SIGTERM: no new connections, sessions go on until the deadline, a goodbye where Postern knows where the dialogue stands.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { type Program, startProgram } from '../support/program-before-script.ts';
import type { Transcript } from '../support/transcript.ts';

const ALICE = 'alice@example.com';
let program: Program;
afterEach(() => program?.[Symbol.asyncDispose]());

const start = async (drain: string) => {
  program = await startProgram({ config: `limits: { drain: ${drain} }` });
  return program;
};

async function session(): Promise<Transcript> {
  const { password } = await program.make(ALICE);
  const client = await program.client();
  await client.send(`a LOGIN ${ALICE} ${password}\r\n`);
  await client.expectUntil('a OK …');
  return client;
}

const draining = () => program.postern.logged(/"event":"draining"/);
const events = (event: string) => program.postern.events().filter((line) => line.event === event);

/** Waits for the end, which is not that of a drain of ten minutes; gives the exit code. */
async function exit(): Promise<number | null> {
  // A signal that says nothing to a process that runs: this only waits.
  return (await program.postern.stop('SIGCONT')).code;
}

test('nobody is there: it ends at once, with 0', async () => {
  await start('10m');
  expect(await program.postern.stop('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(events('stopped')).toMatchObject([{ sessionsCut: 0 }]);
});

test('a session goes on, new connections are refused, readiness says no; when it ends by itself, so does Postern', async () => {
  await start('10m');
  await using client = await session();
  expect(await program.postern.status('/readyz')).toBe(200);
  program.postern.signal('SIGTERM');
  await draining();
  expect(await program.postern.status('/readyz')).toBe(503);
  expect(await program.postern.status('/livez')).toBe(200);
  await expect(program.client()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await client.send('b NOOP\r\n');
  await client.expect('b OK done');
  expect(await program.postern.cli(['sessions', 'list'])).toMatchObject({ code: 0 });
  expect((await program.postern.cli(['healthcheck'])).code).toBe(69);
  await client.send('c LOGOUT\r\n');
  await client.expectUntil('c OK done');
  await client.closed();
  expect(await exit()).toBe(0);
  expect(events('session')).toMatchObject([{ reason: 'upstream_closed' }]);
  expect(events('stopped')).toMatchObject([{ sessionsCut: 0 }]);
});

test('a revocation still ends a session while it drains', async () => {
  await start('10m');
  await using client = await session();
  program.postern.signal('SIGTERM');
  await draining();
  expect((await program.postern.cli(['password', 'revoke', '--user', ALICE, '--all'])).code).toBe(0);
  await client.closed();
  expect(await exit()).toBe(0);
});

test('past limits.drain a session is cut, without a word into its stream', async () => {
  await start('1s');
  await using client = await session();
  const from = performance.now();
  program.postern.signal('SIGTERM');
  await client.closed();
  // Node counts a timer from the start of the loop's turn, which on a busy machine is a while before.
  expect(performance.now() - from).toBeGreaterThan(500);
  expect(await exit()).toBe(0);
  expect(events('session')).toMatchObject([{ reason: 'shutdown' }]);
  expect(events('stopped')).toMatchObject([{ sessionsCut: 1 }]);
});

test('a second signal ends it at once', async () => {
  await start('10m');
  await using client = await session();
  program.postern.signal('SIGTERM');
  await draining();
  program.postern.signal('SIGTERM');
  await client.closed();
  expect(await exit()).toBe(0);
  expect(events('session')).toMatchObject([{ reason: 'shutdown' }]);
});

test('SIGINT is the same', async () => {
  await start('10m');
  expect(await program.postern.stop('SIGINT')).toEqual({ code: 0, signal: null });
});

test('before login clients hear a goodbye, on both listeners', async () => {
  await start('10m');
  await using tls = await program.client();
  await using plain = await program.client({ port: program.postern.ports.imap, tls: false });
  program.postern.signal('SIGTERM');
  for (const client of [tls, plain]) {
    await client.expect('* BYE Server is shutting down');
    await client.closed();
  }
  expect(await exit()).toBe(0);
});

test('a login that is under way is finished first', async () => {
  await start('10m');
  const { password } = await program.make(ALICE);
  let goOn = () => {};
  program.upstream.setScript({
    on: [
      [
        /^(\S+) AUTHENTICATE /,
        async (connection, [, tag]) => {
          await new Promise<void>((resolve) => {
            goOn = resolve;
          });
          connection.write(`${tag} OK [CAPABILITY IMAP4rev1] logged in\r\n`);
        },
      ],
    ],
  });
  await using client = await program.client();
  await client.send(`a LOGIN ${ALICE} ${password}\r\n`);
  await expect.poll(() => program.upstream.lines.some((line) => line.includes('AUTHENTICATE'))).toBe(true);
  program.postern.signal('SIGTERM');
  await draining();
  await client.quiet(200);
  goOn();
  await client.expectUntil('a OK …');
  await client.send('b LOGOUT\r\n');
  await client.expectUntil('b OK done');
  expect(await exit()).toBe(0);
});

test('a refusal that waits for its moment is answered, or the connection closed, and nothing is said too early', async () => {
  program = await startProgram({ config: 'throttle: { failureDelay: 1s }' });
  await using client = await program.client();
  const from = performance.now();
  await client.send(`a LOGIN ${ALICE} Summer2024!\r\n`);
  await expect.poll(async () => (await program.postern.metrics()).value('postern_connections')).toBe(1);
  program.postern.signal('SIGTERM');
  await client.expectUntil(/^(a NO \[AUTHENTICATIONFAILED\]|\* BYE)/);
  expect(performance.now() - from).toBeGreaterThan(950);
  expect(await exit()).toBe(0);
});

test('SIGUSR1 opens no debugger, which would be open to every user of the machine', async () => {
  await start('10m');
  const listening = () => tcpListeners(program.postern.pid);
  const before = listening();
  expect(before.length).toBeGreaterThanOrEqual(3);
  program.postern.signal('SIGUSR1');
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(listening()).toEqual(before);
  expect(await program.postern.status('/livez')).toBe(200);
  expect(program.postern.log()).not.toMatch(/debugger/i);
});

/** The inodes of the sockets on which a process listens (proc(5)). */
function tcpListeners(pid: number): string[] {
  const LISTEN = '0A';
  const rows = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').trim().split('\n').slice(1);
  const inodes = new Set(
    rows
      .map((row) => row.trim().split(/\s+/))
      .filter((cells) => cells[3] === LISTEN)
      .map((cells) => `socket:[${cells[9]}]`),
  );
  return readdirSync(`/proc/${pid}/fd`)
    .map((name) => readlinkSync(`/proc/${pid}/fd/${name}`))
    .filter((target) => inodes.has(target))
    .sort();
}
