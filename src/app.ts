// The composition root: from a config to a running Postern. Nobody else knows who depends on whom, but for generation.ts, which
// makes the part of it that a reload replaces.

import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import { startControl } from './admin/control.ts';
import { startAdmin } from './admin/http.ts';
import type { Config } from './config/config.ts';
import { needsRestart } from './config/restart.ts';
import { configWarnings } from './config/warnings.ts';
import { createEvents, createMetrics, type Events } from './events.ts';
import { ForgetRevoked } from './gate/forget-revoked.ts';
import { Parking } from './gate/parking.ts';
import { RememberedVerifications } from './gate/remembered.ts';
import { Shedding } from './gate/shedding.ts';
import { Uses } from './gate/uses.ts';
import { type Generation, makeGeneration, readConfigFiles } from './generation.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import { ConfigError } from './lib/errors.ts';
import { EventLoopWatch } from './lib/event-loop.ts';
import { createLog, type Log } from './lib/log.ts';
import { Turns } from './lib/turns.ts';
import { CertificateWatch } from './listen/certificate-watch.ts';
import { connectionsFor, openFilesLimit } from './listen/file-descriptors.ts';
import { ConnectionLimits } from './listen/limits.ts';
import { cannotListen, ListenerSet } from './listen/listener-set.ts';
import { openKeys } from './passwords/keys-file.ts';
import { createPasswords } from './passwords/service.ts';
import { Verifier } from './passwords/verifier.ts';
import { AUDIT_LIFE } from './portal/audit.ts';
import type { Portal } from './portal/server.ts';
import { PORTAL_CONNECTIONS, type PortalTerms } from './portal/terms.ts';
import { Quotas } from './protocols/smtp/quotas.ts';
import { LiveSessions } from './sessions/live-sessions.ts';
import { openStore } from './store/open.ts';
import type { Store } from './store/store.ts';
import { startQuotaCounts } from './throttle/quota-counts.ts';
import { startThrottle } from './throttle/start.ts';

export interface AppOverrides {
  readonly clock?: Clock;
  readonly log?: Log;
  readonly version?: string;
}

export interface App extends AsyncDisposable {
  /** The ports that listeners have, by name; the admin server's as `admin`, the portal's as `portal`. */
  readonly ports: Readonly<Record<string, number>>;
  /**
   * Takes another config for new connections, or changes nothing and logs why. Never rejects; one after the other if there
   * are several.
   */
  reload(load: () => Promise<Config>): Promise<void>;
  /**
   * Accepts no more, lets dialogues and sessions end by themselves until the config's `limits.drain`, ends those that are
   * left, and stops. Gives the number of sessions that had to be ended.
   */
  drain(): Promise<number>;
}

/** How often tombstones past their time are looked for, in milliseconds. */
const PURGE_INTERVAL = 3_600_000;
/** For a balancer's PROXY header, in milliseconds: it is sent at once, but may have to be sent again (proxy-protocol.txt §2). */
const PROXY_HEADER_DEADLINE = 5_000;
/** Attempts whose look-up may begin in one turn of the event loop. Measured: see docs/performance.md. */
const ATTEMPTS_PER_TURN = { most: 12, mostWithNewcomers: 2 } as const;
/** For the last bytes to leave, in milliseconds. */
const LAST_WORDS = 200;
/** For store, Redis and servers to close, in milliseconds: a store that hangs does not keep the process from ending. */
const CLOSE_DEADLINE = 800;

/**
 * Starts everything; resolves when every listener accepts. Rejects with ConfigError for what the admin has to mend, having
 * stopped what it had started.
 */
