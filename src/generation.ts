// A generation: all that a config says for new connections. One is made at the start, and another at each reload; it is never
// changed, and a dialogue keeps the one that it began with. What is counted, remembered or joined lasts longer than that, and
// comes in from app.ts.

import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Config, RouteConfig, UpstreamConfig } from './config/config.ts';
import { Gate, type GateDeps } from './gate/gate.ts';
import { ConfigError } from './lib/errors.ts';
import type { Terms } from './listen/listener.ts';
import { loadServerTls, type ServerTls } from './listen/tls.ts';
import type { PortalTerms } from './portal/terms.ts';
import { type PortalFiles, portalTerms, readPortalFiles } from './portal-terms.ts';
import type { ImapDeps } from './protocols/imap/dialogue.ts';
import { createImapServer } from './protocols/imap/session.ts';
import type { ImapUpstream } from './protocols/imap/upstream.ts';
import { NameDirectory, type NameDirectoryDeps } from './protocols/ldap/names.ts';
import { createLdapServer } from './protocols/ldap/session.ts';
import { type DirectoryPolicy, type LdapUpstream, openDirectory } from './protocols/ldap/upstream.ts';
import type { SmtpDeps } from './protocols/smtp/dialogue.ts';
import { LearntExtensions } from './protocols/smtp/extensions.ts';
import { createSmtpServer } from './protocols/smtp/session.ts';
import type { SmtpUpstream } from './protocols/smtp/upstream.ts';
import { UpstreamHealth } from './upstream/health.ts';
import { addressText, type UpstreamTarget } from './upstream/target.ts';

/** What outlives a generation. */
export interface Lasting {
  readonly gate: Pick<
    GateDeps,
    | 'store'
    | 'keys'
    | 'verifier'
    | 'throttle'
    | 'remembered'
    | 'uses'
    | 'parking'
    | 'shedding'
    | 'turns'
    | 'clock'
  >;
  readonly sessions: ImapDeps['sessions'];
  readonly events: ImapDeps['events'];
  readonly quotas: SmtpDeps['quotas'];
}

export interface Generation extends Terms {
  readonly config: Config;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly smtpExtensions: LearntExtensions;
  /** null: there is no portal. */
  readonly portal: PortalTerms | null;
}

type Upstream = { readonly health: UpstreamHealth } & (
  | (ImapUpstream & { readonly protocol: 'imap' })
  | (SmtpUpstream & { readonly protocol: 'smtp' })
  | (LdapUpstream & { readonly protocol: 'ldap' })
);

/** The files that a config names, read. */
export interface ConfigFiles {
  readonly serverTls: ServerTls;
  /** PEM, by upstream; null where none are configured. */
  readonly authorities: ReadonlyMap<string, string | null>;
  /** null: there is no portal. */
  readonly portal: PortalFiles | null;
}

/** Rejects with ConfigError for what cannot be read or does not fit together. */
export async function readConfigFiles(config: Config): Promise<ConfigFiles> {
  if (config.tls === null) throw new ConfigError('tls: is missing, must hold certificate and key');
  const serverTls = await loadServerTls(config.tls);
  const authorities = new Map<string, string | null>();
  for (const upstream of Object.values(config.upstreams)) {
    authorities.set(upstream.name, await readAuthorities(upstream));
  }
  const portal = config.portal === null ? null : await readPortalFiles(config.portal);
  return { serverTls, authorities, portal };
}

