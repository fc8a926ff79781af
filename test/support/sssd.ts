// The real sssd, which makes a machine's users of a directory's entries. It runs in a mount namespace of its own, where its configuration,
// cache, pipes and logs are a temporary directory's: nothing of the machine changes, and all of it goes with the test. It wants root.

import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './child-process.ts';
import { type DirectoryAccount, urlOf } from './ldap-clients.ts';
import { newLogFile } from './run-directory.ts';
import { tempDir } from './temp-dir.ts';

export interface SssdOptions {
  readonly base: string;
  /** Entries that it asks for at a time, if the directory knows paged results. */
  readonly pageSize: number;
}

/** What it says once it has asked for everybody. */
const ENUMERATED = 'Task \\[Enumeration \\[id\\] of directory\\]: finished successfully';

const PLACES = { lib: '/var/lib/sss', log: '/var/log/sssd', run: '/run', conf: '/etc/sssd' } as const;

/**
 * The names of the users that the machine then has from the directory, which sssd enumerates as this account. Waits for that for two
 * minutes at most.
 */
export async function enumerateBySssd(account: DirectoryAccount, options: SssdOptions): Promise<string[]> {
  const { base, pageSize } = options;
  using dir = tempDir();
  const place = (name: string) => join(dir.path, name);
  for (const name of Object.keys(PLACES)) mkdirSync(place(name), { mode: 0o711 });
  cpSync(PLACES.lib, place('lib'), {
    recursive: true,
    filter: (path) => !/\/(db|mc)\/.|pipes\/.+\/./.test(path),
  });
  writeFileSync(
    join(place('conf'), 'sssd.conf'),
    `
[sssd]
services = nss
domains = directory
[nss]
[domain/directory]
id_provider = ldap
access_provider = permit
ldap_uri = ${urlOf(account)}
ldap_tls_cacert = ${account.caFile}
ldap_tls_reqcert = demand
ldap_search_base = ${base}
ldap_default_bind_dn = ${account.name}
ldap_default_authtok = ${account.password}
enumerate = true
ldap_page_size = ${pageSize}
`,
    { mode: 0o600 },
  );
  const mounts = Object.entries(PLACES).map(([name, path]) => `mount --bind ${place(name)} ${path}`);
  writeFileSync(
    place('program'),
    `
set -e
mount --make-rprivate /
${mounts.join('\n')}
# 0x0400 has what becomes of its tasks.
sssd -i -d 0x0470 >${place('log')}/stdout 2>&1 &
# Asked for users before it has them all, it would begin a second search in pages on the same connection, and slapd knows one at a time.
for n in $(seq 240); do
  grep -q '${ENUMERATED}' ${place('log')}/stdout && break
  sleep 0.5
done
getent -s sss passwd | cut -d: -f1
`,
  );
  const { code, stdout, stderr } = await run(
    'unshare',
    ['--mount', '--pid', '--fork', '--kill-child', 'bash', place('program')],
    { patience: 150_000 },
  );
  const logs = readdirSync(place('log')).map((name) => readFileSync(join(place('log'), name), 'utf8'));
  writeFileSync(newLogFile('sssd'), `${stderr}${logs.join('\n')}`);
  if (code !== 0) throw new Error(`sssd: exit ${code}: ${stderr}`);
  return stdout.split(/\s+/).filter(Boolean);
}
