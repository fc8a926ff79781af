// The floor under every login proxy that runs on Node.js: see bare-node-main.ts. What Postern costs above it is Postern's own.

import { join } from 'node:path';
import type { Site } from '../site.ts';
import { type Contender, start } from './contender.ts';

export function startBareNode(site: Site, { waits = true } = {}): Promise<Contender> {
  return start({
    name: 'bare Node',
    has: ['implicit'],
    waits,
    async prepare(_directory, ports) {
      const { certFile, keyFile } = site.certificate;
      const program = join(import.meta.dirname, 'bare-node-main.ts');
      return {
        program: process.execPath,
        args: [program, certFile, keyFile, String(ports.implicit), String(site.upstreamPort)],
      };
    },
  });
}
