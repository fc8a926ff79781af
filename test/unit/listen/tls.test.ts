// Which first bytes are TLS, and which certificate files are taken.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/lib/errors.ts';
import { loadServerTls, looksLikeTls } from '../../../src/listen/tls.ts';
import { createPki } from '../../support/pki.ts';
import { tempDir } from '../../support/temp-dir.ts';

describe('the first bytes of a connection', () => {
  test.each([
    ['a TLS 1.0 record', [0x16, 0x03, 0x01, 0x02], true],
    ['a TLS 1.2 record', [0x16, 0x03, 0x03, 0x02], true],
    ['its first byte alone', [0x16], true],
    ['an SSLv2 hello', [0x80, 0x2e, 0x01, 0x03, 0x01], true],
    ['a long SSLv2 hello', [0xff, 0xff, 0x01], true],
    ['a record of something else', [0x16, 0x04, 0x01], false],
    ['an alert', [0x15, 0x03, 0x01], false],
    ['half an SSLv2 hello', [0x80, 0x2e], false],
    ['a word in UTF-8', [...Buffer.from('\u00e9a1 LOGIN')], false],
    ['IMAP', [...Buffer.from('a LOGIN')], false],
    ['HTTP', [...Buffer.from('GET / HTTP/1.1')], false],
    ['an empty line', [0x0d, 0x0a], false],
  ])('%s', (_, bytes, isTls) => {
    expect(looksLikeTls(Buffer.from(bytes))).toBe(isTls);
  });

  test('printable ASCII is never taken for TLS', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\r\n -~]+$/), (text) => {
        expect(looksLikeTls(Buffer.from(text))).toBe(false);
      }),
    );
  });
});

describe('certificate and key', () => {
  test('give a context, and the time when the certificate ends', async () => {
    using pki = await createPki();
    const { certFile, keyFile } = await pki.issue();
    const { expiresAt } = await loadServerTls({ certificate: certFile, key: keyFile });
    expect(expiresAt).toBeGreaterThan(Date.now() / 1000 + 28 * 86_400);
    expect(expiresAt).toBeLessThan(Date.now() / 1000 + 32 * 86_400);
  });

  test('that do not belong together, are missing or are no PEM are a ConfigError that names the file and no secret', async () => {
    using pki = await createPki();
    using dir = tempDir();
    const one = await pki.issue();
    const two = await pki.issue();
    const nonsense = join(dir.path, 'nonsense.pem');
    writeFileSync(nonsense, 'not a certificate');
    const fails = async (certificate: string, key: string) => {
      const error = await loadServerTls({ certificate, key }).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(error).toBeInstanceOf(ConfigError);
      return (error as Error).message;
    };
    expect(await fails(one.certFile, two.keyFile)).toMatch(/^tls: .* cannot be used: /);
    expect(await fails(one.keyFile, one.keyFile)).toContain(one.keyFile);
    expect(await fails(nonsense, one.keyFile)).toContain(nonsense);
    expect(await fails(one.certFile, nonsense)).toContain(nonsense);
    expect(await fails(join(dir.path, 'missing'), one.keyFile)).toMatch(
      /tls\.certificate: cannot read .*ENOENT/,
    );
    expect(await fails(one.certFile, dir.path)).toMatch(/tls\.key: cannot read .*EISDIR/);
  });
});
