// What serves each protocol that clients may speak. A new protocol is one entry here.

import type { Config, RouteConfig } from '../config/config.ts';
import type { SpokenProtocol } from '../lib/protocol.ts';
import type { ProtocolServer } from '../listen/listener.ts';
import { LearntCapabilities } from '../protocols/imap/capabilities.ts';
import type { ImapDeps } from '../protocols/imap/dialogue.ts';
import { createImapServer } from '../protocols/imap/session.ts';
import { LearntRootDse } from '../protocols/ldap/learnt-root-dse.ts';
import { createLdapServer } from '../protocols/ldap/session.ts';
import { type DirectoryPolicy, openDirectory } from '../protocols/ldap/upstream.ts';
import type { SmtpDeps } from '../protocols/smtp/dialogue.ts';
import { LearntExtensions } from '../protocols/smtp/extensions.ts';
import { createSmtpServer } from '../protocols/smtp/session.ts';
import type { Lasting } from './lasting.ts';
import { speaking, type Upstreams } from './upstreams.ts';

/** What a generation gives to each of its protocols. */
export interface ProtocolTerms {
  readonly config: Config;
  readonly upstreams: Upstreams;
  readonly lasting: Pick<Lasting, 'quotas'>;
  /** What every protocol needs to admit somebody. */
  readonly shared: Omit<ImapDeps, 'upstreams' | 'capabilities'>;
}

export interface Serving {
  readonly server: ProtocolServer;
  /** What the next generation takes over, if it is not to be learnt again; the last one is disposed of. */
  readonly learnt?: Disposable;
}

/** `before`: what the generation before this one has learnt, for the entry to take over and dispose of. Cannot fail. */
export type ProtocolEntry = (terms: ProtocolTerms, before: Disposable | undefined) => Serving;
export type ProtocolEntries = Readonly<Record<SpokenProtocol, ProtocolEntry>>;

export const PROTOCOL_ENTRIES: ProtocolEntries = { imap, smtp, ldap };

function imap({ config, shared, upstreams: all }: ProtocolTerms, before?: Disposable): Serving {
  const upstreams = speaking('imap', all);
  const capabilities = new LearntCapabilities({
    upstreams: routed('imap', config, upstreams),
    clock: shared.clock,
    before: before instanceof LearntCapabilities ? before : undefined,
  });
  return { server: createImapServer({ ...shared, upstreams, capabilities }), learnt: capabilities };
}

/** Those that a route leads to. */
function routed<U>(protocol: SpokenProtocol, { routes }: Config, upstreams: ReadonlyMap<string, U>) {
  const names = new Set<unknown>(routes.map((route) => route[protocol]));
  return new Map([...upstreams].filter(([name]) => names.has(name)));
}

function smtp({ config, shared, upstreams: all, lasting }: ProtocolTerms, before?: Disposable): Serving {
  const { hostname, routes, listeners } = config;
  const upstreams = speaking('smtp', all);
  const extensions = new LearntExtensions({
    upstreams: routed('smtp', config, upstreams),
    hostname,
    clock: shared.clock,
    before: before instanceof LearntExtensions ? before : undefined,
  });
  const server = createSmtpServer({
    ...shared,
    hostname,
    upstreams,
    extensions,
    quotas: lasting.quotas,
    policies: submissionPolicies(routes),
    authEquals: new Set(listeners.filter(({ authEquals }) => authEquals).map(({ name }) => name)),
  });
  return { server, learnt: extensions };
}

/** By the route's place in the config. */
function submissionPolicies(routes: readonly RouteConfig[]): SmtpDeps['policies'] {
  return new Map(routes.flatMap(({ submission }, index) => (submission ? [[index, submission]] : [])));
}

function ldap({ config, shared, upstreams: all }: ProtocolTerms, before?: Disposable): Serving {
  const upstreams = speaking('ldap', all);
  const rootDse = new LearntRootDse({
    upstreams: routed('ldap', config, upstreams),
    names: config.ldap.rootDse,
    events: shared.events,
    clock: shared.clock,
    before: before instanceof LearntRootDse ? before : undefined,
  });
  const server = createLdapServer({
    ...shared,
    upstreams,
    rootDse,
    policies: config.routes.map(directoryPolicy),
    anonymousBind: config.ldap.anonymousBind,
    maxMessage: config.ldap.maxMessageKiB * 1024,
    openDirectory,
  });
  return { server, learnt: rootDse };
}

function directoryPolicy({ directory }: RouteConfig): DirectoryPolicy {
  return {
    operations: new Set(directory?.operations ?? []),
    maxEntries: directory?.maxEntries ?? null,
    maxSeconds: directory?.maxTime == null ? null : Math.max(1, Math.ceil(directory.maxTime / 1000)),
  };
}
