// From a configuration to what it says to the portal: the one place that knows both.

import { readFile } from 'node:fs/promises';
import type { Config, PortalConfig } from '../config/config.ts';
import { ConfigError } from '../lib/errors.ts';
import { NetworkSet } from '../lib/network.ts';
import { makeServerTls } from '../listen/tls.ts';
import type { Endpoint } from '../portal/pages-interface.ts';
import type { PortalTerms } from '../portal/terms.ts';
import { usableProtocols } from './usable.ts';

/** The files that a portal's configuration names, PEM; null where none are. */
export interface PortalFiles {
  readonly certificate: { readonly cert: string; readonly key: string } | null;
  readonly providerCa: string | null;
  readonly mailCa: string | null;
}

/** Rejects with ConfigError for what cannot be read or does not fit together. */
export async function readPortalFiles({ tls, oidc, notify }: PortalConfig): Promise<PortalFiles> {
  const mailCa = notify?.smtp.ca ?? null;
  return {
    certificate: tls === null ? null : await readPair(tls),
    providerCa: oidc.ca === null ? null : await read(oidc.ca, 'portal.oidc.ca'),
    mailCa: mailCa === null ? null : await read(mailCa, 'portal.notify.smtp.ca'),
  };
}

async function readPair(files: { certificate: string; key: string }) {
  const cert = await read(files.certificate, 'portal.tls.certificate');
  const key = await read(files.key, 'portal.tls.key');
  const contents = { files, certificate: Buffer.from(cert), key: Buffer.from(key), digest: '' };
  try {
    makeServerTls(contents);
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(error.messages.map((line) => `portal.${line}`));
    throw error;
  }
  return { cert, key };
}

async function read(file: string, place: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`${place}: cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** Cannot fail, so that a reload happens whole. */
export function portalTerms(config: Config, portal: PortalConfig, files: PortalFiles): PortalTerms {
  const { oidc, notify } = portal;
  return {
    settings: {
      publicUrl: portal.publicUrl,
      creation: portal.creation,
      maxPerUser: config.appPasswords.maxPerUser,
      scopes: portal.scopes,
      usableBy: (user) => usableProtocols(config, user),
      maxLifetime: portal.maxLifetime,
      freshFor: oidc.maxAge,
      endpoints: config.listeners.map((listener) => endpoint(config.hostname, listener)),
      twoStepClients: portal.twoStepClients,
      help: portal.help,
    },
    provider: { ...oidc, ca: files.providerCa },
    who: portal.who,
    admins: portal.admins,
    sessionIdle: portal.sessionIdle,
    sessionMax: portal.sessionMax,
    trustedProxies: new NetworkSet(portal.trustedProxies),
    mail: notify === null ? null : { ...notify.smtp, from: notify.from, ca: files.mailCa },
    certificate: files.certificate,
  };
}

function endpoint(
  hostname: string,
  { protocol, port, publicAddress, tls }: Config['listeners'][number],
): Endpoint {
  return { protocol, host: publicAddress?.host ?? hostname, port: publicAddress?.port ?? port, tls };
}
