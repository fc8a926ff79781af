// A throwaway certificate authority and what it signs, good and bad, as PEM and as files.

import { writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { type TempDir, tempDir } from './temp-dir.ts';

export interface Certificate {
  /** PEM text. */
  readonly cert: string;
  readonly key: string;
  /** Files with the same. */
  readonly certFile: string;
  readonly keyFile: string;
}

export interface CertificateOptions {
  /** Host names and IP addresses it is for; `localhost`, `127.0.0.1` and `::1` unless told. */
  readonly names?: readonly string[];
  /** Its time was over yesterday. */
  readonly expired?: boolean;
}

export interface Pki extends Disposable {
  /** The authority's own certificate. */
  readonly ca: Certificate;
  issue(options?: CertificateOptions): Promise<Certificate>;
}

const DAY = 86_400_000;

/** All keys are of one type: selfsigned cannot sign one by the other. */
export async function createPki({ keyType = 'ec' }: { keyType?: 'ec' | 'rsa' } = {}): Promise<Pki> {
  const dir = tempDir(0o755);
  const authority = await generate([{ name: 'commonName', value: 'Postern test CA' }], {
    keyType,
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 30 * DAY),
    notAfterDate: new Date(Date.now() + 30 * DAY),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  let serial = 0;

  const issue = async (options: CertificateOptions = {}): Promise<Certificate> => {
    const names = options.names ?? ['localhost', '127.0.0.1', '::1'];
    const end = options.expired ? Date.now() - DAY : Date.now() + 30 * DAY;
    const issued = await generate([{ name: 'commonName', value: names[0] ?? '' }], {
      keyType,
      algorithm: 'sha256',
      notBeforeDate: new Date(Date.now() - 20 * DAY),
      notAfterDate: new Date(end),
      ca: { key: authority.private, cert: authority.cert },
      extensions: [
        { name: 'basicConstraints', cA: false },
        { name: 'keyUsage', digitalSignature: true, keyEncipherment: true },
        { name: 'extKeyUsage', serverAuth: true },
        {
          name: 'subjectAltName',
          altNames: names.map((name) => (isIP(name) ? { type: 7, ip: name } : { type: 2, value: name })),
        },
      ],
    });
    serial += 1;
    return files(dir, `${serial}`, issued);
  };
  return { ca: files(dir, 'ca', authority), issue, [Symbol.dispose]: () => dir[Symbol.dispose]() };
}

function files(dir: TempDir, name: string, made: { cert: string; private: string }): Certificate {
  const certFile = join(dir.path, `${name}.pem`);
  const keyFile = join(dir.path, `${name}.key`);
  writeFileSync(certFile, made.cert);
  writeFileSync(keyFile, made.private, { mode: 0o600 });
  return { cert: made.cert, key: made.private, certFile, keyFile };
}
