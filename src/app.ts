// The composition root: from a config to a running Postern. Nobody else knows who depends on whom.

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { startControl } from './admin/control.ts';
import { startAdmin } from './admin/http.ts';
import type { Config, UpstreamConfig } from './config/config.ts';
import { createEvents, type Events } from './events.ts';
import { Gate } from './gate/gate.ts';
import { Parking } from './gate/parking.ts';
import { RememberedVerifications } from './gate/remembered.ts';
import { Uses } from './gate/uses.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import { ConfigError } from './lib/errors.ts';
import { createLog, type Log } from './lib/log.ts';
import { Metrics } from './lib/metrics.ts';
import { connectionsFor, openFilesLimit } from './listen/file-descriptors.ts';
import { ConnectionLimits } from './listen/limits.ts';
import { Listener, type ProtocolServer } from './listen/listener.ts';
import { loadServerTls, type ServerTls } from './listen/tls.ts';
import { openKeys } from './passwords/keys-file.ts';
import { createPasswords } from './passwords/service.ts';
import { Verifier } from './passwords/verifier.ts';
import { createImapServer } from './protocols/imap/session.ts';
import type { ImapUpstream } from './protocols/imap/upstream.ts';
import { LiveSessions } from './sessions/live-sessions.ts';
import { openStore } from './store/open.ts';
import type { Store } from './store/store.ts';
import { startThrottle } from './throttle/start.ts';
import type { Throttle } from './throttle/throttle.ts';
import { addressText } from './upstream/target.ts';

export interface AppOverrides {
  readonly clock?: Clock;
  readonly log?: Log;
  readonly version?: string;
}

