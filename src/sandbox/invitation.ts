// What the sandbox prints when it is ready to be played with. Every command works as it stands, from the project's root.

import { BASE } from './address-book.ts';
import type { MadePassword } from './command.ts';
import type { SandboxFiles } from './directory.ts';
import { SIGN_IN } from './sign-in-provider.ts';
import type { SandboxPorts } from './start.ts';

export interface InvitationFacts {
  readonly user: string;
  readonly device: MadePassword;
  readonly ports: SandboxPorts;
  /** URL. */
  readonly portal: string;
  /** Paths from the project's root. */
  readonly files: SandboxFiles;
}

export function invitation({ user, device, ports, portal, files }: InvitationFacts): string {
  const password = device.password.replace(/.{4}(?=.)/g, '$& ');
  const plain = Buffer.from(`\0${user}\0${device.password}`).toString('base64');
  const ca = shellWord(files.ca);
  const config = shellWord(files.config);
  const curl = `curl --cacert ${ca} --netrc-file ${shellWord(files.netrc)}`;
  const ldapsearch = `LDAPTLS_CACERT=${ca} ldapsearch -LLL -x -y ${shellWord(files.password)}`;
  return `
Everything works. It stays up until Ctrl-C.

  user           ${user} (or any other @example.com: make it an app password below; all share one mailbox)
  app password   ${password}
  IMAP           localhost, port ${ports.imap} with STARTTLS or ${ports.imaps} with SSL/TLS
  SMTP           localhost, port ${ports.smtp} with STARTTLS or ${ports.submissions} with SSL/TLS
  LDAP           localhost, port ${ports.ldap} with StartTLS or ${ports.ldaps} with SSL/TLS; base ${BASE}
  authority      ${files.ca} (your mail client has to trust it)
  portal         ${portal} (password ${SIGN_IN.password}, code ${SIGN_IN.code}; ${SIGN_IN.admin}@example.com is an admin)

The folders, the mailbox, a message; the same with STARTTLS:

  ${curl} imaps://localhost:${ports.imaps}/
  ${curl} imaps://localhost:${ports.imaps}/INBOX -X 'FETCH 1:* FLAGS'
  ${curl} 'imaps://localhost:${ports.imaps}/INBOX;MAILINDEX=1'
  ${curl} --ssl-reqd imap://localhost:${ports.imap}/

A message, from ${user} to anybody: it lands in the one mailbox. The same with STARTTLS:

  printf 'Subject: By curl\\r\\n\\r\\nHello\\r\\n' | ${curl} smtps://localhost:${ports.submissions} --mail-from ${user} --mail-rcpt you@example.com -T -
  printf 'Subject: By curl\\r\\n\\r\\nHello\\r\\n' | ${curl} --ssl-reqd smtp://localhost:${ports.smtp} --mail-from ${user} --mail-rcpt you@example.com -T -

Somebody's telephone number; the same with StartTLS and a name as Windows has it (by address, since ldapsearch takes localhost for
this machine's own name, which is not in the certificate):

  ${ldapsearch} -H ldaps://127.0.0.1:${ports.ldaps} -D ${user} -b ${BASE} uid=ada telephoneNumber
  ${ldapsearch} -H ldap://127.0.0.1:${ports.ldap} -ZZ -D 'EXAMPLE\\${user.split('@', 1)}' -b ${BASE} uid=grace telephoneNumber

By hand (a LOGIN ${user} ${device.password}, then b SELECT INBOX):

  openssl s_client -quiet -crlf -verify_return_error -servername localhost -CAfile ${ca} -connect localhost:${ports.imaps}
  openssl s_client -quiet -crlf -verify_return_error -servername localhost -CAfile ${ca} -connect localhost:${ports.imap} -starttls imap

By hand (EHLO me, then AUTH PLAIN ${plain}, then MAIL FROM:<${user}>):

  openssl s_client -quiet -crlf -verify_return_error -servername localhost -CAfile ${ca} -connect localhost:${ports.submissions}
  openssl s_client -quiet -crlf -verify_return_error -servername localhost -CAfile ${ca} -connect localhost:${ports.smtp} -starttls smtp

Postern's own commands (in another terminal; npx finds the Node that Postern needs):

  npx node bin/postern.js password create --user you@example.com --name phone --config ${config}
  npx node bin/postern.js password list --config ${config}
  npx node bin/postern.js password revoke --user you@example.com --all --config ${config}
  npx node bin/postern.js sessions list --config ${config}
  npx node bin/postern.js user disable you@example.com --config ${config}

What an operator sees:

  curl http://127.0.0.1:${ports.admin}/metrics
  tail -f ${shellWord(files.log)}
`;
}

function shellWord(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
