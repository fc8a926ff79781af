// Other people's programs that copy a mailbox: fetchmail, getmail6 and OfflineIMAP, each with a configuration of its own. Passwords are
// in those files, never in arguments. Each gives the messages that it stored, whole, with LF line ends, in no order.

import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './child-process.ts';
import type { Account } from './mail-clients.ts';
import { newLogFile } from './run-directory.ts';
import { tempDir } from './temp-dir.ts';

/** Messages as text, one character a byte. Rejects with the program's own words if it fails. */
export type MailboxReader = (account: Account) => Promise<string[]>;

export async function fetchmail({ port, tls, user, password, caFile }: Account): Promise<string[]> {
  using dir = tempDir();
  const { mail, deliver } = delivery(dir.path);
  const rc = join(dir.path, 'fetchmailrc');
  writeFileSync(
    rc,
    `set invisible
poll localhost protocol IMAP service ${port} auth password
  username "${user}" password "${password}"
  ${tls === 'implicit' ? 'ssl' : ''} sslproto "TLS1.2+" sslcertck sslcertfile "${caFile}"
  fetchall keep no rewrite mda "${deliver}"
`,
    { mode: 0o600 },
  );
  await programRun(
    'fetchmail',
    ['--fetchmailrc', rc, '--nosyslog', '--pidfile', join(dir.path, 'pid')],
    dir.path,
  );
  return filesIn(mail);
}

export async function getmail({ port, tls, user, password, caFile }: Account): Promise<string[]> {
  // It has no STARTTLS for IMAP.
  if (tls !== 'implicit') throw new Error('getmail6 speaks IMAP with implicit TLS only');
  using dir = tempDir();
  const { mail, deliver } = delivery(dir.path);
  writeFileSync(
    join(dir.path, 'getmailrc'),
    `[retriever]
type = SimpleIMAPSSLRetriever
server = localhost
port = ${port}
username = ${user}
password = ${password}
ca_certs = ${caFile}
mailboxes = ("INBOX",)
[destination]
type = MDA_external
path = ${deliver}
# Root, which tests may be, has no mailbox of its own to it.
allow_root_commands = true
[options]
delivered_to = false
received = false
read_all = true
`,
    { mode: 0o600 },
  );
  await programRun('getmail', ['--getmaildir', dir.path, '--rcfile', 'getmailrc'], dir.path);
  // What it adds by itself.
  const own = /^(Return-Path: <unknown>|X-getmail-retrieved-from-mailbox: INBOX)\n/gm;
  return filesIn(mail).map((text) => text.replace(own, ''));
}

export async function offlineimap({ port, tls, user, password, caFile }: Account): Promise<string[]> {
  // imaplib2 3.05 sometimes misses the first answer after STARTTLS (measured, at Dovecot itself too).
  if (tls !== 'implicit') throw new Error('OfflineIMAP’s STARTTLS is a matter of luck');
  using dir = tempDir();
  const rc = join(dir.path, 'offlineimaprc');
  writeFileSync(
    rc,
    `[general]
accounts = all
metadata = ${dir.path}/metadata
[Account all]
localrepository = here
remoterepository = there
[Repository here]
type = Maildir
localfolders = ${dir.path}/mail
[Repository there]
type = IMAP
remotehost = localhost
remoteport = ${port}
remoteuser = ${user}
remotepass = ${password}
ssl = yes
sslcacertfile = ${caFile}
`,
    { mode: 0o600 },
  );
  await programRun('offlineimap', ['-c', rc, '-o', '-1', '-u', 'basic'], dir.path);
  const inbox = join(dir.path, 'mail', 'INBOX');
  return [...filesIn(join(inbox, 'new')), ...filesIn(join(inbox, 'cur'))];
}

async function programRun(program: string, args: readonly string[], home: string): Promise<void> {
  const env = { ...process.env, HOME: home, LANG: 'C.UTF-8' };
  const { code, stdout, stderr } = await run(program, args, { env, patience: 120_000 });
  writeFileSync(newLogFile(program), `${stdout}${stderr}`);
  if (code !== 0) throw new Error(`${program}: exit ${code}; its words are in the run's logs`);
}

/** A folder, and a program that puts what it reads into a new file there. */
function delivery(parent: string): { mail: string; deliver: string } {
  const mail = join(parent, 'mail');
  mkdirSync(mail);
  const deliver = join(parent, 'deliver');
  writeFileSync(deliver, `#!/bin/sh\nexec cat > "$(mktemp ${mail}/XXXXXXXX)"\n`);
  chmodSync(deliver, 0o700);
  return { mail, deliver };
}

function filesIn(directory: string): string[] {
  return readdirSync(directory).map((name) => readFileSync(join(directory, name), 'latin1'));
}
