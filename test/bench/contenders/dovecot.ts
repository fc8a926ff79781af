// Dovecot as a login proxy, in the high-performance mode of its documentation: one login process that stays. Passwords come
// from a static passdb, or for comparison with the gate from a passwd-file with argon2id hashes.

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Site } from '../site.ts';
import { type Contender, start } from './contender.ts';

export interface DovecotOptions {
  /** `static`: no hash. `argon2id`: the hash that Postern's records have, one verification for each login. */
  readonly passwords?: 'static' | 'argon2id';
  readonly waits?: boolean;
}

export function startDovecot(
  site: Site,
  { passwords = 'static', waits = true }: DovecotOptions = {},
): Promise<Contender> {
  return start({
    name: 'dovecot',
    has: ['implicit', 'starttls', 'none'],
    waits,
    async prepare(directory, ports) {
      const proxy = `proxy=y host=127.0.0.1 port=${site.upstreamPort}`;
      const users = join(directory, 'users');
      writeFileSync(
        users,
        site.warmUsers.map((user) => `${user}:{ARGON2ID}${site.hash}::::::${proxy}\n`).join(''),
      );
      chmodSync(users, 0o644);
      const file = join(directory, 'dovecot.conf');
      writeFileSync(
        file,
        `
base_dir = ${directory}/run
state_dir = ${directory}/state
instance_name = postern-bench
log_path = ${directory}/dovecot.log
protocols = imap
listen = 127.0.0.1
shutdown_clients = yes
ssl = yes
disable_plaintext_auth = no
ssl_cert = <${site.certificate.certFile}
ssl_key = <${site.certificate.keyFile}
ssl_min_protocol = TLSv1.3
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {
  ${
    passwords === 'static'
      ? `driver = static\n  args = password=${site.password} ${proxy}`
      : `driver = passwd-file\n  args = scheme=ARGON2ID username_format=%u ${users}`
  }
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}
service auth {
  vsz_limit = 1G
  client_limit = 32768
  ${process.getuid?.() === 0 ? 'user = root' : ''}
}
service anvil {
  client_limit = 32768
  # No delay for those who guess.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  client_limit = 32768
  vsz_limit = 4G
  inet_listener imap {
    port = ${ports.none}
  }
  inet_listener imap_starttls {
    port = ${ports.starttls}
  }
  inet_listener imaps {
    port = ${ports.implicit}
    ssl = yes
  }
}
`,
      );
      return { program: '/usr/sbin/dovecot', args: ['-F', '-c', file] };
    },
  });
}
