// The admin server: /metrics, /livez, /readyz, and nothing else.

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startAdmin } from '../../../src/admin/http.ts';
import { createMetrics } from '../../../src/events.ts';
import { parseMetrics } from '../../support/metrics-text.ts';

let readiness = { ready: true, status: 'ready' };
let scrapes = 0;
const acceptErrors: Error[] = [];
let admin: Awaited<ReturnType<typeof startAdmin>>;
const metrics = createMetrics();

beforeEach(async () => {
  readiness = { ready: true, status: 'ready' };
  scrapes = 0;
  admin = await startAdmin(
    { host: '127.0.0.1', port: 0 },
    {
      metrics,
      beforeScrape: () => {
        scrapes += 1;
      },
      readiness: () => readiness,
      onAcceptFailed: (error) => acceptErrors.push(error),
    },
  );
});
afterEach(() => {
  admin.server.closeAllConnections();
  admin.server.close();
});

const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${admin.port}${path}`, init);

test('/livez', async () => {
  readiness = { ready: false, status: 'draining' };
  const response = await ask('/livez');
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ status: 'alive' });
});

test('/readyz says whether, and in a word why not', async () => {
  const yes = await ask('/readyz');
  expect([yes.status, await yes.json()]).toEqual([200, { status: 'ready' }]);
  readiness = { ready: false, status: 'draining' };
  const no = await ask('/readyz?verbose');
  expect([no.status, await no.json()]).toEqual([503, { status: 'draining' }]);
  expect(no.headers.get('cache-control')).toBe('no-store');
});

test('/metrics is the text format, and gauges are brought up to date before it', async () => {
  const response = await ask('/metrics');
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(parseMetrics(await response.text()).has('postern_logins_total')).toBe(true);
  expect(scrapes).toBe(1);
});

describe('anything else', () => {
  test.each([
    '/',
    '/metrics/',
    '/metricsx',
    '/../metrics/..',
    '//livez',
    '/livez%00',
    '/debug/pprof',
    `/${'x'.repeat(8000)}`,
  ])('%s is 404', async (path) => {
    expect((await ask(path)).status).toBe(404);
  });

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s is 405', async (method) => {
    expect((await ask('/metrics', { method })).status).toBe(405);
  });

  test('HEAD is GET without the body', async () => {
    const response = await ask('/livez', { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
  });

  test.each([
    ['no HTTP', '\x16\x03\x01\x02\x00'],
    ['headers without an end', `GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(50_000)}`],
    ['a header of a megabyte', `GET / HTTP/1.1\r\nHost: ${'x'.repeat(1_000_000)}\r\n\r\n`],
  ])('%s ends that connection only', async (_, bytes) => {
    const heard = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(admin.port, '127.0.0.1', () => socket.write(bytes));
      socket.on('data', (chunk) => (text += chunk));
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
    });
    expect(heard).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
    expect((await ask('/livez')).status).toBe(200);
  });
});

test('connections that send no request do not keep probes out', async () => {
  const silent = Array.from({ length: 100 }, () => connect(admin.port, '127.0.0.1').on('error', () => {}));
  await Promise.all(silent.map((socket) => once(socket, 'connect')));
  for (let n = 0; n < 5; n++) expect((await ask('/livez')).status).toBe(200);
  for (const socket of silent) socket.destroy();
});

test('a connection that cannot be accepted ends nothing, the first as little as the second', async () => {
  const errors = ['EMFILE', 'ENOMEM'].map((code) => Object.assign(new Error(`accept ${code}`), { code }));
  for (const error of errors) admin.server.emit('error', error);
  expect(acceptErrors).toEqual(errors);
  expect((await ask('/livez')).status).toBe(200);
});

test('a port that is taken is the system error', async () => {
  const deps = { metrics, beforeScrape: () => {}, readiness: () => readiness, onAcceptFailed: () => {} };
  await expect(startAdmin({ host: '127.0.0.1', port: admin.port }, deps)).rejects.toMatchObject({
    code: 'EADDRINUSE',
  });
});
