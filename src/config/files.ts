// A look into the certificates and keys that a configuration names, for `check-config` and the start: whether they can be
// read, are what they should be, and belong together.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Config, PortalConfig } from './schema.ts';
import { type ReadFile, unreadable } from './secret-file.ts';
import type { Written } from './written.ts';

/** Reports files that cannot be used. `written` is where `config` came from. */
export function checkFiles(config: Config, written: Written, readFile: ReadFile): void {
  if (config.tls) {
    const tls = written.get('tls');
    const certificate = certificateIn(tls.get('certificate'), config.tls.certificate, readFile);
    const key = privateKeyIn(tls.get('key'), config.tls.key, readFile);
    if (certificate && key && !certificate.checkPrivateKey(key)) {
      tls.get('key').wrong('is the key of another certificate, must be the key of tls.certificate');
    }
  }
  if (config.redis?.ca) certificateIn(written.get('redis').get('ca'), config.redis.ca, readFile);
  if (config.portal) checkPortalFiles(config.portal, written.get('portal'), readFile);
  for (const { name, ca } of Object.values(config.upstreams)) {
    if (ca !== null) certificateIn(written.get('upstreams').get(name).get('ca'), ca, readFile);
  }
}

function checkPortalFiles({ tls, oidc, notify }: PortalConfig, portal: Written, readFile: ReadFile): void {
  if (tls) {
    const place = portal.get('tls');
    const certificate = certificateIn(place.get('certificate'), tls.certificate, readFile);
    const key = privateKeyIn(place.get('key'), tls.key, readFile);
    if (certificate && key && !certificate.checkPrivateKey(key)) {
      place.get('key').wrong('is the key of another certificate, must be the key of portal.tls.certificate');
    }
  }
  if (oidc.ca !== null) certificateIn(portal.get('oidc').get('ca'), oidc.ca, readFile);
  if (notify !== null && notify.smtp.ca !== null) {
    certificateIn(portal.get('notify').get('smtp').get('ca'), notify.smtp.ca, readFile);
  }
}

function certificateIn(place: Written, path: string, readFile: ReadFile): X509Certificate | undefined {
  const content = contentOf(place, path, readFile);
  if (!content) return undefined;
  try {
    return new X509Certificate(content);
  } catch {
    place.wrong('names a file that holds no certificate, must be one in PEM');
    return undefined;
  }
}

function privateKeyIn(place: Written, path: string, readFile: ReadFile): KeyObject | undefined {
  const content = contentOf(place, path, readFile);
  if (!content) return undefined;
  try {
    return createPrivateKey({ key: Buffer.from(content), format: 'pem' });
  } catch {
    place.wrong('names a file that holds no private key, must be one in PEM without a passphrase');
    return undefined;
  }
}

function contentOf(place: Written, path: string, readFile: ReadFile): Uint8Array | undefined {
  try {
    return readFile(path).content;
  } catch (error) {
    place.wrong(unreadable(error, place.isSubstituted ? undefined : path));
    return undefined;
  }
}
