// What is allowed in a configuration and still worth a second look. `check-config` prints it, `serve` may log it.

import { statSync } from 'node:fs';
import { NetworkSet } from '../lib/network.ts';
import { portWarnings } from './ports.ts';
import type { Config, UpstreamConfig } from './schema.ts';
import type { HostPort } from './values.ts';

const loopback = new NetworkSet(['127.0.0.0/8', '::1/128']);

/** Whether an address is this machine's own by its text: no name but `localhost` is looked up. */
export function isLoopback({ host }: HostPort): boolean {
  return host === 'localhost' || loopback.has(host);
}

/** One line each, `section.key: what, and what of it`. */
export function configWarnings(config: Config): string[] {
  return [
    ...config.doubts,
    ...portWarnings(config),
    ...keyFileWarnings(config),
    ...Object.values(config.upstreams).flatMap(upstreamWarnings),
    ...listenerWarnings(config),
    ...redisWarnings(config),
    ...routeWarnings(config),
    ...senderWarnings(config),
    ...directoryWarnings(config),
    ...nameWarnings(config),
    ...limitWarnings(config),
    ...storeWarnings(config),
    ...portalWarnings(config),
  ];
}

/** Whoever has the key of a certificate can be the server. */
function keyFileWarnings({ tls, portal }: Config): string[] {
  const keys = [
    ['tls.key', tls?.key],
    ['portal.tls.key', portal?.tls?.key],
  ] as const;
  return keys.flatMap(([place, file]) => {
    const mode = file === undefined ? 0 : (statSync(file, { throwIfNoEntry: false })?.mode ?? 0);
    return (mode & 0o007) === 0
      ? []
      : [
          `${place}: ${file} can be read or changed by every user of this machine; close it to them (chmod o= FILE)`,
        ];
  });
}

/** A backup that was copied back leaves it open to others; who can write it can be anybody. A warning, so that revoking works. */
function storeWarnings({ store }: Config): string[] {
  const file = store.url.replace(/^sqlite:/, '');
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o077) === 0) return [];
  return [`store.url: ${file} is open to other users of this machine; make it 0600`];
}

function portalWarnings({ portal }: Config): string[] {
  if (portal === null) return [];
  const warnings = portal.trustedProxies
    .filter((network) => network.endsWith('/0'))
    .map(
      (network) =>
        `portal.trustedProxies: ${network} lets anyone at all say where browsers are; name the proxies' own networks`,
    );
  if (portal.tls === null && !isLoopback(portal) && portal.trustedProxies.length === 0) {
    warnings.push(
      'portal.tls: is missing, and there are no trustedProxies, so sign-ins and new app passwords travel in clear to whoever asks; add one of them',
    );
  }
  if (portal.notify !== null && portal.notify.smtp.tls === 'none' && !isLoopback(portal.notify.smtp)) {
    warnings.push(
      `portal.notify.smtp.tls: is none, so messages about app passwords travel to ${portal.notify.smtp.host} in clear; use implicit or starttls`,
    );
  }
  return warnings;
}

function listenerWarnings({ listeners, routes }: Config): string[] {
  return listeners.flatMap(({ name, protocol, proxyProtocol }, index) => {
    const warnings = proxyProtocol
      .filter((network) => network.endsWith('/0'))
      .map(
        (network) =>
          `listeners[${index}].proxyProtocol: ${network} lets anyone at all say where ${name}'s clients are; name the balancers' own networks`,
      );
    if (routes.every((route) => route[protocol] === undefined)) {
      warnings.push(
        `listeners[${index}]: no route has ${protocol}, so nobody can log in at ${name}; add it to a route, or leave the listener out`,
      );
    }
    return warnings;
  });
}

function upstreamWarnings(upstream: UpstreamConfig): string[] {
  const distant = upstream.addresses.filter((address) => !isLoopback(address));
  if (upstream.tls !== 'none' || distant.length === 0) return [];
  const hosts = distant.map(({ host }) => host).join(', ');
  return [
    `upstreams.${upstream.name}.tls: is none, so mail and Postern's own password travel to ${hosts} in clear; use implicit or starttls`,
  ];
}

function redisWarnings({ redis }: Config): string[] {
  if (redis === null || redis.tls || isLoopback(redis)) return [];
  return [
    `redis.url: is redis://, so the password of Redis and the names of users travel to ${redis.host} in clear; use rediss://`,
  ];
}

