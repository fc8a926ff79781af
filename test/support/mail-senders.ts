// More of other people's SMTP clients, each sending one message: nullmailer, s-nail, PHPMailer, JavaMail. Passwords reach them by files and
// stdin, never by arguments. (Those of smtp-clients.ts send any bytes; these make or mend a message themselves.)

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, run } from './child-process.ts';
import { java } from './java-client.ts';
import { NULLMAILER_SMTP } from './nullmailer-package.ts';
import { newLogFile } from './run-directory.ts';
import { script } from './scripts.ts';
import type { SmtpAccount } from './smtp-clients.ts';
import { tempDir } from './temp-dir.ts';

export interface Letter {
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  /** Lines that end in LF. */
  readonly body: string;
}

/** The client's exit code: 0 if the server has the message. What it said is logged. */
export type Sender = (account: SmtpAccount, letter: Letter) => Promise<number | null>;

/** As nullmailer-send calls it: options on stdin, the envelope and the message on descriptor 3. `auth-login`: not by PLAIN. */
export function nullmailer(options: readonly string[] = []): Sender {
  return async (account, { from, to, subject, body }) => {
    using dir = tempDir();
    const file = join(dir.path, 'message');
    writeFileSync(file, `${from}\n${to}\n\nFrom: ${from}\nTo: ${to}\nSubject: ${subject}\n\n${body}`);
    const lines = [
      'host=localhost',
      `port=${account.port}`,
      `user=${account.user}`,
      `pass=${account.password}`,
      `x509cafile=${account.caFile}`,
      account.tls === 'implicit' ? 'tls' : 'starttls',
      ...options,
    ];
    // The shell opens what the program expects to be open.
    const args = ['-c', 'exec "$0" 3< "$1"', NULLMAILER_SMTP, file];
    const env = { ...process.env, HELOHOST: 'nullmailer.example' };
    return logged('nullmailer', await run('sh', args, { input: `${lines.join('\n')}\n\n`, env }));
  };
}

export const snail: Sender = async (account, { from, to, subject, body }) => {
  using dir = tempDir();
  const rc = join(dir.path, 'mailrc');
  const scheme = account.tls === 'implicit' ? 'smtps' : 'smtp';
  const secret = encodeURIComponent(account.password);
  writeFileSync(
    rc,
    `set v15-compat
set mta=${scheme}://${encodeURIComponent(account.user)}:${secret}@localhost:${account.port}
set ${account.tls === 'starttls' ? '' : 'no'}smtp-use-starttls
set tls-ca-file=${account.caFile} tls-ca-no-defaults tls-verify=strict
set from=${from}
set sendwait nosave
`,
    { mode: 0o600 },
  );
  const env = { ...process.env, MAILRC: rc, HOME: dir.path, LANG: 'C.UTF-8' };
  return logged('s-nail', await run('s-nail', ['-:u', '-s', subject, to], { input: body, env }));
};

export const phpMailer: Sender = async (account, letter) => {
  const text = `<?php
require '/usr/share/php/libphp-phpmailer/autoload.php';
$facts = json_decode(stream_get_contents(STDIN));
$mail = new PHPMailer\\PHPMailer\\PHPMailer(true);
$mail->isSMTP();
$mail->Host = 'localhost';
$mail->Port = $facts->port;
$mail->SMTPAuth = true;
$mail->Username = $facts->user;
$mail->Password = $facts->password;
$mail->SMTPSecure = $facts->tls === 'implicit' ? 'ssl' : 'tls';
$mail->SMTPOptions = ['ssl' => ['cafile' => $facts->caFile]];
$mail->setFrom($facts->from);
$mail->addAddress($facts->to);
$mail->Subject = $facts->subject;
$mail->Body = $facts->body;
try {
  $mail->send();
} catch (Exception $failure) {
  echo get_class($failure), "\\n";
  exit(1);
}
`;
  return (await script('php', text, { ...account, ...letter })).code;
};

export const javaMail: Sender = async (account, letter) => {
  const main = `
    var implicit = fact("tls").equals("implicit");
    var protocol = implicit ? "smtps" : "smtp";
    var properties = new Properties();
    properties.put("mail." + protocol + ".auth", "true");
    properties.put("mail." + protocol + ".ssl.socketFactory", tls());
    properties.put("mail." + protocol + ".ssl.checkserveridentity", "true");
    properties.put("mail.smtp.starttls.enable", "true");
    properties.put("mail.smtp.starttls.required", "true");
    var session = Session.getInstance(properties);
    var message = new MimeMessage(session);
    message.setFrom(fact("from"));
    message.setRecipients(Message.RecipientType.TO, fact("to"));
    message.setSubject(fact("subject"));
    message.setText(fact("body").replace("\\\\n", "\\n"));
    message.saveChanges();
    try (var transport = session.getTransport(protocol)) {
      transport.connect("localhost", Integer.parseInt(fact("port")), fact("user"), fact("password"));
      transport.sendMessage(message, message.getAllRecipients());
    }
`;
  const imports = ['javax.mail.Message', 'javax.mail.Session', 'javax.mail.internet.*'];
  return (await java({ imports, main }, { ...account, ...letter })).code;
};

function logged(name: string, { code, stdout, stderr }: Outcome): number | null {
  writeFileSync(newLogFile(name), `${stdout}${stderr}`);
  return code;
}
