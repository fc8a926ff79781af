// The files that a config names, read: certificates and authorities. A reload reads them all before it changes anything.

import { readFile } from 'node:fs/promises';
import type { Config, UpstreamConfig } from '../config/config.ts';
import { ConfigError } from '../lib/errors.ts';
import { loadServerTls, type ServerTls } from '../listen/tls.ts';
import { type PortalFiles, readPortalFiles } from './portal-terms.ts';

export interface ConfigFiles {
  readonly serverTls: ServerTls;
  /** PEM, by upstream; null where none are configured. */
  readonly authorities: ReadonlyMap<string, string | null>;
  /** null: there is no portal. */
  readonly portal: PortalFiles | null;
}

/** Rejects with ConfigError for what cannot be read or does not fit together. */
export async function readConfigFiles(config: Config): Promise<ConfigFiles> {
  if (config.tls === null) throw new ConfigError('tls: is missing, must hold certificate and key');
  const serverTls = await loadServerTls(config.tls);
  const authorities = new Map<string, string | null>();
  for (const upstream of Object.values(config.upstreams)) {
    authorities.set(upstream.name, await readAuthorities(upstream));
  }
  const portal = config.portal === null ? null : await readPortalFiles(config.portal);
  return { serverTls, authorities, portal };
}

async function readAuthorities({ name, ca }: UpstreamConfig): Promise<string | null> {
  if (ca === null) return null;
  try {
    return await readFile(ca, 'utf8');
  } catch (error) {
    throw new ConfigError(
      `upstreams.${name}.ca: cannot read ${ca}: ${(error as NodeJS.ErrnoException).code}`,
    );
  }
}
