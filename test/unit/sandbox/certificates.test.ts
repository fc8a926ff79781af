// The sandbox's certificate has the names that clients look for.

import { X509Certificate } from 'node:crypto';
import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import { makeCertificates, ownNames } from '../../../src/sandbox/certificates.ts';

test('localhost, loopback, and what this machine calls itself, as libldap says for localhost', async () => {
  const { certificate, ca } = await makeCertificates(Date.now());
  const made = new X509Certificate(certificate);
  expect(made.verify(new X509Certificate(ca).publicKey)).toBe(true);
  for (const name of ['localhost', ...ownNames()]) expect(made.checkHost(name)).toBeDefined();
  for (const address of ['127.0.0.1', '::1']) expect(made.checkIP(address)).toBeDefined();
  expect(['localhost', ...ownNames()]).toContain(hostname());
  expect(made.checkHost('elsewhere.example')).toBeUndefined();
});
