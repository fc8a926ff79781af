// OpenLDAP's own proxy: slapd with back-ldap, as Debian ships it. A client's Bind is passed on with its name and password, so that it
// decides nothing itself, and each client connection has an upstream connection of its own, as with Postern.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Site } from '../site.ts';
import { type Contender, start } from './contender.ts';

export function startSlapd(site: Site, { upstreamPort }: { upstreamPort: number }): Promise<Contender> {
  return start({
    name: 'slapd',
    has: ['implicit'],
    async prepare(directory, ports) {
      const { certFile, keyFile } = site.certificate;
      const file = join(directory, 'slapd.conf');
      writeFileSync(
        file,
        `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile ${directory}/slapd.pid
argsfile ${directory}/slapd.args
modulepath /usr/lib/ldap
moduleload back_ldap
loglevel none
sizelimit unlimited
TLSCertificateFile ${certFile}
TLSCertificateKeyFile ${keyFile}
TLSProtocolMin 3.4
database ldap
suffix "dc=example,dc=com"
uri "ldap://127.0.0.1:${upstreamPort}"
`,
      );
      return {
        program: '/usr/sbin/slapd',
        args: ['-d', '0', '-f', file, '-h', `ldaps://127.0.0.1:${ports.implicit}`],
      };
    },
  });
}
