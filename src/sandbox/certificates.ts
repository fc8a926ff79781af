// A certificate authority of the sandbox's own, and the certificate for localhost that it signed. Made anew at each start,
// good for 30 days.

import { execFileSync } from 'node:child_process';
import { hostname } from 'node:os';
import { generate } from 'selfsigned';

export interface Certificates {
  /** PEM. The authority's key is not kept. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

const DAY = 86_400_000;

/**
 * What this machine calls itself: libldap, and with it ldapsearch, looks for that name in the certificate when it is told to connect to
 * `localhost`.
 */
export function ownNames(): string[] {
  const names = [hostname()];
  try {
    names.push(
      execFileSync('hostname', ['-f'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim(),
    );
  } catch {
    // A machine without that command, or without a full name.
  }
  return [...new Set(names)].filter((name) => name !== 'localhost' && /^[A-Za-z0-9.-]{1,253}$/.test(name));
}

/** `now` in milliseconds since the epoch. */
export async function makeCertificates(now: number): Promise<Certificates> {
  const common = {
    keyType: 'ec' as const,
    algorithm: 'sha256' as const,
    // A day back, for clients whose clock is late.
    notBeforeDate: new Date(now - DAY),
    notAfterDate: new Date(now + 30 * DAY),
  };
  const authority = await generate([{ name: 'commonName', value: 'Postern sandbox CA' }], {
    ...common,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const server = await generate([{ name: 'commonName', value: 'localhost' }], {
    ...common,
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...['localhost', ...ownNames()].map((value) => ({ type: 2 as const, value })),
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  });
  return { ca: authority.cert, certificate: server.cert, key: server.private };
}
