// HAProxy as a plain relay that ends TLS and knows nothing of mail: clients log in at the upstream itself. What is left above it is what
// it costs to be a proxy that decides.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Site } from '../site.ts';
import { type Contender, start } from './contender.ts';

export function startHaproxy(site: Site, { waits = true } = {}): Promise<Contender> {
  return start({
    name: 'haproxy',
    has: ['implicit', 'none'],
    waits,
    async prepare(directory, ports) {
      const { certificate } = site;
      const pem = join(directory, 'certificate.pem');
      writeFileSync(pem, `${certificate.cert}\n${certificate.key}`, { mode: 0o600 });
      const file = join(directory, 'haproxy.cfg');
      writeFileSync(
        file,
        `
global
  nbthread 1
  maxconn 9500
  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
  mode tcp
  timeout connect 5s
  timeout client 2h
  timeout server 2h
frontend tls
  bind 127.0.0.1:${ports.implicit} ssl crt ${pem}
  default_backend upstream
frontend plain
  bind 127.0.0.1:${ports.none}
  default_backend upstream
backend upstream
  server upstream 127.0.0.1:${site.upstreamPort}
`,
      );
      return { program: '/usr/sbin/haproxy', args: ['-db', '-f', file] };
    },
  });
}
