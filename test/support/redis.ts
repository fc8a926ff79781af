// A real redis-server of a test's own: own port, nothing on disk, gone with the test. And a relay that makes it slow.

import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { spawnTied, stopChild, whenReady } from './child-process.ts';
import type { Certificate } from './pki.ts';
import { freePort } from './ports.ts';
import { newLogFile } from './run-directory.ts';
import { tempDir } from './temp-dir.ts';

export interface RedisOptions {
  /** The port to listen on, for one that takes another's place; a free one unless told. */
  readonly port?: number;
  /** Asks for this password. */
  readonly password?: string;
  /** Bytes after which it is full; it throws nothing away. */
  readonly maxmemory?: string;
  /** Speaks TLS only, with this certificate. */
  readonly certificate?: Certificate;
}

export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** The other side of a test: a client of its own. */
  readonly client: Redis;
  /** SIGSTOP: it takes connections (the kernel does) and never answers. */
  freeze(): void;
  thaw(): void;
  /** Ends it, without saving anything. */
  stop(): Promise<void>;
}

export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const dir = tempDir(0o755);
  const port = options.port ?? (await freePort());
  const { password, maxmemory, certificate } = options;
  // Passwords go in by stdin: arguments can be read by everybody.
  const config = [
    'bind 127.0.0.1',
    certificate ? `port 0\ntls-port ${port}` : `port ${port}`,
    ...(certificate
      ? [
          `tls-cert-file ${certificate.certFile}`,
          `tls-key-file ${certificate.keyFile}`,
          `tls-ca-cert-file ${certificate.certFile}`,
          'tls-auth-clients no',
        ]
      : []),
    `dir ${dir.path}`,
    'save ""',
    'enable-debug-command local',
    'maxmemory-policy noeviction',
    ...(maxmemory === undefined ? [] : [`maxmemory ${maxmemory}`]),
    ...(password === undefined ? [] : [`requirepass "${password}"`]),
  ].join('\n');
  const log = openSync(newLogFile('redis'), 'a');
  const child = spawnTied('redis-server', ['-'], { cwd: dir.path, stdio: ['pipe', log, log] });
  closeSync(log);
  child.stdin?.end(`${config}\n`);

  const client = new Redis({
    host: '127.0.0.1',
    port,
    ...(password === undefined ? {} : { password }),
    ...(certificate ? { tls: { rejectUnauthorized: false } } : {}),
    lazyConnect: true,
    protocol: 2,
    retryStrategy: () => 50,
  });
  client.on('error', () => {});
  const stop = async () => {
    client.disconnect();
    child.kill('SIGCONT');
    await stopChild(child, 'SIGKILL');
  };
  const dispose = async () => {
    await stop();
    dir[Symbol.dispose]();
  };
  try {
    await whenReady(child, () => client.ping().catch(() => undefined));
  } catch (error) {
    await dispose();
    throw new Error(`redis-server did not start: ${(error as Error).message}`);
  }
  return {
    port,
    pid: child.pid!,
    client,
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    stop,
    [Symbol.asyncDispose]: dispose,
  };
}

export interface Relay extends AsyncDisposable {
  readonly port: number;
  /** Milliseconds that each piece of an answer is held back; 0 at first. */
  delay: number;
}

/** Stands before a server on this machine and passes everything on, answers late. */
export async function startRelay(to: number): Promise<Relay> {
  const open = new Set<Socket>();
  const relay = { delay: 0 };
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1');
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => {}).on('close', () => open.delete(socket));
    }
    near.on('data', (chunk) => far.write(chunk)).on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    far.on('data', async (chunk) => {
      if (relay.delay > 0) await pause(relay.delay);
      near.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(relay, {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