export async function createApp(config: Config, overrides: AppOverrides = {}): Promise<App> {
  await using started = new AsyncDisposableStack();
  const { clock = systemClock, log = createLog(config.log.level), version = 'unknown' } = overrides;
  const metrics = createMetrics().withProcessMetrics();
  const events = createEvents({ log, metrics });
  for (const warning of configWarnings(config)) events.configWarning(warning);

  // What lasts, whatever is reloaded.
  const store = started.use(await openStore(config.store.url, { clock, onChange: events.storeChanged }));
  const keys = await openKeys({ file: config.keys.file, store });
  const { perUser } = config.limits;
  const sessions = started.use(new LiveSessions({ store, clock, events, perUser }));
  const { redis, throttle: settings } = config;
  const limits = started.use(await startThrottle({ settings, redis, clock, events }));
  const { hash, remember } = config.appPasswords;
  const verifier = new Verifier({ ...hash, onVerified: events.passwordVerified });
  const remembered = new RememberedVerifications(remember, clock);
  const onFailed = (error: unknown) => events.storeFailed('remembered check', error);
  started.use(new ForgetRevoked({ store, remembered, onFailed }));
  const parking = started.use(new Parking(parkingBounds(config), clock));
  const uses = started.use(new Uses(store, clock, (error) => events.storeFailed('last use', error)));
  const { throttle } = limits;
  const quotas = new Quotas(started.use(await startQuotaCounts({ redis, clock })));
  const eventLoop = started.use(new EventLoopWatch({ onChange: events.overloadChanged }));
  const shedding = new Shedding(eventLoop);
  const connections = new ConnectionLimits({
    ...config.limits,
    fileDescriptors: fileDescriptors(config, events),
  });
  const turns = new Turns({ ...ATTEMPTS_PER_TURN, newcomers: () => connections.newcomers });
  const gate = { store, keys, verifier, throttle, remembered, uses, parking, shedding, turns, clock };
  const lasting = { gate, sessions, events, quotas };

  const passwords = createPasswords({
    store,
    keys,
    clock,
    // Those in force.
    get hash() {
      return generation.config.appPasswords.hash;
    },
    limits: {
      get maxPerUser() {
        return generation.config.appPasswords.maxPerUser;
      },
    },
    // It costs what a login's verification costs, so it waits in the same queue.
    runHash: (password, parameters, user) => verifier.hash(password, parameters, user),
  });
  const purge = setInterval(() => {
    const now = clock.now();
    Promise.all([passwords.purge(), purgePortal(store, generation.config, now)]).catch((error: unknown) =>
      events.storeFailed('purge', error),
    );
  }, PURGE_INTERVAL).unref();
  started.defer(() => clearInterval(purge));

  // What is in force for new connections.
  let generation: Generation = makeGeneration(config, await readConfigFiles(config), lasting);
  started.defer(() => {
    for (const { health } of generation.upstreams.values()) health[Symbol.dispose]();
    generation.smtpExtensions[Symbol.dispose]();
  });
  events.certificateLoaded(generation.serverTls, clock.now());
  const certificateWatch = started.use(
    new CertificateWatch({
      files: () => generation.config.tls,
      inForce: () => generation.serverTls,
      onChanged(serverTls) {
        generation = { ...generation, serverTls };
        events.certificateLoaded(serverTls, clock.now());
      },
      onUnusable: events.certificateUnusable,
    }),
  );

  let status: 'starting' | 'ready' | 'draining' = 'starting';
  const control = await startControl(config.control.socket, {
    sessions,
    limits,
    onAcceptFailed: (error) => events.acceptFailed('control', error),
  });
  started.defer(() => closeServer(control));
  const ports: Record<string, number> = {};
  if (config.admin !== null) {
    const { admin: address } = config;
    const admin = await startAdmin(address, {
      metrics,
      beforeScrape: () => events.verificationQueue(verifier.length),
      readiness: () => ({
        ready: status === 'ready',
        status: status === 'ready' && limits.sharing === 'degraded' ? 'degraded' : status,
      }),
      onAcceptFailed: (error) => events.acceptFailed('admin', error),
    }).catch((error: unknown) => {
      throw new ConfigError(cannotListen('admin.address', address, error));
    });
    started.defer(() => closeServer(admin.server));
    ports.admin = admin.port;
  }

  let portal: Portal | undefined;
  if (config.portal !== null) {
    const { portal: address } = config;
    const { startPortal } = await import('./portal/server.ts');
    const { pages } = await import('./portal/pages/pages.ts');
    const { assets } = await import('./portal/pages/assets.ts');
    const { noticePage } = await import('./portal/pages/notice.ts');
    portal = started.use(
      await startPortal({
        address,
        // A reload can neither add a portal nor take it away.
        terms: () => generation.portal as PortalTerms,
        store,
        keys,
        passwords,
        sessions,
        clock,
        events,
        pages: { pages, assets, noticePage },
      }).catch((error: unknown) => {
        throw new ConfigError(cannotListen('portal.address', address, error));
      }),
    );
    ports.portal = portal.port;
    events.listening('portal', address.host, portal.port);
  }

  const listeners = new ListenerSet({
    limits: connections,
    terms: () => generation,
    events,
    proxyHeaderDeadline: PROXY_HEADER_DEADLINE,
    newId: () => randomBytes(9).toString('base64url'),
  });
  started.defer(() => listeners.close());
  (await listeners.prepare(config.listeners)).commit();
  certificateWatch.start();
  status = 'ready';
  events.ready(version, process.version);
  const everything = started.move();

  /** Rejects with ConfigError, and then nothing has changed. */
  async function swap(next: Config): Promise<void> {
    const problems = needsRestart(generation.config, next);
    if (problems.length > 0) throw new ConfigError(problems);
    const files = await readConfigFiles(next);
    const change = await listeners.prepare(next.listeners);
    if (status !== 'ready') return change.abandon();
    // From here on nothing waits and nothing fails.
    const before = generation;
    generation = makeGeneration(next, files, lasting, before);
    sessions.configure(next.limits);
    connections.configure(next.limits);
    limits.configure(next.throttle);
    verifier.configure(next.appPasswords.hash);
    remembered.configure(next.appPasswords.remember);
    parking.configure(parkingBounds(next));
    if (next.log.level !== before.config.log.level) log.level = next.log.level;
    portal?.configure();
    change.commit();
    if (files.serverTls.digest !== before.serverTls.digest)
      events.certificateLoaded(files.serverTls, clock.now());
    for (const warning of configWarnings(next)) events.configWarning(warning);
    events.reloaded();
  }

  async function reload(load: () => Promise<Config>): Promise<void> {
    if (status !== 'ready') return;
    try {
      await swap(await load());
    } catch (error) {
      if (!(error instanceof ConfigError)) events.internalError('reload', error);
      events.reloadFailed(error instanceof ConfigError ? error.messages : ['internal error']);
    }
  }

  let reloading = Promise.resolve();
  const close = () => atMost(CLOSE_DEADLINE, everything.disposeAsync());
  return {
    get ports() {
      return { ...ports, ...listeners.ports };
    },
    reload(load) {
      reloading = reloading.then(() => reload(load));
      return reloading;
    },
    async drain() {
      status = 'draining';
      const { drain } = generation.config.limits;
      events.draining(sessions.size, drain);
      listeners.close();
      sessions.drain();
      await atMost(drain, allEnded(listeners, sessions));
      const cut = sessions.end('all', 'shutdown');
      if (cut > 0 || listeners.beforeLogin > 0) await pause(LAST_WORDS);
      listeners.dropBeforeLogin();
      await close();
      events.stopped(cut);
      return cut;
    },
    async [Symbol.asyncDispose]() {
      status = 'draining';
      listeners.close();
      listeners.dropBeforeLogin();
      sessions.end('all', 'shutdown');
      await close();
    },
  };
}

/** Sessions that are over, and audit records that are too old. */
function purgePortal(store: Store, { portal }: Config, now: number): Promise<number> {
  return store.purgePortal({
    seenBefore: now - (portal?.sessionIdle ?? 0),
    createdBefore: now - (portal?.sessionMax ?? 0),
    auditBefore: now - AUDIT_LIFE,
  });
}

function parkingBounds({ throttle }: Config): { total: number; perNetwork: number } {
  return { total: throttle.parked, perNetwork: throttle.parkedPerNetwork };
}

/** The connections that there are file descriptors for. */
function fileDescriptors({ limits, portal }: Config, events: Events): number {
  const openFiles = openFilesLimit();
  const browsers = portal === null ? 0 : PORTAL_CONNECTIONS;
  const most = connectionsFor(openFiles === undefined ? undefined : openFiles - browsers);
  if (most < limits.connections) events.fewFileDescriptors(most, limits.connections);
  return most;
}

async function allEnded(listeners: ListenerSet, sessions: LiveSessions): Promise<void> {
  while (listeners.beforeLogin > 0) await pause(50);
  await sessions.empty();
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Waits for `work`, and no longer than so many milliseconds. */
async function atMost(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
