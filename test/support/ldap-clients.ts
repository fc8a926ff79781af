// Other people's LDAP clients: ldap-utils, Python's ldap3 and python-ldap, Perl's Net::LDAP, each as a program of its own. Passwords
// reach them by files and stdin, never by arguments. (ldapjs and ldapts are modules: tests use them as they are.)

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, run } from './child-process.ts';
import { newLogFile } from './run-directory.ts';
import { type Interpreter, script } from './scripts.ts';
import { tempDir } from './temp-dir.ts';

/** A directory, and whom to bind there as. */
export interface DirectoryAccount {
  readonly port: number;
  readonly tls: 'implicit' | 'starttls';
  /** A DN, or whatever the server takes. */
  readonly name: string;
  readonly password: string;
  /** PEM file of the authority behind the server's certificate. */
  readonly caFile: string;
}

/** By address: libldap takes `localhost` for the machine's own name, which is not in the certificate (measured, 2.5). */
export function urlOf({ port, tls }: DirectoryAccount): string {
  return `${tls === 'implicit' ? 'ldaps' : 'ldap'}://127.0.0.1:${port}`;
}

export type LdapTool =
  | 'ldapsearch'
  | 'ldapcompare'
  | 'ldapwhoami'
  | 'ldapmodify'
  | 'ldapdelete'
  | 'ldappasswd';

/** One of ldap-utils, with a simple Bind; StartTLS has to succeed where it is to be used. */
export async function ldapTool(
  tool: LdapTool,
  account: DirectoryAccount,
  args: readonly string[],
  input = '',
): Promise<Outcome> {
  using dir = tempDir();
  const secret = join(dir.path, 'password');
  writeFileSync(secret, account.password, { mode: 0o600 });
  const startTls = account.tls === 'starttls' ? ['-ZZ'] : [];
  const bind = ['-x', '-H', urlOf(account), ...startTls, '-D', account.name, '-y', secret];
  const outcome = await run(tool, [...bind, ...args], {
    input,
    // No configuration but this.
    env: {
      ...process.env,
      LDAPNOINIT: undefined,
      LDAPTLS_CACERT: account.caFile,
      LDAPTLS_REQCERT: 'demand',
      LDAPRC: '/nonexistent',
    },
  });
  writeFileSync(newLogFile(tool), outcome.stderr);
  return outcome;
}

/** ldapsearch as LDIF without comments or line breaks within values. */
export function ldapSearch(account: DirectoryAccount, args: readonly string[]): Promise<Outcome> {
  return ldapTool('ldapsearch', account, ['-LLL', '-o', 'ldif-wrap=no', ...args]);
}

/** The names of the entries in LDIF, in their order. */
export function namesIn(ldif: string): string[] {
  return [...ldif.matchAll(/^dn: (.*)$/gm)].map(([, dn]) => dn as string);
}

/** A script for Debian's own interpreter; the directory's URL is among what it reads. */
export function ldapScript(
  interpreter: Interpreter,
  text: string,
  account: DirectoryAccount,
): Promise<Outcome> {
  return script(interpreter, text, { ...account, url: urlOf(account) });
}
