// A real Dovecot of a test's own: own ports, own mailboxes, own log, gone with the test. It believes every user
// `…@example.com` to exist, and has one master user, as an installation behind Postern would.

import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { hasEnded, signalGroup, spawnTied, stopChild, whenReady } from './child-process.ts';
import { PATIENCE } from './patience.ts';
import type { Certificate } from './pki.ts';
import { freePort } from './ports.ts';
import { newLogFile } from './run-directory.ts';
import { ledger } from './secrets-ledger.ts';
import { tempDir } from './temp-dir.ts';

export interface Dovecot extends AsyncDisposable {
  /** On 127.0.0.1: STARTTLS, and implicit TLS. */
  readonly ports: { readonly imap: number; readonly imaps: number };
  /** The same, for connections that begin with a PROXY header. */
  readonly proxiedPorts: { readonly imap: number; readonly imaps: number };
  /** Of its submission service, if it was asked for: STARTTLS, and implicit TLS. */
  readonly submissionPorts: { readonly smtp: number; readonly submissions: number } | undefined;
  /** Logs in as anybody: SASL PLAIN with an authorization identity, or `user*master`. */
  readonly master: { readonly user: string; readonly password: string };
  /** Every user's own password: for clients that go to Dovecot directly. */
  readonly userPassword: string;
  /** Puts `count` messages into the user's INBOX, as read mail. `message(i)` gives the i-th one whole, in LF or CR LF. */
  deliver(user: string, count: number, message: (i: number) => string | Buffer): void;
  /** What it has logged so far. */
  log(): string;
  /** Waits until the log has what `pattern` says; gives the match. */
  logged(pattern: RegExp): Promise<RegExpExecArray>;
  /** Stops all its processes where they are, until `thaw`: the kernel still takes connections for it. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

const DOVECOT = '/usr/sbin/dovecot';

export interface DovecotOptions {
  readonly certificate: Certificate;
  /** In the place of another, which is stopped, or beside it with its master user. */
  readonly ports?: Dovecot['ports'];
  readonly master?: Dovecot['master'];
  /** The only users that its userdb knows: `alice@example.com`. Everybody unless told. */
  readonly users?: readonly string[];
  /** A submission service too, which relays to the server on this port of 127.0.0.1. */
  readonly relayPort?: number;
}

