// Checked values → Config: paths become absolute, secrets `Secret`, absent things null.

import { dirname, resolve } from 'node:path';
import { Secret } from '../lib/secret.ts';
import type { Config, RedisConfig, UpstreamConfig, UpstreamLogin } from './config.ts';
import type { ParsedConfig } from './schema.ts';
import { parseRedisUrl } from './sections/redis.ts';

type ParsedUpstream = ParsedConfig['upstreams'][string];

export interface RedisSecrets {
  readonly url: Secret;
  /** Undefined if none is written, or it is in the URL. */
  readonly password: Secret | undefined;
}

/** `file` is absolute, `secrets` holds each upstream's password by its name. */
export function assemble(
  file: string,
  parsed: ParsedConfig,
  secrets: ReadonlyMap<string, Secret>,
  redis: RedisSecrets | undefined,
): Config {
  const absolute = (path: string) => resolve(dirname(file), path);
  const { store, tls, users, listeners, routes, admin } = parsed;
  return {
    file,
    hostname: parsed.hostname,
    store: { url: `sqlite:${absolute(store.url)}` },
    keys: { file: absolute(parsed.keys.file) },
    redis: assembleRedis(parsed, redis, absolute),
    control: { socket: controlSocket(file, parsed) },
    tls: tls ? { certificate: absolute(tls.certificate), key: absolute(tls.key) } : null,
    users: {
      defaultDomain: users.defaultDomain ?? null,
      netbiosDomains: Object.fromEntries(
        Object.entries(users.netbiosDomains).map(([netbios, dns]) => [netbios.toUpperCase(), dns]),
      ),
    },
    listeners: listeners.map(({ name, protocol, address, tls: mode, proxyProtocol }) => ({
      name,
      protocol,
      ...address,
      tls: mode,
      proxyProtocol,
    })),
    limits: parsed.limits,
    upstreams: Object.fromEntries(
      Object.entries(parsed.upstreams).map(([name, upstream]) => {
        const password = secrets.get(name);
        if (!password) throw new Error(`no secret was read for upstream ${name}`);
        return [name, assembleUpstream(name, upstream, password, absolute)];
      }),
    ),
    routes: routes.map(({ users: pattern, imap }) => ({
      users: pattern,
      ...(imap !== undefined && { imap }),
    })),
    appPasswords: parsed.appPasswords,
    throttle: parsed.throttle,
    admin: admin ? admin.address : null,
    log: parsed.log,
  };
}

/** The absolute path of the control socket: by default beside the store. */
export function controlSocket(file: string, parsed: Pick<ParsedConfig, 'control' | 'store'>): string {
  const store = resolve(dirname(file), parsed.store.url);
  const { socket } = parsed.control;
  return socket === undefined ? resolve(dirname(store), 'control.sock') : resolve(dirname(file), socket);
}

function assembleRedis(
  { redis }: ParsedConfig,
  secrets: RedisSecrets | undefined,
  absolute: (path: string) => string,
): RedisConfig | null {
  if (redis === undefined) return null;
  const url = secrets && parseRedisUrl(secrets.url.reveal());
  if (!url) throw new Error('no URL was read for redis');
  return {
    ...url,
    password: url.password === null ? (secrets.password ?? null) : new Secret(url.password),
    ca: redis.ca === undefined ? null : absolute(redis.ca),
    prefix: redis.prefix,
    timeout: redis.timeout,
  };
}

function assembleUpstream(
  name: string,
  upstream: ParsedUpstream,
  password: Secret,
  absolute: (path: string) => string,
): UpstreamConfig {
  const { address, ca, serverName, fingerprint, login } = upstream;
  return {
    name,
    protocol: upstream.protocol,
    addresses: Array.isArray(address) ? address : [address],
    tls: upstream.tls,
    ca: ca === undefined ? null : absolute(ca),
    serverName: serverName ?? null,
    fingerprint: fingerprint ?? null,
    login: assembleLogin(login, password),
    connectDeadline: upstream.connectDeadline,
    loginDeadline: upstream.loginDeadline,
    proxyProtocol: upstream.proxyProtocol,
    sendClientAddress: upstream.sendClientAddress,
    acceptUnauthenticate: upstream.acceptUnauthenticate,
  };
}

function assembleLogin(login: ParsedUpstream['login'], password: Secret): UpstreamLogin {
  const { method, user } = login;
  return method === 'master-suffix'
    ? { method, user, password, separator: login.separator ?? '*' }
    : { method, user, password };
}