function routeWarnings({ routes, upstreams, users }: Config): string[] {
  const everyone = routes.findIndex((route) => route.users === '*');
  const unreachable = routes.flatMap((_, index) =>
    everyone !== -1 && index > everyone
      ? [
          `routes[${index}]: is never reached, because routes[${everyone}] is for everyone; put it before that one`,
        ]
      : [],
  );
  const used = new Set(routes.flatMap((route) => [route.imap, route.smtp, route.ldap]));
  if (users.directory !== null) used.add(users.directory.upstream);
  const unused = Object.keys(upstreams).flatMap((name) =>
    used.has(name) ? [] : [`upstreams.${name}: has no route, so nobody gets there; add one or leave it out`],
  );
  return [...unreachable, ...unused];
}

/** Whoever has one app password of theirs may send as all of these. */
function senderWarnings({ routes }: Config): string[] {
  return routes.flatMap(({ users, submission }, index) => {
    const key = `routes[${index}].submission.senders`;
    return (submission?.senders ?? []).flatMap((sender) => {
      if (sender === '*')
        return [
          `${key}: "*" lets every device of these users send as anybody at all; name addresses or domains`,
        ];
      if (!sender.startsWith('*@') || (users !== '*' && users !== sender)) return [];
      return [
        `${key}: "${sender}" lets every one of these users send as any other in that domain; give it to those who need it, in a route of their own`,
      ];
    });
  });
}

/** Whose entry it is must not be the same for `alice` of two domains: the one would act as the other. */
function directoryWarnings({ routes, upstreams }: Config): string[] {
  return Object.values(upstreams).flatMap((upstream) => {
    if (upstream.protocol !== 'ldap' || upstream.userEntry === null) return [];
    if (upstream.login.method !== 'proxied-authorization') return [];
    const { name, userEntry } = upstream;
    const [key, fields] =
      'template' in userEntry
        ? ['userDn', userEntry.template.text]
        : ['userSearch.filter', userEntry.filter.text];
    if (!fields.includes('{local}') || fields.includes('{domain}')) return [];
    const domains = new Set(
      routes.flatMap(({ ldap, users }) => (ldap === name ? [users.slice(users.indexOf('@') + 1)] : [])),
    );
    if (domains.size < 2 && !domains.has('*')) return [];
    return [
      `upstreams.${name}.${key}: {local} is the same for users of several domains who are routed there, so one may act as the other; use {user}, or {domain} too`,
    ];
  });
}

/** OWASP's equivalent settings for argon2id: at least so many passes at so much memory. */
const PASSES_BY_MEMORY = [
  { memoryKiB: 47_104, passes: 1 },
  { memoryKiB: 19_456, passes: 2 },
  { memoryKiB: 12_288, passes: 3 },
  { memoryKiB: 9_216, passes: 4 },
  { memoryKiB: 7_168, passes: 5 },
];

const LEAST_IDLE = 30 * 60_000;

/** Nobody is to tell by the time of a refusal whether a name is somebody's. */
function nameWarnings({ users: { directory }, throttle }: Config): string[] {
  if (directory === null || directory.timeout < throttle.failureDelay) return [];
  return [
    'users.directory.timeout: is not below throttle.failureDelay, so the time of an answer could tell whose a name is; use half of it',
  ];
}

function limitWarnings({ limits, throttle, appPasswords: { hash } }: Config): string[] {
  const warnings: string[] = [];
  if (throttle.parked >= limits.beforeLogin) {
    warnings.push(
      'throttle.parked: is not below limits.beforeLogin, so refusals that wait could keep everybody else out; use half of it',
    );
  }
  if (limits.idle < LEAST_IDLE) {
    warnings.push(
      'limits.idle: is below 30m, which RFC 3501 §5.4 asks for; mail clients that wait by IDLE will be cut off',
    );
  }
  const needed = PASSES_BY_MEMORY.find(({ memoryKiB }) => hash.memoryKiB >= memoryKiB)?.passes ?? 5;
  if (hash.passes < needed) {
    warnings.push(
      `appPasswords.hash.passes: is weaker than OWASP recommends with ${hash.memoryKiB} KiB; use ${needed}, or more memory`,
    );
  }
  return warnings;
}
