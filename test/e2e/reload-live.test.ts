// Reloads, good and bad, and new certificates, under 200 live sessions and logins that never cease: none is lost.

import { X509Certificate } from 'node:crypto';
import { copyFileSync } from 'node:fs';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Certificate } from '../support/pki.ts';
import { type Program, startProgram } from '../support/program-before-script.ts';
import { editConfig, reload, reloadWith } from '../support/reload.ts';
import { connect, type Transcript } from '../support/transcript.ts';

const SESSIONS = 200;
const CLIENTS = 4;

let program: Program;
let account: { user: string; password: string };
const sessions: Transcript[] = [];
beforeAll(async () => {
  program = await startProgram({
    config: `
limits: { perNetwork: 1000, perUser: 1000, beforeLogin: 1000 }
appPasswords: { hash: { memoryKiB: 7168, passes: 1 } }
`,
  });
  const user = 'alice@example.com';
  account = { user, password: (await program.make(user)).password };
  while (sessions.length < SESSIONS) {
    sessions.push(...(await Promise.all(Array.from({ length: 20 }, startSession))));
  }
});
afterAll(async () => {
  for (const session of sessions) await session[Symbol.asyncDispose]();
  await program?.[Symbol.asyncDispose]();
});

async function startSession(): Promise<Transcript> {
  const client = await connect({
    port: program.postern.ports.imaps,
    tls: true,
    ca: program.pki.ca.cert,
  });
  await client.expect('* OK [CAPABILITY …');
  await client.send(`a LOGIN ${account.user} ${account.password}\r\n`);
  await client.expectUntil('a OK …');
  return client;
}

/** Logs in again and again until it is stopped; counts what came of it. */
function keepLoggingIn(): { stop(): Promise<{ logins: number; failed: string[] }> } {
  let isStopped = false;
  let logins = 0;
  const failed: string[] = [];
  const client = async () => {
    while (!isStopped) {
      try {
        const session = await startSession();
        await session.send('b NOOP\r\n');
        await session.expect('b OK done');
        await session[Symbol.asyncDispose]();
        logins++;
      } catch (error) {
        failed.push((error as Error).message);
      }
    }
  };
  const clients = Promise.all(Array.from({ length: CLIENTS }, client));
  return {
    async stop() {
      isStopped = true;
      await clients;
      return { logins, failed };
    },
  };
}

/** The certificate that new connections are shown. */
function shown(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connectTls(
      {
        port: program.postern.ports.imaps,
        host: '127.0.0.1',
        servername: 'localhost',
        ca: program.pki.ca.cert,
      },
      () => {
        resolve(socket.getPeerX509Certificate()!.fingerprint256);
        socket.destroy();
      },
    );
    socket.once('error', reject);
  });
}
const of = ({ cert }: Certificate) => new X509Certificate(cert).fingerprint256;

test('no session is cut and no login fails', async () => {
  const { postern, pki } = program;
  const [second, third] = [await pki.issue(), await pki.issue()];
  const traffic = keepLoggingIn();

  // A broken file, then the right one.
  editConfig(postern, (config) => {
    config.routes[0].imap = 'nowhere';
  });
  expect(await reload(postern)).toMatchObject({ event: 'reload_failed' });
  await reloadWith(postern, (config) => {
    config.routes[0].imap = 'script';
  });
  expect(await shown()).toBe(of(program.certificate));

  // A new certificate, in other files, by a reload.
  await reloadWith(postern, (config) => {
    config.tls = { certificate: second.certFile, key: second.keyFile };
  });
  expect(await shown()).toBe(of(second));

  // Another one, in the same files, without a signal: first the certificate, and the key some looks later.
  copyFileSync(third.certFile, second.certFile);
  await postern.logged(/"event":"certificate_unusable"/);
  expect(await shown()).toBe(of(second));
  copyFileSync(third.keyFile, second.keyFile);
  await expect.poll(shown).toBe(of(third));

  // Reloads in a row while all that goes on.
  for (let n = 0; n < 10; n++) {
    await reloadWith(postern, (config) => {
      config.limits.attemptsPerConnection = 3 + n;
    });
  }

  const { logins, failed } = await traffic.stop();
  expect(failed).toEqual([]);
  expect(logins).toBeGreaterThan(50);
  await Promise.all(
    sessions.map(async (session) => {
      await session.send('b NOOP\r\n');
      await session.expect('b OK done');
    }),
  );
  const metrics = await postern.metrics();
  expect(metrics.value('postern_sessions')).toBe(SESSIONS);
  expect(metrics.value('postern_logins_total')).toBe(
    metrics.value('postern_logins_total', { verdict: 'admitted' }),
  );
  expect(metrics.value('postern_logins_total')).toBe(SESSIONS + logins);
  expect(metrics.value('postern_tls_certificate_expiry_timestamp_seconds')).toBe(
    Date.parse(new X509Certificate(third.cert).validTo) / 1000,
  );
  expect(postern.events().filter(({ event }) => event === 'certificate_unusable')).toHaveLength(1);
  expect(postern.events().filter(({ event }) => event === 'internal_error')).toEqual([]);
});

test('a certificate that has expired is taken, and said to be', async () => {
  const expired = await program.pki.issue({ expired: true });
  await reloadWith(program.postern, (config) => {
    config.tls = { certificate: expired.certFile, key: expired.keyFile };
  });
  const loaded = program.postern.events().filter(({ event }) => event === 'certificate_loaded');
  expect(loaded.at(-1)).toMatchObject({ level: 'warn', fingerprint: of(expired) });
  await expect(startSession()).rejects.toThrow(/expired/);
});
