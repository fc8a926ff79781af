// Config → what could be written to get it: for `print-config`. Secrets stay `Secret`, which every writer prints as a
// placeholder.

import { isIPv6 } from 'node:net';
import type { Config, GuessLimit, HostPort, RedisConfig, UpstreamConfig } from './config.ts';

/** Plain values in the shape of the file, every default spelt out, secrets as a placeholder. */
export function renderConfig(config: Config): Record<string, unknown> {
  return escapeVariables(shapeOf(config)) as Record<string, unknown>;
}

/** What looks like a variable by now was meant literally. */
function escapeVariables(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('${', '$$$${');
  if (Array.isArray(value)) return value.map(escapeVariables);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, escapeVariables(child)]));
}

function shapeOf(config: Config): Record<string, unknown> {
  const { store, keys, control, tls, limits, appPasswords, throttle, admin } = config;
  return {
    hostname: config.hostname,
    store,
    keys,
    ...(config.redis && { redis: renderRedis(config.redis) }),
    control,
    ...(tls && { tls }),
    users: {
      ...(config.users.defaultDomain !== null && { defaultDomain: config.users.defaultDomain }),
      netbiosDomains: config.users.netbiosDomains,
    },
    listeners: config.listeners.map((listener) => ({
      name: listener.name,
      protocol: listener.protocol,
      address: hostPort(listener),
      tls: listener.tls,
      ...(listener.tls === 'none' && { passwordsInClear: 'accepted' }),
      proxyProtocol: listener.proxyProtocol,
    })),
    limits: {
      ...limits,
      loginDeadline: duration(limits.loginDeadline),
      idle: duration(limits.idle),
      drain: duration(limits.drain),
    },
    upstreams: Object.fromEntries(
      Object.entries(config.upstreams).map(([name, upstream]) => [name, renderUpstream(upstream)]),
    ),
    routes: config.routes,
    appPasswords: { ...appPasswords, remember: duration(appPasswords.remember) },
    throttle: {
      ...throttle,
      failureDelay: duration(throttle.failureDelay),
      attempts: { most: throttle.attempts.most, window: duration(throttle.attempts.window) },
      network: renderLimit(throttle.network),
      networkAndUser: renderLimit(throttle.networkAndUser),
    },
    ...(admin && { admin: { address: hostPort(admin) } }),
    log: config.log,
  };
}

function renderRedis(redis: RedisConfig): Record<string, unknown> {
  const { username, password, ca, prefix } = redis;
  const user = username === null ? '' : `${encodeURIComponent(username)}@`;
  return {
    url: `${redis.tls ? 'rediss' : 'redis'}://${user}${hostPort(redis)}/${redis.db}`,
    ...(password !== null && { password: password.toJSON() }),
    ...(ca !== null && { ca }),
    prefix,
    timeout: duration(redis.timeout),
  };
}

function renderUpstream(upstream: UpstreamConfig): Record<string, unknown> {
  const { ca, serverName, fingerprint, login } = upstream;
  return {
    protocol: upstream.protocol,
    address: upstream.addresses.map(hostPort),
    tls: upstream.tls,
    ...(ca !== null && { ca }),
    ...(serverName !== null && { serverName }),
    ...(fingerprint !== null && { fingerprint }),
    login: { ...login, ...('password' in login && { password: login.password.toJSON() }) },
    connectDeadline: duration(upstream.connectDeadline),
    loginDeadline: duration(upstream.loginDeadline),
    proxyProtocol: upstream.proxyProtocol,
    sendClientAddress: upstream.sendClientAddress,
    ...(upstream.protocol === 'imap' && { acceptUnauthenticate: upstream.acceptUnauthenticate }),
  };
}

function renderLimit({ distinct, window, block }: GuessLimit): Record<string, unknown> {
  return { distinct, window: duration(window), block: duration(block) };
}

function hostPort({ host, port }: HostPort): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** In the largest unit that divides it. */
function duration(milliseconds: number): string {
  for (const [unit, length] of UNITS) {
    if (milliseconds > 0 && milliseconds % length === 0) return `${milliseconds / length}${unit}`;
  }
  return `${milliseconds}ms`;
}
