// The files under /static/: kept by browsers for good under a name that changes with them, and none but those.

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assetPath, assets } from '../../../src/portal/pages/assets.ts';
import { noticePage } from '../../../src/portal/pages/notice.ts';
import { pages } from '../../../src/portal/pages/pages.ts';
import { type Site, startSite } from './harness.ts';

let site: Site;
beforeAll(async () => {
  site = await startSite(undefined, { pages: { pages, assets, noticePage } });
});
afterAll(() => site?.[Symbol.asyncDispose]());

/** As it is: `fetch` would put the path straight. */
async function ask(path: string): Promise<string> {
  const { hostname, port, host } = new URL(site.url);
  const socket = connect(Number(port), hostname);
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString('latin1');
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  await once(socket, 'close');
  return heard;
}

test.each([
  ['portal.css', 'text/css'],
  ['portal.js', 'application/javascript'],
  ['icon.svg', 'image/svg+xml'],
])('%s may be kept for a year, and has the headers of any answer', async (name, type) => {
  expect(assetPath(name)).toMatch(new RegExp(`^/static/${name}\\?v=[\\w-]{12}$`));
  const answer = await fetch(`${site.url}${assetPath(name)}`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toContain(type);
  expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(answer.headers.get('set-cookie')).toBeNull();
});

describe('there is nothing else', () => {
  test.each([
    '/static',
    '/static/',
    '/static/.',
    '/static/../server.ts',
    '/static/..%2fserver.ts',
    '/static/%2e%2e/server.ts',
    '/static/%2e%2e%2fserver.ts',
    '/static/..%5cserver.ts',
    '/static/..\\server.ts',
    '/static/%252e%252e%252fserver.ts',
    '/static//etc/passwd',
    '/static/portal.css/../../server.ts',
    '/static/portal.css%00',
    '/static/portal.css/',
    '//static/portal.css',
    'http://127.0.0.1/static/../server.ts',
  ])('at %s', async (path) => {
    const answer = await ask(path);
    expect(answer).toMatch(/^HTTP\/1\.1 (?:400|404|302) /);
    expect(answer).toMatch(/^cache-control: no-store\r$/im);
    expect(answer).not.toMatch(/import |root:|--ink|location: (?!\/sign-in\?return=%2F\r)/);
  });
});
