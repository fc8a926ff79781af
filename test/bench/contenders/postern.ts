// Postern as it ships: the compiled program, without its sources beside it, run as the image runs it, on the defaults, but for
// what a case names.

import { copyFileSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { compile } from '../../../src/packaging/compile.ts';
import { freePort } from '../../support/ports.ts';
import type { Site } from '../site.ts';
import { type Contender, start } from './contender.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

/** Builds it as `npm run build` does, and lays it out as the package is, in `directory`. Gives the program's path. */
export function buildPostern(directory: string): string {
  compile(join(directory, 'dist'));
  mkdirSync(join(directory, 'bin'));
  for (const file of ['package.json', 'bin/postern.js'])
    copyFileSync(join(ROOT, file), join(directory, file));
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  return join(directory, 'bin', 'postern.js');
}

/** What the image gives Node.js before the program. */
export function shippedNodeOptions(dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')): string[] {
  const entryPoint = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)?.[1];
  if (entryPoint === undefined) throw new Error('the Dockerfile has no ENTRYPOINT');
  return (JSON.parse(entryPoint) as string[]).slice(1, -1);
}

export interface PosternOptions {
  /** Of the listeners. For others than `imap`, `config` has the upstreams and routes. */
  readonly protocol?: 'imap' | 'smtp' | 'ldap';
  /** Sections of the config that are not the defaults. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly waits?: boolean;
  /** Further arguments for Node.js. */
  readonly nodeOptions?: readonly string[];
}

export function startPostern(
  site: Site,
  {
    protocol = 'imap',
    config = {},
    waits = true,
    nodeOptions = site.posternNodeOptions,
  }: PosternOptions = {},
): Promise<Contender> {
  return start({
    name: 'postern',
    has: ['implicit', 'starttls'],
    waits,
    async prepare(directory, ports) {
      cpSync(site.posternData, join(directory, 'data'), { recursive: true });
      const file = join(directory, 'postern.yaml');
      const listener = (tls: 'implicit' | 'starttls') => ({
        name: tls,
        protocol,
        address: `127.0.0.1:${ports[tls]}`,
        tls,
      });
      const sections = {
        hostname: 'localhost',
        store: { url: 'sqlite:./data/postern.db' },
        keys: { file: './data/keys.json' },
        tls: { certificate: site.certificate.certFile, key: site.certificate.keyFile },
        users: { defaultDomain: 'example.com' },
        listeners: [listener('implicit'), listener('starttls')],
        upstreams: {
          upstream: {
            protocol: 'imap',
            address: `127.0.0.1:${site.upstreamPort}`,
            tls: 'none',
            login: { method: 'plain', user: 'postern', password: 'not checked' },
          },
        },
        routes: [{ users: '*@example.com', imap: 'upstream' }],
        admin: { address: `127.0.0.1:${await freePort()}` },
        ...config,
      };
      writeFileSync(file, stringify(sections), { mode: 0o600 });
      return {
        program: process.execPath,
        args: [...shippedNodeOptions(), ...nodeOptions, site.posternProgram, 'serve', '--config', file],
      };
    },
  });
}
