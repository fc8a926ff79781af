// A real Cyrus of a test's own: own ports, own mailboxes, gone with the test. It has a proxy user, who may log in as anybody
// (`proxyservers`), and an admin, to whom it offers UNAUTHENTICATE. Its words go to syslog only, and so nowhere here.

import { randomBytes } from 'node:crypto';
import { chownSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { run, spawnTied, stopChild, whenReady } from './child-process.ts';
import { unpackedCyrus } from './cyrus-packages.ts';
import type { Certificate } from './pki.ts';
import { freePort } from './ports.ts';
import { ledger } from './secrets-ledger.ts';
import { type TempDir, tempDir } from './temp-dir.ts';

export interface Cyrus extends AsyncDisposable {
  /** On 127.0.0.1: STARTTLS, and implicit TLS. */
  readonly ports: { readonly imap: number; readonly imaps: number };
  /** Logs in as anybody, by SASL PLAIN with an authorization identity. */
  readonly proxy: { readonly user: string; readonly password: string };
  /** Who sees all mailboxes of example.com. */
  readonly admin: 'postmaster@example.com';
  /** The own password of each of the users: for clients that go to Cyrus directly. */
  readonly userPassword: string;
  stop(): Promise<void>;
}

/** Whose passwords it knows: `users`, the admin and the proxy user. A mailbox is made at the first login. */
export async function startCyrus(options: {
  certificate: Certificate;
  users: readonly string[];
}): Promise<Cyrus> {
  const dir = tempDir(0o755);
  const ports = { imap: await freePort(), imaps: await freePort() };
  const proxy = { user: 'postern', password: ledger(randomBytes(12).toString('hex')) };
  const userPassword = ledger(randomBytes(12).toString('hex'));
  const admin = 'postmaster@example.com';
  const owner = mailOwner();
  const programs = copyPrograms(dir);

  for (const name of ['conf', 'conf/db', 'conf/socket', 'mail', 'run', 'passwords']) {
    mkdirSync(join(dir.path, name));
    chownSync(join(dir.path, name), owner.uid, owner.gid);
  }
  const config = fileOf(
    dir,
    'imapd.conf',
    owner,
  )(
    `
configdirectory: ${dir.path}/conf
defaultpartition: default
partition-default: ${dir.path}/mail
proc_path: ${dir.path}/run/proc
mboxname_lockpath: ${dir.path}/run/lock
cyrus_user: ${owner.user}
servername: localhost
virtdomains: userid
defaultdomain: internal
admins: ${admin}
proxyservers: ${proxy.user}
autocreate_quota: 0
autocreate_inbox_folders: Sent
allowplaintext: no
sasl_mech_list: PLAIN
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: ${dir.path}/passwords/sasldb2
tls_server_cert: ${fileOf(dir, 'cert.pem', owner)(options.certificate.cert)}
tls_server_key: ${fileOf(dir, 'key.pem', owner)(options.certificate.key)}
tls_session_timeout: 0
`,
  );
  const services = fileOf(
    dir,
    'cyrus.conf',
    owner,
  )(
    `
START {
  recover cmd="${programs.path}/ctl_cyrusdb -C ${config} -r"
}
SERVICES {
  imap cmd="${programs.path}/imapd -C ${config}" listen="127.0.0.1:${ports.imap}" prefork=0
  imaps cmd="${programs.path}/imapd -C ${config} -s" listen="127.0.0.1:${ports.imaps}" prefork=0
}
EVENTS {
}
`,
  );
  const as = { uid: owner.uid, gid: owner.gid, env: { ...process.env, LD_LIBRARY_PATH: programs.path } };

  const stop = async () => {
    await stopChild(child);
    dir[Symbol.dispose]();
  };
  const setPassword = async (login: string, password: string) => {
    const [name = '', domain = 'localhost'] = login.split('@');
    const args = ['-p', '-c', '-f', join(dir.path, 'passwords/sasldb2'), '-u', domain, name];
    const { code, stderr } = await run(join(programs.path, 'saslpasswd2'), args, { ...as, input: password });
    if (code !== 0) throw new Error(`saslpasswd2: exit ${code}: ${stderr}`);
  };
  await setPassword(proxy.user, proxy.password);
  for (const user of [admin, ...options.users]) await setPassword(user, userPassword);

  const child = spawnTied(
    join(programs.path, 'master'),
    ['-D', '-C', config, '-M', services, '-p', join(dir.path, 'run/master.pid')],
    { ...as, stdio: 'ignore' },
  );
  try {
    await whenReady(child, () => greets(ports.imap));
  } catch (error) {
    await stop();
    throw new Error(`Cyrus did not start: ${(error as Error).message}`);
  }
  return { ports, proxy, admin, userPassword, stop, [Symbol.asyncDispose]: stop };
}

/** Into the test's directory: the project's may be closed to the user that Cyrus runs as. */
function copyPrograms(dir: TempDir): { path: string } {
  const cyrus = unpackedCyrus();
  if (cyrus === undefined) throw new Error('Cyrus is not unpacked: node test/support/install-servers.ts');
  const path = join(dir.path, 'programs');
  mkdirSync(path);
  for (const name of ['master', 'imapd', 'ctl_cyrusdb'])
    copyFileSync(join(cyrus.programs, name), join(path, name));
  copyFileSync(cyrus.saslpasswd2, join(path, 'saslpasswd2'));
  for (const name of readdirSync(cyrus.libraries)) {
    // The others are the same under longer names.
    if (/\.so\.\d+$/.test(name)) copyFileSync(join(cyrus.libraries, name), join(path, name));
  }
  return { path };
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
}

/** Cyrus refuses to run as root; anyone else runs everything as themselves. */
function mailOwner(): Owner {
  const { uid, gid, username } = userInfo();
  return uid === 0 ? { uid: 65_534, gid: 65_534, user: 'nobody' } : { uid, gid, user: username };
}

function fileOf(dir: TempDir, name: string, owner: Owner): (text: string) => string {
  return (text) => {
    const path = join(dir.path, name);
    writeFileSync(path, text, { mode: 0o600 });
    chownSync(path, owner.uid, owner.gid);
    return path;
  };
}

/** True once the server has said something; undefined while it does not listen. */
function greets(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(2000, () => socket.destroy());
    socket.once('data', () => {
      socket.end('x LOGOUT\r\n');
      resolve(true);
    });
    socket.once('error', () => {});
    socket.once('close', () => resolve(undefined));
  });
}
