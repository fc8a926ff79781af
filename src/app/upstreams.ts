// The upstreams of a config, with what is known of them.

import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/config.ts';
import type { Events } from '../events.ts';
import type { Clock } from '../lib/clock.ts';
import type { ImapUpstream } from '../protocols/imap/upstream.ts';
import type { LdapUpstream } from '../protocols/ldap/upstream.ts';
import type { SmtpUpstream } from '../protocols/smtp/upstream.ts';
import { addressText } from '../upstream/address.ts';
import { UpstreamHealth } from '../upstream/health.ts';
import type { UpstreamTarget } from '../upstream/target.ts';

export type Upstream = { readonly health: UpstreamHealth } & (
  | (ImapUpstream & { readonly protocol: 'imap' })
  | (SmtpUpstream & { readonly protocol: 'smtp' })
  | (LdapUpstream & { readonly protocol: 'ldap' })
);

/** By name. */
export type Upstreams = ReadonlyMap<string, Upstream>;

/** What is known of an upstream's addresses is kept, if it is still the same; `before` is of no use any more. */
export function makeUpstreams(
  config: Config,
  authorities: ReadonlyMap<string, string | null>,
  { clock, events }: { readonly clock: Clock; readonly events: Events },
  before: Upstreams = new Map(),
): Upstreams {
  const upstreams = new Map<string, Upstream>();
  for (const [name, upstream] of Object.entries(config.upstreams)) {
    events.upstreamNamed(name, upstream.protocol);
    const target = { ...upstream, ca: authorities.get(name) ?? null };
    const old = before.get(name);
    const isSame = old !== undefined && isDeepStrictEqual(placeOf(old), placeOf(target));
    if (!isSame) old?.health[Symbol.dispose]();
    upstreams.set(name, {
      ...target,
      health: isSame ? old.health : new UpstreamHealth({ ...placeOf(target), clock, events }),
      onConnected: (_address, seconds) => events.upstreamConnected(name, seconds),
      onFailed: (address, error, login) =>
        events.upstreamFailed(name, addressText(address), error.message, login),
    });
  }
  for (const [name, { health }] of before) {
    if (upstreams.has(name)) continue;
    health[Symbol.dispose]();
    events.upstreamGone(name);
  }
  return upstreams;
}

export function speaking<P extends Upstream['protocol']>(
  protocol: P,
  upstreams: Upstreams,
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
