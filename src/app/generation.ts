// A generation: all that a config says for new connections, which a reload replaces. One is made at the start, and another at each
// reload; it is never changed, and a dialogue keeps the one that it began with.

import type { Config } from '../config/config.ts';
import type { Events } from '../events.ts';
import { Gate, type GateDeps } from '../gate/gate.ts';
import type { Terms } from '../listen/listener.ts';
import type { PortalTerms } from '../portal/terms.ts';
import { NameDirectory, type NameDirectoryDeps } from '../protocols/ldap/names.ts';
import type { ConfigFiles } from './config-files.ts';
import type { Lasting } from './lasting.ts';
import { portalTerms } from './portal-terms.ts';
import type { ProtocolEntries, Serving } from './protocols.ts';
import { makeUpstreams, speaking, type Upstreams } from './upstreams.ts';

export interface Generation extends Terms {
  readonly config: Config;
  readonly upstreams: Upstreams;
  /** What its protocols have learnt, by protocol. */
  readonly learnt: ReadonlyMap<string, Disposable>;
  /** null: there is no portal. */
  readonly portal: PortalTerms | null;
}

export interface GenerationDeps {
  readonly lasting: Lasting;
  readonly events: Events;
  readonly protocols: ProtocolEntries;
}

/** Cannot fail, so that a reload happens whole. */
export function makeGeneration(
  config: Config,
  files: ConfigFiles,
  { lasting, events, protocols: entries }: GenerationDeps,
  before?: Generation,
): Generation {
  const { attemptsPerConnection, idle, loginDeadline } = config.limits;
  const { gate, sessions } = lasting;
  const { clock } = gate;
  for (const { name } of config.listeners) events.listenerNamed(name);
  const upstreams = makeUpstreams(config, files.authorities, { clock, events }, before?.upstreams);
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
  const serving = new Map(
    Object.entries(entries).map(([protocol, entry]) => [
      protocol,
      entry({ config, upstreams, lasting, shared }, before?.learnt.get(protocol)),
    ]),
  );
  const portal =
    config.portal === null || files.portal === null ? null : portalTerms(config, config.portal, files.portal);
  return {
    config,
    serverTls: files.serverTls,
    protocols: serversOf(serving),
    loginDeadline,
    upstreams,
    learnt: new Map([...serving].flatMap(([protocol, { learnt }]) => (learnt ? [[protocol, learnt]] : []))),
    portal,
  };
}

/** A server for each entry: what `Object.fromEntries` does not know of its keys. */
function serversOf(serving: ReadonlyMap<string, Serving>): Terms['protocols'] {
  const servers = [...serving].map(([protocol, { server }]) => [protocol, server]);
  return Object.fromEntries(servers) as Terms['protocols'];
}

/** The last one: nothing is asked or probed any more. */
export function endGeneration({ upstreams, learnt }: Generation): void {
  for (const { health } of upstreams.values()) health[Symbol.dispose]();
  for (const one of learnt.values()) one[Symbol.dispose]();
}

/** Undefined where no directory is to be asked whose a name is. */
function nameLookUp(
  { users: { directory: rules } }: Config,
  upstreams: Upstreams,
  deps: Pick<NameDirectoryDeps, 'clock' | 'events'>,
): GateDeps['lookUpName'] {
  const target = rules === null ? undefined : speaking('ldap', upstreams).get(rules.upstream);
  if (rules === null || target === undefined) return undefined;
  const names = new NameDirectory({ ...deps, target, rules });
  return (login, network) => names.lookUp(login, network);
}
