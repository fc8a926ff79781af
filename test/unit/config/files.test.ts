import { generate } from 'selfsigned';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/config.ts';
import { ConfigError } from '../../../src/lib/errors.ts';
import { files, SMALL } from './example.ts';

const one = await generate([{ name: 'commonName', value: 'mail.example.com' }]);
const other = await generate([{ name: 'commonName', value: 'mail.example.com' }]);

/** What is wrong with these certificate and key files; nothing if all is well. */
function told(certificate: string, key: string): string[] {
  const readFile = files({
    '/etc/postern/master': 'sesame',
    '/etc/postern/tls/chain.pem': certificate,
    ...(key !== '' && { '/etc/postern/tls/key.pem': key }),
  });
  try {
    parseConfig(SMALL, { file: '/etc/postern/postern.yaml', env: {}, readFile, checkFiles: true });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return [...error.messages];
    throw error;
  }
}

describe('certificate and key', () => {
  it('that belong together are right', () => {
    expect(told(one.cert, one.private)).toEqual([]);
  });

  it('of two pairs are told', () => {
    expect(told(one.cert, other.private)).toEqual([
      'postern.yaml:4:43 tls.key: is the key of another certificate, must be the key of tls.certificate',
    ]);
  });

  it('in the wrong order, empty or missing are told without their content', () => {
    expect(told(one.private, one.cert)).toEqual([
      'postern.yaml:4:21 tls.certificate: names a file that holds no certificate, must be one in PEM',
      'postern.yaml:4:43 tls.key: names a file that holds no private key, must be one in PEM without a passphrase',
    ]);
    expect(told('', '')).toEqual([
      expect.stringContaining('tls.certificate: names a file that holds no certificate'),
      'postern.yaml:4:43 tls.key: cannot be read (there is no such file), must be a file that Postern may read (/etc/postern/tls/key.pem)',
    ]);
  });
});
