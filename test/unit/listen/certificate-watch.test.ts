// How changes of the certificate's files are noticed, and what half a change looks like.

import { X509Certificate } from 'node:crypto';
import { copyFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CertificateWatch } from '../../../src/listen/certificate-watch.ts';
import { loadServerTls, type ServerTls, type TlsFiles } from '../../../src/listen/tls.ts';
import { type Certificate, createPki, type Pki } from '../../support/pki.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

let pki: Pki;
let dir: TempDir;
let old: Certificate;
let fresh: Certificate;
let files: TlsFiles | null;
let inForce: ServerTls;
let watch: CertificateWatch;
let told: string[];

beforeEach(async () => {
  pki = await createPki();
  dir = tempDir();
  [old, fresh] = [await pki.issue(), await pki.issue()];
  files = { certificate: join(dir.path, 'cert.pem'), key: join(dir.path, 'key.pem') };
  await write(old);
  inForce = await loadServerTls(files);
  told = [];
  watch = new CertificateWatch({
    files: () => files,
    inForce: () => inForce,
    onChanged: (next) => {
      inForce = next;
      told.push('changed');
    },
    onUnusable: (problem) => told.push(problem),
  });
});
afterEach(() => {
  watch[Symbol.dispose]();
  dir[Symbol.dispose]();
  pki[Symbol.dispose]();
});

async function write({ certFile, keyFile }: Certificate): Promise<void> {
  copyFileSync(certFile, files!.certificate);
  copyFileSync(keyFile, files!.key);
}
const looks = async (n: number) => {
  for (let look = 0; look < n; look++) await watch.look();
};
const fingerprint = ({ cert }: Certificate) => new X509Certificate(cert).fingerprint256;

test('nothing has changed: nothing happens, also if the files were written again as they were', async () => {
  const before = inForce;
  await looks(2);
  await write(old);
  await looks(2);
  expect(told).toEqual([]);
  expect(inForce).toBe(before);
});

test('a new pair is taken, once', async () => {
  await write(fresh);
  await looks(3);
  expect(told).toEqual(['changed']);
  expect(inForce.fingerprint).toBe(fingerprint(fresh));
});

test('the new certificate beside the old key is waited for, told of once if it stays, and taken when the key comes', async () => {
  copyFileSync(fresh.certFile, files!.certificate);
  await looks(1);
  expect(told).toEqual([]);
  await looks(5);
  expect(told).toEqual([expect.stringMatching(/cannot be used: key values mismatch/)]);
  expect(inForce.fingerprint).toBe(fingerprint(old));
  copyFileSync(fresh.keyFile, files!.key);
  await looks(1);
  expect(told.slice(1)).toEqual(['changed']);
});

test('half a change that is over by the next look is not told of', async () => {
  copyFileSync(fresh.keyFile, files!.key);
  await looks(1);
  copyFileSync(fresh.certFile, files!.certificate);
  await looks(3);
  expect(told).toEqual(['changed']);
});

test.each([
  ['missing', () => rmSync(files!.certificate), /cannot read .*ENOENT/],
  ['empty', () => writeFileSync(files!.certificate, ''), /not readable as PEM|no start line/],
  ['cut off', () => writeFileSync(files!.certificate, fresh.cert.slice(0, 300)), /cannot be used/],
  [
    'a directory',
    () => {
      rmSync(files!.key);
      mkdirSync(files!.key);
    },
    /cannot read .*EISDIR/,
  ],
])('a file that is %s: the one before stays, and it is told once', async (_, change, problem) => {
  change();
  await looks(5);
  expect(told).toEqual([expect.stringMatching(problem)]);
  expect(inForce.fingerprint).toBe(fingerprint(old));
  rmSync(files!.key, { recursive: true, force: true });
  await write(old);
  await looks(2);
  expect(told).toHaveLength(1);
  // The same again is news again.
  rmSync(files!.certificate);
  await looks(2);
  expect(told).toHaveLength(2);
});

test('a switched link on the way there, as Kubernetes does it', async () => {
  // secret/cert.pem → ..data/cert.pem, ..data → ..2026_1; the switch renames a new link over ..data.
  const version = (name: string, { certFile, keyFile }: Certificate) => {
    mkdirSync(join(dir.path, name));
    copyFileSync(certFile, join(dir.path, name, 'tls.crt'));
    copyFileSync(keyFile, join(dir.path, name, 'tls.key'));
  };
  version('..2026_1', old);
  symlinkSync('..2026_1', join(dir.path, '..data'));
  for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(dir.path, name));
  files = { certificate: join(dir.path, 'tls.crt'), key: join(dir.path, 'tls.key') };
  await looks(2);
  expect(told).toEqual([]);
  version('..2026_2', fresh);
  symlinkSync('..2026_2', join(dir.path, '..data_tmp'));
  renameSync(join(dir.path, '..data_tmp'), join(dir.path, '..data'));
  await looks(2);
  expect(told).toEqual(['changed']);
  expect(inForce.fingerprint).toBe(fingerprint(fresh));
});

test('files that a reload has replaced by others while they were read are not taken', async () => {
  await write(fresh);
  const look = watch.look();
  files = { ...files! };
  await look;
  expect(told).toEqual([]);
});

test('a certificate of another key type, and a key of another type than the certificate', async () => {
  using rsa = await createPki({ keyType: 'rsa' });
  const other = await rsa.issue();
  copyFileSync(other.keyFile, files!.key);
  await looks(2);
  expect(told).toEqual([expect.stringMatching(/key values mismatch/)]);
  copyFileSync(other.certFile, files!.certificate);
  await looks(1);
  expect(told.slice(1)).toEqual(['changed']);
});
