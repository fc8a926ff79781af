// What operators and orchestrators ask over HTTP: /metrics, /livez, /readyz. It has no secrets and changes nothing, but
// belongs on an address that only they reach.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Metrics } from '../lib/metrics.ts';
import { limitConnections } from '../listen/http-connections.ts';

export interface AdminDeps {
  readonly metrics: Pick<Metrics<never>, 'render'>;
  /** Brings gauges up to date that are only worth computing when somebody looks. */
  readonly beforeScrape: () => void;
  /** Whether this instance should get traffic, and in a word why not. */
  readonly readiness: () => { ready: boolean; status: string };
  /** A connection could not be accepted: the system is out of file descriptors, say. It goes on listening. */
  readonly onAcceptFailed: (error: Error) => void;
}

/** Milliseconds between two looks for connections that are past the deadlines below. */
const CHECK_INTERVAL = 1000;
const MOST_CONNECTIONS = 100;

/** Rejects with Node's error (EADDRINUSE, EACCES). */
export async function startAdmin(
  address: { host: string; port: number },
  deps: AdminDeps,
): Promise<{ server: Server; port: number }> {
  const server = createServer({ connectionsCheckingInterval: CHECK_INTERVAL });
  limitConnections(server, { most: MOST_CONNECTIONS, perNetwork: MOST_CONNECTIONS });
  server.on('request', async (request: IncomingMessage, response: ServerResponse) => {
    const { status, type, body } = await answer(request.method ?? '', request.url ?? '', deps);
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  server.requestTimeout = 10_000;
  server.headersTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, resolve);
  });
  // Without a handler it would end the process.
  server.on('error', deps.onAcceptFailed);
  const bound = server.address();
  return { server, port: typeof bound === 'object' && bound !== null ? bound.port : address.port };
}

async function answer(
  method: string,
  url: string,
  deps: AdminDeps,
): Promise<{ status: number; type: string; body: string }> {
  if (method !== 'GET' && method !== 'HEAD') return json(405, { error: 'only GET' });
  switch (url.split('?', 1)[0]) {
    case '/metrics': {
      deps.beforeScrape();
      const { body, contentType } = await deps.metrics.render();
      return { status: 200, type: contentType, body };
    }
    case '/livez':
      return json(200, { status: 'alive' });
    case '/readyz': {
      const { ready, status } = deps.readiness();
      return json(ready ? 200 : 503, { status });
    }
    default:
      return json(404, { error: 'there are /metrics, /livez and /readyz' });
  }
}

function json(status: number, body: object): { status: number; type: string; body: string } {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(body)}\n` };
}
