// Ports that have a meaning of their own, beside another one: clients and servers begin there with TLS, or in clear, and do not
// ask (RFC 8314 §3 and §7.3; RFC 4513 §3.1.1 and the ldaps of old).

import type { Config } from './schema.ts';

type Mode = 'implicit' | 'starttls' | 'none';

const USUAL: Readonly<Record<number, { readonly protocol: string; readonly tls: Mode }>> = {
  143: { protocol: 'imap', tls: 'starttls' },
  993: { protocol: 'imap', tls: 'implicit' },
  25: { protocol: 'smtp', tls: 'starttls' },
  587: { protocol: 'smtp', tls: 'starttls' },
  465: { protocol: 'smtp', tls: 'implicit' },
  389: { protocol: 'ldap', tls: 'starttls' },
  636: { protocol: 'ldap', tls: 'implicit' },
};

/** Of listeners, upstreams and the server that takes the portal's mail. */
export function portWarnings({ listeners, upstreams, portal }: Config): string[] {
  const smtp = portal?.notify?.smtp;
  return [
    ...listeners.flatMap(({ protocol, port, tls }, index) => of(`listeners[${index}]`, protocol, port, tls)),
    // In clear, they have a warning of their own.
    ...Object.values(upstreams).flatMap(({ name, protocol, addresses, tls }) => [
      ...new Set(
        addresses.flatMap(({ port }) => (tls === 'none' ? [] : of(`upstreams.${name}`, protocol, port, tls))),
      ),
    ]),
    ...(smtp && smtp.tls !== 'none' ? of('portal.notify.smtp', 'smtp', smtp.port, smtp.tls) : []),
  ];
}

function of(place: string, protocol: string, port: number, tls: Mode): string[] {
  const usual = USUAL[port];
  if (usual === undefined) return [];
  if (usual.protocol !== protocol)
    return [
      `${place}: speaks ${protocol} on port ${port}, which is that of ${usual.protocol}; use one of its own`,
    ];
  // `none` on a port that begins in clear is as usual, and has a warning of its own where it matters.
  if (usual.tls === tls || (usual.tls === 'starttls' && tls === 'none')) return [];
  return [
    `${place}.tls: is ${tls} on port ${port}, where the other side expects ${usual.tls}; use that, or another port`,
  ];
}
