// An Apache of a test's own that asks a directory who may in (mod_authnz_ldap): it binds as a service, searches for the name, and binds as
// what it found.

import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, spawnTied, stopChild, whenReady } from './child-process.ts';
import { type DirectoryAccount, urlOf } from './ldap-clients.ts';
import { freePort } from './ports.ts';
import { newLogFile } from './run-directory.ts';
import { tempDir } from './temp-dir.ts';

export interface Apache extends AsyncDisposable {
  /** The status of a GET with HTTP Basic, by curl; the password goes to it by stdin. */
  get(user: string, password: string): Promise<number>;
  log(): string;
}

const APACHE = '/usr/sbin/apache2';
const MODULES = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'auth_basic', 'ldap', 'authnz_ldap'];

/** `service`: whom it searches as. `people`: the DN below which it looks for a `uid`. */
export async function startApache(service: DirectoryAccount, people: string): Promise<Apache> {
  const dir = tempDir(0o755);
  const port = await freePort();
  const log = newLogFile('apache');
  const secret = join(dir.path, 'password');
  const config = join(dir.path, 'apache.conf');
  mkdirSync(join(dir.path, 'pages'));
  writeFileSync(join(dir.path, 'pages', 'index.html'), 'in\n');
  // mod_ldap takes the password from a program's output, so that it stands in no configuration.
  writeFileSync(secret, service.password, { mode: 0o600 });
  writeFileSync(
    config,
    `ServerRoot ${dir.path}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${dir.path}/pid
ErrorLog ${log}
LogLevel info ldap:debug authnz_ldap:debug
${MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
User www-data
Group www-data
DocumentRoot ${dir.path}/pages
LDAPTrustedGlobalCert CA_BASE64 ${service.caFile}
LDAPVerifyServerCert On
LDAPCacheTTL 0
LDAPOpCacheTTL 0
<Directory ${dir.path}/pages>
  AuthType Basic
  AuthName test
  AuthBasicProvider ldap
  AuthLDAPURL "${urlOf(service)}/${people}?uid?one${service.tls === 'starttls' ? '" STARTTLS' : '"'}
  AuthLDAPBindDN "${service.name}"
  AuthLDAPBindPassword "exec:/bin/cat ${secret}"
  Require valid-user
</Directory>
`,
    { mode: 0o600 },
  );
  chmodSync(dir.path, 0o755);
  const child = spawnTied(APACHE, ['-DFOREGROUND', '-f', config], { stdio: 'ignore' });
  const get = async (user: string, password: string) => {
    const { stdout } = await run(
      'curl',
      ['-s', '-o', '/dev/null', '-w', '%{http_code}', '--config', '-', `http://127.0.0.1:${port}/index.html`],
      { input: `user = "${user}:${password}"\n` },
    );
    return Number(stdout);
  };
  try {
    await whenReady(
      child,
      async () =>
        (await run('curl', ['-s', '-o', '/dev/null', `http://127.0.0.1:${port}/`])).code === 0 || undefined,
      60_000,
    );
  } catch (error) {
    child.kill('SIGKILL');
    dir[Symbol.dispose]();
    throw error;
  }
  return {
    get,
    log: () => readFileSync(log, 'utf8'),
    async [Symbol.asyncDispose]() {
      await stopChild(child);
      dir[Symbol.dispose]();
    },
  };
}
