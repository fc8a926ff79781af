// Checked values → Config: paths become absolute, secrets `Secret`, absent things null.

import { dirname, resolve } from 'node:path';
import { dnKey, parseDn } from '../lib/distinguished-name.ts';
import { parseFilter } from '../lib/search-filter.ts';
import { Secret } from '../lib/secret.ts';
import { assemblePortal } from './assemble-portal.ts';
import type {
  Config,
  FilterTemplate,
  ImapUpstreamConfig,
  LdapUpstreamConfig,
  RedisConfig,
  SmtpUpstreamConfig,
  UpstreamConfig,
} from './config.ts';
import type { ParsedConfig } from './schema.ts';
import { parseRedisUrl } from './sections/redis.ts';
import { submissionSchema } from './sections/submission.ts';

type ParsedUpstream = ParsedConfig['upstreams'][string];

/** What was read for the portal; undefined where nothing is written. */
export interface PortalSecrets {
  readonly clientSecret: Secret | undefined;
  readonly smtpPassword: Secret | undefined;
}

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
  portal: PortalSecrets | undefined,
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
      dnTemplates: users.dnTemplates,
      dns: Object.fromEntries(
        Object.entries(users.dns).map(([name, user]) => [dnKey(parseDn(name) ?? []), user]),
      ),
      directory: users.directory
        ? { ...users.directory, filter: filterTemplate(users.directory.filter) }
        : null,
    },
    listeners: listeners.map(
      ({ name, protocol, address, tls: mode, proxyProtocol, authEquals, publicAddress }) => ({
        name,
        protocol,
        ...address,
        tls: mode,
        proxyProtocol,
        ...(authEquals && { authEquals }),
        publicAddress: publicAddress ?? null,
      }),
    ),
    limits: parsed.limits,
    upstreams: Object.fromEntries(
      Object.entries(parsed.upstreams).map(([name, upstream]) => [
        name,
        assembleUpstream(name, upstream, secrets.get(name), absolute),
      ]),
    ),
    routes: routes.map(({ users: pattern, imap, smtp, submission, ldap, directory }) => ({
      users: pattern,
      ...(imap !== undefined && { imap }),
      ...(smtp !== undefined && { smtp, submission: submission ?? submissionSchema.parse({}) }),
      ...(ldap !== undefined && { ldap, directory: assembleDirectory(directory) }),
    })),
    appPasswords: parsed.appPasswords,
    ldap: parsed.ldap,
    throttle: parsed.throttle,
    portal: parsed.portal ? assemblePortal(parsed.portal, portal, absolute) : null,
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
  password: Secret | undefined,
  absolute: (path: string) => string,
): UpstreamConfig {
  const { protocol, address, ca, serverName, fingerprint, login } = upstream;
  const common = {
    name,
    addresses: Array.isArray(address) ? address : [address],
    tls: upstream.tls,
    ca: ca === undefined ? null : absolute(ca),
    serverName: serverName ?? null,
    fingerprint: fingerprint ?? null,
    connectDeadline: upstream.connectDeadline,
    loginDeadline: upstream.loginDeadline,
    proxyProtocol: upstream.proxyProtocol,
    sendClientAddress: upstream.sendClientAddress,
  };
  switch (protocol) {
    case 'imap': {
      const { acceptUnauthenticate } = upstream;
      return { ...common, protocol, login: imapLogin(login, password), acceptUnauthenticate };
    }
    case 'smtp':
      return { ...common, protocol, login: smtpLogin(login, password) };
    case 'ldap':
      return { ...common, protocol, login: ldapLogin(login, password), userEntry: userEntry(upstream) };
  }
}

type ParsedLogin = ParsedUpstream['login'];

function imapLogin(login: ParsedLogin, password: Secret | undefined): ImapUpstreamConfig['login'] {
  const { method, user, separator = '*' } = login;
  if (method === 'plain' || method === 'password') return { method, ...needed({ user, password }) };
  if (method === 'master-suffix') return { method, ...needed({ user, password }), separator };
  throw new Error(`${method} was let through`);
}

function smtpLogin(login: ParsedLogin, password: Secret | undefined): SmtpUpstreamConfig['login'] {
  const { method, user } = login;
  if (method === 'plain' || method === 'password') return { method, ...needed({ user, password }) };
  if (method === 'xclient' || method === 'none') return { method };
  throw new Error(`${method} was let through`);
}

function ldapLogin(login: ParsedLogin, password: Secret | undefined): LdapUpstreamConfig['login'] {
  const { method, dn } = login;
  if (method === 'bind' || method === 'proxied-authorization') return { method, ...needed({ dn, password }) };
  throw new Error(`${method} was let through`);
}

function userEntry({ userDn, userSearch }: ParsedUpstream): LdapUpstreamConfig['userEntry'] {
  if (userDn !== undefined) return { template: userDn };
  return userSearch ? { base: userSearch.base, filter: filterTemplate(userSearch.filter) } : null;
}

function filterTemplate(text: string): FilterTemplate {
  const filter = parseFilter(text);
  if (filter === undefined) throw new Error('a filter was let through');
  return { text, filter };
}

function assembleDirectory(
  parsed: ParsedConfig['routes'][number]['directory'],
): NonNullable<Config['routes'][number]['directory']> {
  const { operations = ['search', 'compare'], maxEntries = null, maxTime = null } = parsed ?? {};
  return { operations, maxEntries, maxTime };
}

/** The rules have seen to it that a login has what its method needs. */
function needed<T extends Record<string, unknown>>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) throw new Error(`${key} was let through`);
  }
  return values as { [K in keyof T]: Exclude<T[K], undefined> };
}
