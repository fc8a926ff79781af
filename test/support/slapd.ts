// A real slapd of a test's own (OpenLDAP 2.5): own ports, own database, own log, gone with the test. The directory has people, two
// teams that only their own members see, a service of its own, and Postern's account, which may act for the people (RFC 4370).

import { randomBytes } from 'node:crypto';
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { hasEnded, run, spawnTied, stopChild, whenReady } from './child-process.ts';
import { PATIENCE } from './patience.ts';
import type { Certificate } from './pki.ts';
import { freePort } from './ports.ts';
import { newLogFile } from './run-directory.ts';
import { ledger } from './secrets-ledger.ts';
import { tempDir } from './temp-dir.ts';

export const BASE = 'dc=example,dc=com';
export const PEOPLE = `ou=people,${BASE}`;
/** The people that there are: `uid=alice,ou=people,dc=example,dc=com`, with `mail: alice@example.com`. */
export const PERSONS = ['alice', 'bob', 'carol'] as const;
/** Somebody whose entry no template gives: its RDN is a name with a comma. */
export const ZOE = `cn=Smith\\2C Zoe,ou=sales,${BASE}`;
export const SERVICE = `cn=nextcloud,ou=services,${BASE}`;

export interface Slapd extends AsyncDisposable {
  /** On 127.0.0.1: in clear with StartTLS, and implicit TLS. */
  readonly ports: { readonly ldap: number; readonly ldaps: number };
  /** Postern's account. */
  readonly postern: { readonly dn: string; readonly password: string };
  /** Every person's own password: for clients that go there directly. */
  readonly userPassword: string;
  /** What it has logged so far: each operation, by connection. */
  log(): string;
  /** Waits until the log has what `pattern` says. */
  logged(pattern: RegExp): Promise<RegExpExecArray>;
  /** Stops it where it is, until `thaw`: the kernel still takes connections for it. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export interface SlapdOptions {
  readonly certificate: Certificate;
  /** More entries, as LDIF, each piece whole entries. */
  readonly entries?: Iterable<string>;
  /** More lines of its configuration, in the database's part. */
  readonly database?: string;
}

const SLAPD = '/usr/sbin/slapd';
const SLAPADD = '/usr/sbin/slapadd';

export async function startSlapd(options: SlapdOptions): Promise<Slapd> {
  const dir = tempDir();
  const ports = { ldap: await freePort(), ldaps: await freePort() };
  const postern = { dn: `cn=postern,ou=services,${BASE}`, password: ledger(randomBytes(12).toString('hex')) };
  const userPassword = ledger(randomBytes(12).toString('hex'));
  const config = join(dir.path, 'slapd.conf');
  const ldif = join(dir.path, 'entries.ldif');
  mkdirSync(join(dir.path, 'db'));
  writeFileSync(config, configText(dir.path, options), { mode: 0o600 });
  writeFileSync(ldif, directory(postern, userPassword), { mode: 0o600 });
  for (const piece of options.entries ?? []) appendFileSync(ldif, piece);
  const added = await run(SLAPADD, ['-q', '-f', config, '-l', ldif]);
  if (added.code !== 0) throw new Error(`slapadd: exit ${added.code}: ${added.stderr}`);

  const logFile = newLogFile('slapd');
  const output = openSync(logFile, 'a');
  const urls = `ldap://127.0.0.1:${ports.ldap}/ ldaps://127.0.0.1:${ports.ldaps}/`;
  // In the foreground; "stats" are connections, operations and results.
  const child = spawnTied(SLAPD, ['-d', 'stats', '-f', config, '-h', urls], {
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  const log = () => readFileSync(logFile, 'utf8');
  const stop = async () => {
    // One that is frozen would take no notice.
    if (!hasEnded(child)) child.kill('SIGCONT');
    await stopChild(child);
    dir[Symbol.dispose]();
  };
  try {
    await whenReady(child, () => accepts(ports.ldaps));
  } catch (error) {
    await stop();
    throw new Error(`slapd did not start: ${(error as Error).message}\n${log()}`);
  }
  return {
    ports,
    postern,
    userPassword,
    log,
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    stop,
    [Symbol.asyncDispose]: stop,
    async logged(pattern) {
      try {
        return await whenReady(child, async () => pattern.exec(log()) ?? undefined, PATIENCE);
      } catch {
        throw new Error(`slapd's log has nothing like ${pattern}:\n${log()}`);
      }
    },
  };
}

function configText(path: string, { certificate, database = '' }: SlapdOptions): string {
  return `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload sssvlv
pidfile ${path}/slapd.pid
argsfile ${path}/slapd.args
TLSCACertificateFile ${certificate.certFile}
TLSCertificateFile ${certificate.certFile}
TLSCertificateKeyFile ${certificate.keyFile}
TLSVerifyClient never
threads 4
sizelimit unlimited
sockbuf_max_incoming_auth 16777215
# Whom an account may act for is written in its own entry.
authz-policy to

database mdb
maxsize 1073741824
directory ${path}/db
suffix "${BASE}"
rootdn "cn=admin,${BASE}"
dbnosync
index objectClass,uid,mail,cn eq
limits dn.exact="cn=postern,ou=services,${BASE}" size=unlimited size.pr=unlimited size.prtotal=unlimited
overlay sssvlv
${database}

access to attrs=userPassword by anonymous auth by * none
# Without this nothing is found that an account might be allowed (measured): 123 authorizationDenied.
access to attrs=authzTo by * auth
access to dn.subtree="ou=team-a,${BASE}" by dn.exact="uid=alice,${PEOPLE}" read by * none
access to dn.subtree="ou=team-b,${BASE}" by dn.exact="uid=bob,${PEOPLE}" read by * none
access to dn.subtree="${PEOPLE}" attrs=description by self write by users read
access to * by users read by * none
`;
}

function directory(postern: Slapd['postern'], userPassword: string): string {
  const person = (uid: string) => `
dn: uid=${uid},${PEOPLE}
objectClass: inetOrgPerson
uid: ${uid}
cn: ${uid[0]!.toUpperCase()}${uid.slice(1)} Example
sn: Example
mail: ${uid}@example.com
telephoneNumber: +1 555 ${1000 + uid.length}
userPassword: ${userPassword}
`;
  const unit = (name: string) => `
dn: ou=${name},${BASE}
objectClass: organizationalUnit
ou: ${name}
`;
  const secret = (team: string) => `
dn: cn=plan of ${team},ou=${team},${BASE}
objectClass: organizationalRole
cn: plan of ${team}
`;
  return `
dn: ${BASE}
objectClass: dcObject
objectClass: organization
dc: example
o: Example
${['people', 'services', 'sales', 'team-a', 'team-b'].map(unit).join('')}${PERSONS.map(person).join('')}
dn: ${postern.dn}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: postern
userPassword: ${postern.password}
authzTo: dn.regex:^(uid=[^,]+,${PEOPLE}|.+,ou=sales,${BASE}|${SERVICE})$

dn: ${SERVICE}
objectClass: organizationalRole
cn: nextcloud

dn: ${ZOE}
objectClass: inetOrgPerson
cn: Smith, Zoe
sn: Smith
uid: zsmith
mail: zoe@example.com
${secret('team-a')}${secret('team-b')}`;
}

/** True once it accepts connections; undefined before. */
function accepts(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(undefined));
  });
}
