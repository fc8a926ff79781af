// Other people's SMTP clients, each sending one message: swaks, msmtp, curl, nodemailer.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { run } from './child-process.ts';
import { mask } from './secrets-ledger.ts';
import { tempDir } from './temp-dir.ts';

export interface SmtpAccount {
  readonly port: number;
  readonly tls: 'implicit' | 'starttls';
  readonly user: string;
  readonly password: string;
  readonly caFile: string;
}

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** Whole, in CR LF. */
  readonly message: Buffer;
}

/** How it ended: `ok`, or what the client said, secrets masked. */
export type Sent = 'ok' | string;

/** `auth`: the mechanism to use. */
export async function sendBySwaks(
  account: SmtpAccount,
  mail: Mail,
  auth: 'PLAIN' | 'LOGIN' = 'PLAIN',
  more: readonly string[] = [],
): Promise<Sent> {
  const file = join(import.meta.dirname, '..', '..');
  using dir = tempDir();
  const data = join(dir.path, 'message');
  writeFileSync(data, mail.message.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
  const config = join(dir.path, 'swaksrc');
  // Not on the command line, which others can see.
  writeFileSync(config, `auth-password ${account.password}\n`, { mode: 0o600 });
  return outcome(
    await run(
      'swaks',
      [
        ...['--config', config, '--server', 'localhost', '--port', String(account.port)],
        ...['--from', mail.from, '--to', mail.to.join(','), '--data', `@${data}`],
        ...['--auth', auth, '--auth-user', account.user, '--ehlo', 'swaks.example'],
        ...[account.tls === 'implicit' ? '--tlsc' : '--tls', '--tls-verify', '--tls-ca-path', account.caFile],
        '--suppress-data',
        ...more,
      ],
      { cwd: file },
    ),
  );
}

export async function sendByMsmtp(account: SmtpAccount, mail: Mail, auth = 'on'): Promise<Sent> {
  using dir = tempDir();
  const config = join(dir.path, 'msmtprc');
  writeFileSync(
    config,
    `account default
host localhost
port ${account.port}
tls on
tls_starttls ${account.tls === 'starttls' ? 'on' : 'off'}
tls_trust_file ${account.caFile}
auth ${auth}
user ${account.user}
password ${account.password}
from ${mail.from}
`,
    { mode: 0o600 },
  );
  const input = mail.message.toString('latin1').replaceAll('\r\n', '\n');
  return outcome(await run('msmtp', ['-C', config, '--', ...mail.to], { input }));
}

export async function sendByCurl(account: SmtpAccount, mail: Mail): Promise<Sent> {
  using dir = tempDir();
  const data = join(dir.path, 'message');
  writeFileSync(data, mail.message);
  const netrc = join(dir.path, 'netrc');
  writeFileSync(netrc, `machine localhost login ${account.user} password ${account.password}\n`, {
    mode: 0o600,
  });
  const scheme = account.tls === 'implicit' ? 'smtps' : 'smtp';
  return outcome(
    await run('curl', [
      ...['-sS', '--ssl-reqd', '--cacert', account.caFile, '--netrc-file', netrc],
      ...[`${scheme}://localhost:${account.port}`, '--mail-from', mail.from, '-T', data],
      ...mail.to.flatMap((to) => ['--mail-rcpt', to]),
    ]),
  );
}

export async function sendByNodemailer(
  account: SmtpAccount & { readonly ca: string },
  mail: Mail,
  method: 'PLAIN' | 'LOGIN' = 'PLAIN',
): Promise<Sent> {
  const transport = createTransport({
    host: 'localhost',
    port: account.port,
    secure: account.tls === 'implicit',
    requireTLS: true,
    auth: { user: account.user, pass: account.password },
    authMethod: method,
    tls: { ca: account.ca },
  });
  try {
    await transport.sendMail({ envelope: { from: mail.from, to: [...mail.to] }, raw: mail.message });
    return 'ok';
  } catch (error) {
    return mask((error as Error).message);
  } finally {
    transport.close();
  }
}

function outcome({ code, stdout, stderr }: { code: number | null; stdout: string; stderr: string }): Sent {
  return code === 0 ? 'ok' : mask(`exit ${code}: ${stdout}${stderr}`);
}