/** Cannot fail, so that a reload happens whole. What is known of an upstream's addresses is kept, if it is still the same. */
export function makeGeneration(
  config: Config,
  { serverTls, authorities, portal: portalFiles }: ConfigFiles,
  { gate, sessions, events, quotas }: Lasting,
  before?: Generation,
): Generation {
  const { attemptsPerConnection, idle, loginDeadline } = config.limits;
  const { clock } = gate;
  const upstreams = new Map<string, Upstream>();
  for (const [name, upstream] of Object.entries(config.upstreams)) {
    const target = { ...upstream, ca: authorities.get(name) ?? null };
    const old = before?.upstreams.get(name);
    const isSame = old !== undefined && isDeepStrictEqual(placeOf(old), placeOf(target));
    if (!isSame) old?.health[Symbol.dispose]();
    upstreams.set(name, {
      ...target,
      health: isSame ? old.health : new UpstreamHealth({ ...placeOf(target), clock, events }),
      onConnected: (_address, seconds) => events.upstreamConnected(name, seconds),
      onFailed: (address, error) => events.upstreamFailed(name, addressText(address), error.message),
    });
  }
  for (const [name, { health }] of before?.upstreams ?? []) {
    if (upstreams.has(name)) continue;
    health[Symbol.dispose]();
    events.upstreamGone(name);
  }
  const routed = new Set(config.routes.map(({ smtp }) => smtp));
  const smtpExtensions = new LearntExtensions({
    upstreams: new Map([...speaking('smtp', upstreams)].filter(([name]) => routed.has(name))),
    hostname: config.hostname,
    clock,
    before: before?.smtpExtensions,
  });
  const shared = {
    gate: new Gate({
      ...gate,
      names: config.users,
      lookUpName: nameLookUp(config, upstreams, { clock, events }),
      routes: config.routes,
      hash: config.appPasswords.hash,
      failureDelay: config.throttle.failureDelay,
      events,
    }),
    sessions,
    events,
    clock,
    attemptsPerConnection,
    idle,
  };
  const protocols = {
    imap: createImapServer({ ...shared, upstreams: speaking('imap', upstreams) }),
    smtp: createSmtpServer({
      ...shared,
      hostname: config.hostname,
      upstreams: speaking('smtp', upstreams),
      extensions: smtpExtensions,
      quotas,
      policies: submissionPolicies(config),
      authEquals: new Set(config.listeners.filter(({ authEquals }) => authEquals).map(({ name }) => name)),
    }),
    ldap: createLdapServer({
      ...shared,
      upstreams: speaking('ldap', upstreams),
      policies: config.routes.map(directoryPolicy),
      anonymousBind: config.ldap.anonymousBind,
      maxMessage: config.ldap.maxMessageKiB * 1024,
      openDirectory,
    }),
  };
  const portal =
    config.portal === null || portalFiles === null ? null : portalTerms(config, config.portal, portalFiles);
  return { config, serverTls, protocols, loginDeadline, upstreams, smtpExtensions, portal };
}

/** Undefined where no directory is to be asked whose a name is. */
function nameLookUp(
  { users: { directory: rules } }: Config,
  upstreams: ReadonlyMap<string, Upstream>,
  deps: Pick<NameDirectoryDeps, 'clock' | 'events'>,
): GateDeps['lookUpName'] {
  const target = rules === null ? undefined : speaking('ldap', upstreams).get(rules.upstream);
  if (rules === null || target === undefined) return undefined;
  const names = new NameDirectory({ ...deps, target, rules });
  return (login, network) => names.lookUp(login, network);
}

function directoryPolicy({ directory }: RouteConfig): DirectoryPolicy {
  return {
    operations: new Set(directory?.operations ?? []),
    maxEntries: directory?.maxEntries ?? null,
    maxSeconds: directory?.maxTime == null ? null : Math.max(1, Math.ceil(directory.maxTime / 1000)),
  };
}

/** By the route's place in the config. */
function submissionPolicies({ routes }: Config): SmtpDeps['policies'] {
  return new Map(routes.flatMap(({ submission }, index) => (submission ? [[index, submission]] : [])));
}

function speaking<P extends Upstream['protocol']>(
  protocol: P,
  upstreams: ReadonlyMap<string, Upstream>,
): ReadonlyMap<string, Extract<Upstream, { readonly protocol: P }>> {
  const found = new Map<string, Extract<Upstream, { readonly protocol: P }>>();
  for (const [name, upstream] of upstreams) {
    if (upstream.protocol === protocol)
      found.set(name, upstream as Extract<Upstream, { readonly protocol: P }>);
  }
  return found;
}

/** Where an upstream is and how it is reached: what its health depends on. */
function placeOf(target: UpstreamTarget) {
  const { name, addresses, tls, ca, serverName, fingerprint, proxyProtocol, connectDeadline } = target;
  return { name, addresses, tls, ca, serverName, fingerprint, proxyProtocol, connectDeadline };
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
