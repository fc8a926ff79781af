// Config → what could be written to get it: for `print-config`. Secrets stay `Secret`, which every writer prints as a
// placeholder.

import { isIPv6 } from 'node:net';
import type {
  Config,
  DirectoryConfig,
  GuessLimit,
  HostPort,
  LdapUpstreamConfig,
  NameDirectoryConfig,
  NotifyConfig,
  PortalConfig,
  RedisConfig,
  UpstreamConfig,
} from './config.ts';

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
      dnTemplates: config.users.dnTemplates.map(({ text }) => text),
      dns: config.users.dns,
      ...(config.users.directory && { directory: renderNameDirectory(config.users.directory) }),
    },
    listeners: config.listeners.map((listener) => ({
      name: listener.name,
      protocol: listener.protocol,
      address: hostPort(listener),
      tls: listener.tls,
      ...(listener.tls === 'none' && { passwordsInClear: 'accepted' }),
      proxyProtocol: listener.proxyProtocol,
      ...(listener.authEquals && { authEquals: true }),
      ...(listener.publicAddress && { publicAddress: hostPort(listener.publicAddress) }),
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
    routes: config.routes.map(({ submission, directory, ...route }) => ({
      ...route,
      ...(submission && { submission: { ...submission, maxSize: size(submission.maxSize) } }),
      ...(directory && { directory: renderDirectory(directory) }),
    })),
    appPasswords: { ...appPasswords, remember: duration(appPasswords.remember) },
    ldap: config.ldap,
    throttle: {
      ...throttle,
      failureDelay: duration(throttle.failureDelay),
      attempts: { most: throttle.attempts.most, window: duration(throttle.attempts.window) },
      network: renderLimit(throttle.network),
      networkAndUser: renderLimit(throttle.networkAndUser),
    },
    ...(config.portal && { portal: renderPortal(config.portal) }),
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

function renderPortal(portal: PortalConfig): Record<string, unknown> {
  const { host, port, oidc, tls, who, admins, maxLifetime, help, notify, ...rest } = portal;
  const { clientSecret, userDomain, ca } = oidc;
  return {
    address: hostPort({ host, port }),
    ...rest,
    ...(tls && { tls }),
    oidc: {
      issuer: oidc.issuer,
      clientId: oidc.clientId,
      ...(clientSecret !== null && { clientSecret: clientSecret.toJSON() }),
      clientAuthentication: oidc.clientAuthentication,
      scopes: oidc.scopes,
      userClaim: oidc.userClaim,
      ...(userDomain !== null && { userDomain }),
      ...(oidc.userClaim === 'email' && { requireVerifiedEmail: oidc.requireVerifiedEmail }),
      ...(ca !== null && { ca }),
      twoStep: oidc.twoStep,
      maxAge: duration(oidc.maxAge),
      logout: oidc.logout,
      timeout: duration(oidc.timeout),
    },
    ...(who && { who }),
    ...(admins && { admins }),
    ...(maxLifetime !== null && { maxLifetime: duration(maxLifetime) }),
    sessionIdle: duration(portal.sessionIdle),
    sessionMax: duration(portal.sessionMax),
    ...(help !== null && { help }),
    ...(notify && { notify: { from: notify.from, smtp: renderSmtp(notify.smtp) } }),
  };
}

function renderSmtp({ host, port, tls, login, ca }: NotifyConfig['smtp']): Record<string, unknown> {
  return {
    host,
    port,
    tls,
    ...(login && { user: login.user, password: login.password.toJSON() }),
    ...(ca !== null && { ca }),
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
    ...(upstream.protocol === 'ldap' && renderUserEntry(upstream.userEntry)),
    ...(upstream.protocol === 'imap' && { acceptUnauthenticate: upstream.acceptUnauthenticate }),
  };
}

function renderUserEntry(entry: LdapUpstreamConfig['userEntry']): Record<string, unknown> {
  if (entry === null) return {};
  if ('template' in entry) return { userDn: entry.template.text };
  return { userSearch: { base: entry.base, filter: entry.filter.text } };
}

function renderNameDirectory(directory: NameDirectoryConfig): Record<string, unknown> {
  const { filter, timeout, remember } = directory;
  return { ...directory, filter: filter.text, timeout: duration(timeout), remember: duration(remember) };
}

function renderDirectory({ operations, maxEntries, maxTime }: DirectoryConfig): Record<string, unknown> {
  return {
    operations,
    ...(maxEntries !== null && { maxEntries }),
    ...(maxTime !== null && { maxTime: duration(maxTime) }),
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
function size(octets: number): string {
  return octets % 1_048_576 === 0 ? `${octets / 1_048_576}MiB` : `${octets / 1024}KiB`;
}

/** In the largest unit that divides it. */
function duration(milliseconds: number): string {
  for (const [unit, length] of UNITS) {
    if (milliseconds > 0 && milliseconds % length === 0) return `${milliseconds / length}${unit}`;
  }
  return `${milliseconds}ms`;
}
