// Other people's mail clients as one command each. Passwords reach them by files and stdin, never by arguments.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, run } from './child-process.ts';
import { sha256 } from './mail-message.ts';
import { newLogFile } from './run-directory.ts';

/** A mailbox as a client sees it. */
export interface Account {
  readonly port: number;
  readonly tls: 'implicit' | 'starttls';
  readonly user: string;
  readonly password: string;
  /** PEM file of the authority behind the server's certificate. */
  readonly caFile: string;
}

/** curl on `imap(s)://localhost/<path>`, with further arguments. What it said on stderr is logged, with -v for everything. */
export async function curl(account: Account, path: string, ...args: readonly string[]): Promise<Outcome> {
  const scheme = account.tls === 'implicit' ? 'imaps' : 'imap';
  const config = `user = "${account.user}:${account.password}"\n`;
  const url = `${scheme}://localhost:${account.port}/${path}`;
  const outcome = await run(
    'curl',
    ['--silent', '--show-error', '--ssl-reqd', '--cacert', account.caFile, '--config', '-', ...args, url],
    { input: config },
  );
  writeFileSync(newLogFile('curl'), outcome.stderr);
  return outcome;
}

/** A message in a mirror: its Maildir flags, and the SHA-256 of all of it with LF line ends, as mbsync stores it. */
export interface Mirrored {
  readonly flags: string;
  readonly hash: string;
}

/**
 * mbsync pulls INBOX into a Maildir in `directory`, which it makes. Gives the messages by UID; throws with mbsync's own words
 * if it fails.
 */
export async function mbsync(account: Account, directory: string): Promise<Map<number, Mirrored>> {
  mkdirSync(directory, { recursive: true });
  const config = join(directory, 'mbsyncrc');
  writeFileSync(
    config,
    `
IMAPAccount account
Host localhost
Port ${account.port}
User ${account.user}
Pass "${account.password}"
SSLType ${account.tls === 'implicit' ? 'IMAPS' : 'STARTTLS'}
CertificateFile ${account.caFile}
SystemCertificates no

IMAPStore remote
Account account

MaildirStore local
Path ${directory}/
Inbox ${directory}/INBOX

Channel pull
Far :remote:
Near :local:
Patterns INBOX
Create Near
Sync Pull
SyncState *
`,
    { mode: 0o600 },
  );
  const outcome = await run('mbsync', ['--config', config, '--verbose', '--all']);
  writeFileSync(newLogFile('mbsync'), `${outcome.stdout}${outcome.stderr}`);
  if (outcome.code !== 0) throw new Error(`mbsync: exit ${outcome.code}: ${outcome.stderr}`);
  const messages = new Map<number, Mirrored>();
  for (const folder of ['cur', 'new']) {
    for (const name of readdirSync(join(directory, 'INBOX', folder))) {
      const [, uid, flags] = /,U=(\d+)(?::2,(\w*))?$/.exec(name) ?? [];
      // latin1 keeps every byte as it is. X-TUID is mbsync's own mark, another one each time.
      const bytes = readFileSync(join(directory, 'INBOX', folder, name), 'latin1').replace(
        /^X-TUID: .*\n/m,
        '',
      );
      messages.set(Number(uid), { flags: flags ?? '', hash: sha256(Buffer.from(bytes, 'latin1')) });
    }
  }
  return messages;
}

/**
 * mutt with a terminal of its own (by `script`), on the account's INBOX: it types `keys`, in mutt's own notation, and must end
 * by itself. `settings` are lines of its muttrc.
 */
export async function mutt(
  account: Account,
  directory: string,
  { keys, settings = '' }: { keys: string; settings?: string },
): Promise<void> {
  const scheme = account.tls === 'implicit' ? 'imaps' : 'imap';
  const rc = join(directory, 'muttrc');
  writeFileSync(
    rc,
    `
set imap_user = "${account.user}"
set imap_pass = "${account.password}"
set ssl_ca_certificates_file = "${account.caFile}"
set ssl_usesystemcerts = no
set ssl_starttls = yes
set ssl_force_tls = yes
set folder = "${scheme}://localhost:${account.port}/"
set spoolfile = "${scheme}://localhost:${account.port}/INBOX"
set confirmappend = no
set confirmcreate = no
set delete = yes
set quit = yes
set sleep_time = 0
set wait_key = no
set realname = "Alice"
set from = "alice@example.com"
${settings}
push "${keys}"
`,
    { mode: 0o600 },
  );
  const outcome = await run('script', ['--quiet', '--return', '--command', `mutt -F ${rc}`, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm', HOME: directory, LANG: 'C.UTF-8' },
  });
  writeFileSync(newLogFile('mutt'), outcome.stdout);
  if (outcome.code !== 0) throw new Error(`mutt: exit ${outcome.code}: ${outcome.stdout}`);
}
