// `postern serve` that cannot start says why, a line for each reason, and nothing else; one that is starting can take a SIGHUP.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run, spawnTied, stopChild } from '../support/child-process.ts';
import { type Certificate, createPki, type Pki } from '../support/pki.ts';
import { freePort } from '../support/ports.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', 'bin', 'postern.js');
let pki: Pki;
let certificate: Certificate;
let dir: TempDir;
beforeAll(async () => {
  pki = await createPki();
  certificate = await pki.issue();
  dir = tempDir();
});
afterAll(() => {
  dir?.[Symbol.dispose]();
  pki?.[Symbol.dispose]();
});

interface Settings {
  readonly ports: readonly number[];
  readonly key?: string;
  readonly certificate?: Pick<Certificate, 'certFile' | 'keyFile'>;
  readonly more?: string;
}

/** A config file in a directory of its own. */
function configFile({
  ports,
  certificate: pair = certificate,
  key = pair.keyFile,
  more = '',
}: Settings): string {
  const file = join(mkdtempSync(join(dir.path, 'postern-')), 'postern.yaml');
  const listeners = ports.map(
    (port, n) => `  - { name: l${n}, protocol: imap, address: "127.0.0.1:${port}", tls: starttls }`,
  );
  writeFileSync(
    file,
    `hostname: localhost
store: { url: "sqlite:./data/postern.db" }
keys: { file: ./data/keys.json }
tls: { certificate: "${pair.certFile}", key: "${key}" }
listeners:
${listeners.join('\n')}
upstreams:
  u: { protocol: imap, address: "127.0.0.1:1", tls: none, login: { method: plain, user: x, password: "none" } }
routes:
  - { users: "*", imap: u }
${more}`,
  );
  return file;
}

const postern = (command: string, file: string) =>
  run(process.execPath, [PROGRAM, command, '--config', file]);
const serve = (file: string) => postern('serve', file);

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test('every port that is taken', async () => {
  const servers = [createServer(), createServer()];
  const ports = await Promise.all(servers.map(listening));
  const { code, stdout, stderr } = await serve(configFile({ ports: [...ports, await freePort()] }));
  for (const server of servers) server.close();
  expect(code).toBe(78);
  expect(stderr).toBe(
    ports
      .map(
        (port, n) =>
          `listener l${n}: cannot listen on 127.0.0.1 port ${port}: the port is taken by another process\n`,
      )
      .join(''),
  );
  expect(stdout).not.toContain('"event":"ready"');
  expect(stdout).not.toContain('"event":"listening"');
});

test('a key of another certificate, with its place, before anything is made', async () => {
  const { code, stdout, stderr } = await serve(
    configFile({ ports: [await freePort()], key: (await pki.issue()).keyFile }),
  );
  expect(code).toBe(78);
  expect(stderr).toMatch(/^postern\.yaml:4:\d+ tls\.key: is the key of another certificate, [^\n]*\n$/);
  expect(stdout).toBe('');
});

test('a key that is too weak for TLS, in the same words as check-config', async () => {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'weak' }], { keySize: 1024 });
  const weak = { certFile: join(dir.path, 'weak.pem'), keyFile: join(dir.path, 'weak.key') };
  writeFileSync(weak.certFile, cert);
  writeFileSync(weak.keyFile, ledger(key), { mode: 0o600 });
  const file = configFile({ ports: [await freePort()], certificate: weak });
  const says = `tls: ${weak.certFile} and ${weak.keyFile} cannot be used: ee key too small\n`;
  expect(await serve(file)).toMatchObject({ code: 78, stderr: says });
  expect(await postern('check-config', file)).toMatchObject({
    code: 78,
    stderr: expect.stringContaining(says),
  });
});

test('a keys file with other bytes under the id that app passwords name, in the same words as check-config', async () => {
  const file = configFile({ ports: [await freePort()] });
  const keysFile = join(dirname(file), 'data/keys.json');
  const create = (...args: string[]) =>
    run(process.execPath, [PROGRAM, 'password', 'create', ...args, '--config', file]);
  const made = await create('--user', 'alice@example.com', '--name', 'phone', '--json');
  ledger(JSON.parse(made.stdout).password);
  const content = JSON.parse(readFileSync(keysFile, 'utf8'));
  const right = ledger(content.keys[0].selectorKey);
  content.keys[0].selectorKey = ledger(randomBytes(32).toString('base64'));
  writeFileSync(keysFile, JSON.stringify(content));
  const says = `${keysFile}: the selectorKey of key ${content.keys[0].id} is not the one that app passwords in the store were made with, and every one of them would be refused; restore the keys file that belongs to this store from a backup\n`;
  const outcome = await serve(file);
  expect(outcome).toMatchObject({ code: 78, stderr: says });
  expect(outcome.stdout).not.toContain('"event":"ready"');
  expect(await postern('check-config', file)).toMatchObject({
    code: 78,
    stderr: expect.stringContaining(says),
  });
  // Nor is one made with them: it would be good for nothing once the right file is back.
  expect(await create('--user', 'bob@example.com', '--name', 'phone')).toMatchObject({
    code: 78,
    stdout: '',
  });
  writeFileSync(keysFile, JSON.stringify({ keys: [{ ...content.keys[0], selectorKey: right }] }));
  expect((await postern('check-config', file)).code).toBe(0);
});

test('SIGHUP during the start does not end it, and is a reload afterwards', async () => {
  // A Redis that takes connections and never answers keeps the start waiting for a while.
  const redis = createServer((socket) => socket.on('error', () => {}));
  const asked = once(redis, 'connection');
  const port = await listening(redis);
  const file = configFile({
    ports: [await freePort()],
    more: `redis: { url: "redis://127.0.0.1:${port}/0" }\n`,
  });
  const child = spawnTied(process.execPath, [PROGRAM, 'serve', '--config', file], { stdio: 'pipe' });
  let log = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    log += chunk;
  });
  await asked;
  child.kill('SIGHUP');
  await expect.poll(() => log).toContain('"event":"reloaded"');
  expect(log.indexOf('"event":"ready"')).toBeLessThan(log.indexOf('"event":"reloaded"'));
  expect(await stopChild(child)).toEqual({ code: 0, signal: null });
  redis.close();
});
