// Postern as a service whose output systemd's journal reads: with a journald of the test's own, in a namespace of its own.

import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, fstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { spawnTied, stopChild, whenReady } from '../support/child-process.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', 'bin', 'postern.js');
const NAMESPACE = `postern-test-${process.pid}`;
const SOCKETS = `/run/systemd/journal.${NAMESPACE}`;

let journald: ChildProcess;
/** A journald of a namespace ends when nobody has written for half a minute. */
let company: NodeJS.Timeout;
let pki: Pki;
let dir: TempDir;

beforeAll(async () => {
  mkdirSync('/run/systemd', { recursive: true });
  // Where there is none of the system's.
  if (!existsSync('/etc/machine-id')) await promisify(execFile)('systemd-machine-id-setup');
  journald = spawnTied('/lib/systemd/systemd-journald', [NAMESPACE], { stdio: 'ignore' });
  await whenReady(journald, async () => existsSync(join(SOCKETS, 'stdout')) || undefined);
  const { socket } = await stream('company');
  company = setInterval(() => socket.write('here\n'), 5000).unref();
  pki = await createPki();
  dir = tempDir();
});
afterAll(async () => {
  clearInterval(company);
  if (journald !== undefined) await stopChild(journald, 'SIGTERM');
  rmSync(SOCKETS, { recursive: true, force: true });
  await promisify(execFile)('sh', [
    '-c',
    `rm -rf /run/log/journal/*.${NAMESPACE} /var/log/journal/*.${NAMESPACE}`,
  ]);
  pki?.[Symbol.dispose]();
  dir?.[Symbol.dispose]();
});

/** What systemd gives a service for its output: a stream whose first lines say whose it is and at which priority (6: info). */
async function stream(identifier: string): Promise<{ socket: Socket; variable: string }> {
  const socket = connect(join(SOCKETS, 'stdout'));
  await once(socket, 'connect');
  await new Promise((resolve) => socket.write(`${identifier}\n\n6\n1\n0\n0\n0\n`, resolve));
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return { socket, variable: `${dev}:${ino}` };
}

async function serve(identifier: string, configFile: string, journalStream?: string): Promise<ChildProcess> {
  const { socket, variable } = await stream(identifier);
  const child = spawnTied(process.execPath, [PROGRAM, 'serve', '--config', configFile], {
    env: { ...process.env, JOURNAL_STREAM: journalStream ?? variable },
    stdio: ['ignore', socket, socket],
  });
  socket.destroy();
  return child;
}

async function config(key?: string): Promise<string> {
  const certificate = await pki.issue();
  const file = join(mkdtempSync(join(dir.path, 'postern-')), 'postern.yaml');
  writeFileSync(
    file,
    `hostname: localhost
store: { url: "sqlite:./postern.db" }
keys: { file: ./keys.json }
control: { socket: ./control.sock }
tls: { certificate: "${certificate.certFile}", key: "${key ?? certificate.keyFile}" }
listeners:
  - { name: l, protocol: imap, address: "127.0.0.1:0", tls: starttls }
upstreams:
  u: { protocol: imap, address: "127.0.0.1:1", tls: none, login: { method: plain, user: x, password: "none" } }
routes:
  - { users: "*", imap: u }
`,
    { mode: 0o600 },
  );
  return file;
}

/** What the journal has of it, oldest first: as it shows it, and its priority. */
async function journal(identifier: string, ...options: string[]) {
  const query = [`--namespace=${NAMESPACE}`, '-t', identifier, '-o', 'json', '--no-pager', ...options];
  const { stdout } = await promisify(execFile)('journalctl', query);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { MESSAGE: string; PRIORITY: string });
}

/** The events among them. */
const events = (lines: readonly { MESSAGE: string }[]) =>
  lines.map(({ MESSAGE }) => JSON.parse(MESSAGE).event);

const patience = { timeout: 30_000, interval: 100 };

test('-p err has the errors and nothing else, and every line is the JSON that it is elsewhere', async () => {
  const file = await config();
  const child = await serve('service', file);
  await expect.poll(async () => events(await journal('service')), patience).toContain('ready');
  writeFileSync(file, 'nothing: 1\n', { mode: 0o600 });
  child.kill('SIGHUP');
  await expect.poll(async () => events(await journal('service')), patience).toContain('reload_failed');
  await stopChild(child, 'SIGTERM');
  await expect.poll(async () => events(await journal('service')), patience).toContain('stopped');
  expect(new Set(events(await journal('service', '-p', 'err')))).toEqual(new Set(['reload_failed']));
  const ready = (await journal('service')).find(({ MESSAGE }) => MESSAGE.includes('"ready"'));
  expect(ready).toMatchObject({ PRIORITY: '6', MESSAGE: expect.stringMatching(/^\{"level":"info",/) });
});

test('what keeps it from starting is an error, a line for each reason', async () => {
  const file = await config(join(dir.path, 'no-such-key.pem'));
  const child = await serve('broken', file);
  await once(child, 'exit');
  await expect
    .poll(() => journal('broken', '-p', 'err'), patience)
    .toMatchObject([{ PRIORITY: '3', MESSAGE: expect.stringContaining('tls.key: cannot be read') }]);
});

test('where the variable is another stream’s, as in a shell of a service, nothing is put before a line', async () => {
  const child = await serve('elsewhere', await config(), '1:2');
  await expect.poll(async () => events(await journal('elsewhere')), patience).toContain('ready');
  await stopChild(child, 'SIGTERM');
  for (const { PRIORITY } of await journal('elsewhere')) expect(PRIORITY).toBe('6');
});
