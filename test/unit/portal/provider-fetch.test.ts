// How the provider is asked: over TLS that is verified, within bounds.

import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NoAnswerError, providerFetch } from '../../../src/portal/provider-fetch.ts';
import { createPki, type Pki } from '../../support/pki.ts';

let pki: Pki;
let server: Server;
let url: string;
beforeAll(async () => {
  pki = await createPki();
  const { cert, key } = await pki.issue();
  server = createServer({ cert, key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === '/never') return undefined;
      if (request.url === '/moved')
        return response.writeHead(302, { location: 'https://evil.example/' }).end();
      const said = {
        method: request.method,
        body: Buffer.concat(chunks).toString(),
        accept: request.headers.accept,
      };
      return response
        .writeHead(200, { 'content-type': 'application/json', 'x-two': ['a', 'b'] })
        .end(JSON.stringify(said));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `https://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server?.closeAllConnections();
  server?.close();
  pki?.[Symbol.dispose]();
});

const get = {
  method: 'GET',
  headers: { accept: 'application/json' },
  body: undefined,
  redirect: 'manual',
} as const;

describe('an answer', () => {
  test('comes over TLS by the authorities of the config', async () => {
    const ask = providerFetch({ ca: pki.ca.cert, timeout: 60_000 });
    const answer = await ask(`${url}/x`, get);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-two')).toBe('a, b');
    expect(await answer.json()).toEqual({ method: 'GET', body: '', accept: 'application/json' });
    const body = new URLSearchParams({ code: 'a b' });
    expect(await (await ask(`${url}/x`, { ...get, method: 'POST', body })).json()).toMatchObject({
      body: 'code=a+b',
    });
  });

  test('does not come from somebody whose certificate is not trusted', async () => {
    using stranger = await createPki();
    for (const ca of [null, stranger.ca.cert]) {
      await expect(providerFetch({ ca, timeout: 60_000 })(`${url}/x`, get)).rejects.toThrow(NoAnswerError);
    }
  });

  test('that leads elsewhere is not followed', async () => {
    expect((await providerFetch({ ca: pki.ca.cert, timeout: 60_000 })(`${url}/moved`, get)).status).toBe(302);
  });

  test('has a deadline, its body included', async () => {
    await expect(providerFetch({ ca: pki.ca.cert, timeout: 200 })(`${url}/never`, get)).rejects.toThrow(
      /within 200 ms/,
    );
    const trickle = createHttpServer((_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write(' '), 20);
      response.once('close', () => clearInterval(timer));
    });
    trickle.listen(0, '127.0.0.1');
    await once(trickle, 'listening');
    const { port } = trickle.address() as AddressInfo;
    await expect(providerFetch({ ca: null, timeout: 200 })(`http://127.0.0.1:${port}/`, get)).rejects.toThrow(
      NoAnswerError,
    );
    trickle.closeAllConnections();
    trickle.close();
  });

  test('is one of twenty at a time; the others are not waited for', async () => {
    const ask = providerFetch({ ca: pki.ca.cert, timeout: 2000 });
    const under = Array.from({ length: 20 }, () =>
      ask(`${url}/never`, get).catch((error: Error) => error.message),
    );
    await expect(ask(`${url}/x`, get)).rejects.toThrow(/too many questions/);
    expect((await Promise.all(under)).every((message) => /within 2000 ms/.test(String(message)))).toBe(true);
    expect((await ask(`${url}/x`, get)).status).toBe(200);
  });

  test('does not come from nowhere', async () => {
    await expect(providerFetch({ ca: null, timeout: 60_000 })('http://127.0.0.1:1/', get)).rejects.toThrow(
      /ECONNREFUSED/,
    );
  });
});
