// The servers: the control socket, the admin server, the portal, and the listeners, which come last.

import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import { startControl } from '../admin/control.ts';
import { startAdmin } from '../admin/http.ts';
import type { Events } from '../events.ts';
import { ConfigError } from '../lib/errors.ts';
import type { Metrics } from '../lib/metrics.ts';
import { cannotListen, ListenerSet } from '../listen/listener-set.ts';
import type { Passwords } from '../passwords/service.ts';
import type { Portal } from '../portal/server.ts';
import type { PortalTerms } from '../portal/terms.ts';
import type { InForce } from './in-force.ts';
import type { Lasting } from './lasting.ts';

/** For a balancer's PROXY header, in milliseconds: it is sent at once, but may have to be sent again (proxy-protocol.txt §2). */
const PROXY_HEADER_DEADLINE = 5_000;

export interface ServersDeps {
  readonly inForce: InForce;
  readonly lasting: Lasting;
  readonly passwords: Passwords;
  readonly events: Events;
  readonly metrics: Pick<Metrics<never>, 'render'>;
  readonly status: () => 'starting' | 'ready' | 'draining';
}

export interface Servers {
  /** By the listeners' names; the admin server's as `admin`, the portal's as `portal`. */
  readonly ports: Readonly<Record<string, number>>;
  readonly listeners: ListenerSet;
  readonly portal: Portal | undefined;
}

/** Resolves when every listener accepts. Rejects with ConfigError for what the admin has to mend. */
export async function startServers(deps: ServersDeps, started: AsyncDisposableStack): Promise<Servers> {
  await startControlSocket(deps, started);
  const admin = await startAdminServer(deps, started);
  const portal = await startPortalServer(deps, started);
  const listeners = await startListeners(deps, started);
  return {
    get ports() {
      return { ...(admin && { admin }), ...(portal && { portal: portal.port }), ...listeners.ports };
    },
    listeners,
    portal,
  };
}

async function startControlSocket(deps: ServersDeps, started: AsyncDisposableStack) {
  const { inForce, lasting, events } = deps;
  const { sessions, limits, audit } = lasting;
  const control = await startControl(inForce.config.control.socket, {
    readiness: () => readiness(deps),
    sessions,
    limits,
    audit: (deed) => audit.record({ ...deed, by: 'cli', from: null }),
    onAcceptFailed: (error) => events.acceptFailed('control', error),
  });
  started.defer(() => closeServer(control));
}

/** Whether this process should get connections, and in a word why not. */
function readiness({ lasting, status }: ServersDeps): { ready: boolean; status: string } {
  const isReady = status() === 'ready';
  const isDegraded = isReady && lasting.limits.sharing === 'degraded';
  return { ready: isReady, status: isDegraded ? 'degraded' : status() };
}

/** Its port; undefined if there is to be none. */
async function startAdminServer(
  deps: ServersDeps,
  started: AsyncDisposableStack,
): Promise<number | undefined> {
  const { inForce, lasting, metrics, events } = deps;
  const { admin: address } = inForce.config;
  if (address === null) return undefined;
  const { gate, connections } = lasting;
  const admin = await startAdmin(address, {
    metrics,
    beforeScrape() {
      events.verificationQueue(gate.verifier.length);
      events.connectionsBeforeLogin(connections.beforeLogin);
    },
    readiness: () => readiness(deps),
    onAcceptFailed: (error) => events.acceptFailed('admin', error),
  }).catch((error: unknown) => {
    throw new ConfigError(cannotListen('admin.address', address, error));
  });
  started.defer(() => closeServer(admin.server));
  return admin.port;
}

async function startPortalServer(
  { inForce, lasting: { gate, sessions }, passwords, events }: ServersDeps,
  started: AsyncDisposableStack,
): Promise<Portal | undefined> {
  const { portal: address } = inForce.config;
  if (address === null) return undefined;
  // Here and not above: who has no portal need not read it.
  const { startPortal } = await import('../portal/server.ts');
  const { pages } = await import('../portal/pages/pages.ts');
  const { assets } = await import('../portal/pages/assets.ts');
  const { noticePage } = await import('../portal/pages/notice.ts');
  const { store, keys, clock } = gate;
  const portal = await startPortal({
    address,
    // A reload can neither add a portal nor take it away.
    terms: () => inForce.generation.portal as PortalTerms,
    store,
    keys,
    passwords,
    sessions,
    clock,
    events,
    pages: { pages, assets, noticePage },
  }).catch((error: unknown) => {
    throw new ConfigError(cannotListen('portal.address', address, error));
  });
  started.use(portal);
  events.listening('portal', address.host, portal.port);
  return portal;
}

async function startListeners(
  { inForce, lasting: { connections: limits }, events }: ServersDeps,
  started: AsyncDisposableStack,
): Promise<ListenerSet> {
  const listeners = new ListenerSet({
    limits,
    terms: () => inForce.generation,
    events,
    proxyHeaderDeadline: PROXY_HEADER_DEADLINE,
    newId: () => randomBytes(9).toString('base64url'),
  });
  started.defer(() => listeners.close());
  (await listeners.prepare(inForce.config.listeners)).commit();
  return listeners;
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
