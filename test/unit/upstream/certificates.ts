// Certificates for the tests' own TLS servers: a CA, and what it signs, right or wrong in one respect.

import { type GenerateResult, generate } from 'selfsigned';

const DAY = 86_400_000;

export interface Issued {
  readonly key: string;
  readonly cert: string;
}

export async function makeCa(name: string): Promise<Issued> {
  return issued(
    await generate([{ name: 'commonName', value: name }], {
      algorithm: 'sha256',
      keyType: 'ec',
      extensions: [
        { name: 'basicConstraints', cA: true, critical: true },
        { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      ],
    }),
  );
}

export interface Wish {
  readonly dns?: string;
  readonly ip?: string;
  /** Days from now that it is valid from and to. */
  readonly days?: readonly [number, number];
}

/** Signed by `ca`, or by itself. */
export async function issue(ca: Issued | null, { dns, ip, days = [-1, 30] }: Wish): Promise<Issued> {
  const names = [
    ...(dns === undefined ? [] : [{ type: 2 as const, value: dns }]),
    ...(ip === undefined ? [] : [{ type: 7 as const, ip }]),
  ];
  return issued(
    await generate([{ name: 'commonName', value: 'a test server' }], {
      algorithm: 'sha256',
      keyType: 'ec',
      notBeforeDate: new Date(Date.now() + days[0] * DAY),
      notAfterDate: new Date(Date.now() + days[1] * DAY),
      extensions: [
        { name: 'basicConstraints', cA: false },
        { name: 'subjectAltName', altNames: names },
      ],
      ...(ca === null ? {} : { ca }),
    }),
  );
}

function issued(generated: GenerateResult): Issued {
  return { key: generated.private, cert: generated.cert };
}