export async function startDovecot(options: DovecotOptions): Promise<Dovecot> {
  const dir = tempDir(0o755);
  const ports = options.ports ?? { imap: await freePort(), imaps: await freePort() };
  const proxiedPorts = { imap: await freePort(), imaps: await freePort() };
  const submissionPorts =
    options.relayPort === undefined ? undefined : { smtp: await freePort(), submissions: await freePort() };
  const master = options.master ?? {
    user: 'postern',
    password: ledger(randomBytes(12).toString('hex')),
  };
  const userPassword = ledger(randomBytes(12).toString('hex'));
  const logFile = newLogFile('dovecot');
  const owner = mailOwner();

  const mail = join(dir.path, 'mail');
  mkdirSync(mail);
  chownSync(mail, owner.uid, owner.gid);
  const secretFile = (name: string, text: string) => {
    const path = join(dir.path, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const masters = secretFile('masters', `${master.user}:{PLAIN}${master.password}\n`);
  const config = join(dir.path, 'dovecot.conf');
  writeFileSync(
    config,
    `
base_dir = ${dir.path}/run
state_dir = ${dir.path}/state
instance_name = postern-test
log_path = ${logFile}
auth_verbose = yes
protocols = imap${submissionPorts === undefined ? '' : ' submission'}
listen = 127.0.0.1
shutdown_clients = yes
${owner.isRoot ? '' : unprivileged()}
ssl = required
ssl_cert = <${options.certificate.certFile}
ssl_key = <${options.certificate.keyFile}
# What the ID command says of the client's address is believed from here.
login_trusted_networks = 127.0.0.0/8 ::1/128
haproxy_trusted_networks = 127.0.0.0/8
mail_max_userip_connections = 200

auth_mechanisms = plain login
auth_master_user_separator = *
passdb {
  driver = passwd-file
  args = ${masters}
  master = yes
}
passdb {
  driver = static
  args = password=${userPassword}
}
userdb {
  ${options.users === undefined ? `driver = static\n  args = uid=${owner.uid} gid=${owner.gid} home=${mail}/%u` : `driver = passwd-file\n  args = ${secretFile('users', options.users.map((user) => `${user}::${owner.uid}:${owner.gid}::${mail}/${user}::\n`).join(''))}`}
}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
namespace inbox {
  inbox = yes
}
protocol imap {
  mail_plugins = imap_zlib
}
service auth {
  ${owner.isRoot ? 'user = root' : ''}
}
service imap-login {
  inet_listener imap {
    port = ${ports.imap}
  }
  inet_listener imaps {
    port = ${ports.imaps}
    ssl = yes
  }
  inet_listener imap_proxied {
    port = ${proxiedPorts.imap}
    haproxy = yes
  }
  inet_listener imaps_proxied {
    port = ${proxiedPorts.imaps}
    ssl = yes
    haproxy = yes
  }
}
${submissionPorts === undefined ? '' : submission(submissionPorts, options.relayPort)}
`,
    { mode: 0o600 },
  );

  const child = spawnTied(DOVECOT, ['-F', '-c', config], { stdio: 'ignore' });
  const log = () => {
    try {
      return readFileSync(logFile, 'utf8');
    } catch {
      return '';
    }
  };
  const stop = async () => {
    // One that is frozen would take no notice.
    if (!hasEnded(child)) signalGroup(child, 'SIGCONT');
    await stopChild(child);
    dir[Symbol.dispose]();
  };
  try {
    await whenReady(child, () => greets(ports.imap));
  } catch (error) {
    await stop();
    throw new Error(`Dovecot did not start: ${(error as Error).message}\n${log()}`);
  }

  let delivered = 0;
  return {
    ports,
    proxiedPorts,
    submissionPorts,
    master,
    userPassword,
    log,
    freeze: () => signalGroup(child, 'SIGSTOP'),
    thaw: () => signalGroup(child, 'SIGCONT'),
    stop,
    [Symbol.asyncDispose]: stop,
    deliver(user, count, message) {
      // maildir(5): a file in cur/ with the flag S is a message that was seen.
      const folders = ['', 'Maildir', 'Maildir/cur', 'Maildir/new', 'Maildir/tmp'];
      for (const folder of folders) {
        const path = join(mail, user, folder);
        mkdirSync(path, { recursive: true });
        chownSync(path, owner.uid, owner.gid);
      }
      for (let i = 0; i < count; i += 1) {
        delivered += 1;
        const path = join(mail, user, 'Maildir/cur', `${1_700_000_000 + delivered}.M0P${delivered}.test:2,S`);
        writeFileSync(path, message(i));
        chownSync(path, owner.uid, owner.gid);
      }
    },
    async logged(pattern) {
      const match = async () => pattern.exec(log()) ?? undefined;
      try {
        return await whenReady(child, match, PATIENCE);
      } catch {
        throw new Error(`Dovecot's log has nothing like ${pattern}:\n${log()}`);
      }
    },
  };
}

function submission(ports: { smtp: number; submissions: number }, relayPort?: number): string {
  return `
hostname = dovecot.postern.test
submission_relay_host = 127.0.0.1
submission_relay_port = ${relayPort}
service submission-login {
  ${process.getuid?.() === 0 ? '' : 'chroot ='}
  inet_listener submission {
    port = ${ports.smtp}
  }
  inet_listener submissions {
    port = ${ports.submissions}
    ssl = yes
  }
}
`;
}

/** Dovecot refuses to touch mail as root; anyone else runs everything as themselves. */
function mailOwner(): { uid: number; gid: number; isRoot: boolean } {
  const uid = process.getuid?.() ?? -1;
  const gid = process.getgid?.() ?? -1;
  return uid === 0 ? { uid: 65_534, gid: 65_534, isRoot: true } : { uid, gid, isRoot: false };
}

/** Settings without which Dovecot cannot run as anybody but root: no change of user or group, no chroot. */
function unprivileged(): string {
  // passwd(5) and group(5): the name is the first field, the number the third.
  const nameOf = (file: string, id: number | undefined) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .find((fields) => fields[2] === String(id))?.[0];
  const user = nameOf('/etc/passwd', process.getuid?.());
  return `
default_internal_user = ${user}
default_internal_group = ${nameOf('/etc/group', process.getgid?.())}
default_login_user = ${user}
service anvil {
  chroot =
}
service imap-login {
  chroot =
}
`;
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