export interface App extends AsyncDisposable {
  /** The ports that listeners got, by name; the admin server's as `admin`. */
  readonly ports: Readonly<Record<string, number>>;
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
/** For the last bytes to leave, in milliseconds. */
const LAST_WORDS = 200;

/**
 * Starts everything; resolves when every listener accepts. Rejects with ConfigError for what the admin has to mend, having
 * stopped what it had started.
 */
export async function createApp(config: Config, overrides: AppOverrides = {}): Promise<App> {
  await using started = new AsyncDisposableStack();
  const { clock = systemClock, log = createLog(config.log.level), version = 'unknown' } = overrides;
  const metrics = new Metrics().withProcessMetrics();
  const events = createEvents({ log, metrics });

  const store = started.use(await openStore(config.store.url, { clock }));
  const sessions = started.use(new LiveSessions({ store, clock, events, perUser: config.limits.perUser }));
  const { redis, throttle: settings } = config;
  const limits = started.use(await startThrottle({ settings, redis, clock, events }));
  const { gate, verifier, parking, purge } = await createGate(config, store, limits.throttle, events, clock);
  started.use(parking);
  started.defer(() => clearInterval(purge));

  const serverTls = config.tls === null ? undefined : await loadServerTls(config.tls);
  if (serverTls !== undefined) events.certificateLoaded(serverTls.expiresAt);
  const imap = createImapServer({
    gate,
    upstreams: await imapUpstreams(config, events),
    sessions,
    events,
    clock,
    attemptsPerConnection: config.limits.attemptsPerConnection,
    idle: config.limits.idle,
  });

  const control = await startControl(config.control.socket, { sessions, limits });
  started.defer(() => closeServer(control));
  let status = 'starting';
  const ports: Record<string, number> = {};
  if (config.admin !== null) {
    const admin = await startAdmin(config.admin, {
      metrics,
      beforeScrape: () => events.verificationQueue(verifier.length),
      readiness: () => ({
        ready: status === 'ready',
        status: status === 'ready' && limits.sharing === 'degraded' ? 'degraded' : status,
      }),
    }).catch(cannotListen('admin.address', config.admin));
    started.defer(() => closeServer(admin.server));
    ports.admin = admin.port;
  }

  const listeners = await startListeners(config, { imap, events, serverTls, ports, started });
  status = 'ready';
  events.ready(version, process.version);
  const everything = started.move();

  return {
    ports,
    async drain() {
      status = 'draining';
      events.draining(sessions.size, config.limits.drain);
      for (const listener of listeners) listener.close();
      await Promise.race([allEnded(listeners, sessions), pause(config.limits.drain)]);
      const cut = sessions.end('all', 'shutdown');
      for (const listener of listeners) listener.dropBeforeLogin();
      if (cut > 0) await pause(LAST_WORDS);
      await everything.disposeAsync();
      events.stopped(cut);
      return cut;
    },
    async [Symbol.asyncDispose]() {
      status = 'draining';
      for (const listener of listeners) {
        listener.close();
        listener.dropBeforeLogin();
      }
      sessions.end('all', 'shutdown');
      await everything.disposeAsync();
    },
  };
}

async function createGate(config: Config, store: Store, throttle: Throttle, events: Events, clock: Clock) {
  const keys = await openKeys({ file: config.keys.file, store });
  const { hash, maxPerUser, remember } = config.appPasswords;
  const { parked, parkedPerNetwork, failureDelay } = config.throttle;
  const verifier = new Verifier({ ...hash, onVerified: events.passwordVerified });
  const parking = new Parking({ total: parked, perNetwork: parkedPerNetwork }, clock);
  const gate = new Gate({
    names: config.users,
    routes: config.routes,
    store,
    keys,
    verifier,
    hash,
    throttle,
    remembered: new RememberedVerifications(remember, clock),
    uses: new Uses(store, clock, (error) => events.storeFailed('last use', error)),
    parking,
    failureDelay,
    clock,
    events,
  });
  const passwords = createPasswords({ store, keys, hash, clock, limits: { maxPerUser } });
  const purge = setInterval(() => {
    passwords.purge().catch((error: unknown) => events.storeFailed('purge', error));
  }, PURGE_INTERVAL);
  purge.unref();
  return { gate, verifier, parking, purge };
}

async function imapUpstreams(config: Config, events: Events): Promise<Map<string, ImapUpstream>> {
  const upstreams = new Map<string, ImapUpstream>();
  for (const [name, upstream] of Object.entries(config.upstreams)) {
    upstreams.set(name, {
      ...upstream,
      ca: await readAuthorities(upstream),
      onConnected: (_address, seconds) => events.upstreamConnected(name, seconds),
      onFailed: (address, error) => events.upstreamFailed(name, addressText(address), error.message),
    });
  }
  return upstreams;
}

async function readAuthorities({ name, ca }: UpstreamConfig): Promise<string | null> {
  if (ca === null) return null;
  try {
    return await readFile(ca, 'utf8');
  } catch (error) {
    throw new ConfigError(
      `upstreams.${name}.ca: cannot read ${ca}: ${(error as NodeJS.ErrnoException).code}`,
    );
  }
}

async function startListeners(
  config: Config,
  deps: {
    imap: ProtocolServer;
    events: Events;
    serverTls: ServerTls | undefined;
    ports: Record<string, number>;
    started: AsyncDisposableStack;
  },
): Promise<Listener[]> {
  const { imap, events, serverTls, ports, started } = deps;
  const fileDescriptors = connectionsFor(openFilesLimit());
  if (fileDescriptors < config.limits.connections) {
    events.fewFileDescriptors(fileDescriptors, config.limits.connections);
  }
  const { connections, perNetwork, beforeLogin } = config.limits;
  const limits = new ConnectionLimits({ connections, perNetwork, beforeLogin, fileDescriptors });
  const listeners: Listener[] = [];
  for (const settings of config.listeners) {
    if (serverTls === undefined) throw new ConfigError(`listener ${settings.name}: there is no tls section`);
    const { loginDeadline } = config.limits;
    const listener = new Listener(settings, {
      limits,
      terms: () => ({ serverTls, protocol: imap, loginDeadline }),
      events,
      proxyHeaderDeadline: PROXY_HEADER_DEADLINE,
      newId: () => randomBytes(9).toString('base64url'),
    });
    await listener.listen().catch(cannotListen(`listener ${settings.name}`, settings));
    started.defer(() => listener.close());
    ports[settings.name] = listener.port;
    listeners.push(listener);
    events.listening(settings.name, settings.host, listener.port);
  }
  return listeners;
}

function cannotListen(
  key: string,
  { host, port }: { host: string; port: number },
): (error: unknown) => never {
  const words: Record<string, string> = {
    EADDRINUSE: 'the port is taken by another process',
    EACCES: 'ports below 1024 need CAP_NET_BIND_SERVICE',
    EADDRNOTAVAIL: 'this machine does not have that address',
  };
  return (error) => {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ConfigError(`${key}: cannot listen on ${host} port ${port}: ${words[code] ?? code}`);
  };
}

async function allEnded(listeners: readonly Listener[], sessions: LiveSessions): Promise<void> {
  while (listeners.some((listener) => listener.beforeLogin > 0)) await pause(50);
  await sessions.empty();
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
