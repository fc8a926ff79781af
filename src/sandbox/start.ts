// Starts what the sandbox is made of: the mailbox, the mail server that delivers into it, the address book, and Postern before them
// on a config file like an admin's.

import { pino } from 'pino';
import { stringify } from 'yaml';
import { type App, createApp } from '../app/app.ts';
import { loadConfig } from '../config/config.ts';
import { ConfigError } from '../lib/errors.ts';
import { createLog } from '../lib/log.ts';
import { type AddressBook, PEOPLE, startAddressBook } from './address-book.ts';
import { makeCertificates } from './certificates.ts';
import { CONFIG_HEAD, type SandboxFiles, writeAtOnce, writePrivate } from './directory.ts';
import { type MailServer, startMailServer } from './mail-server.ts';
import { type Mailbox, startMailbox } from './mailbox.ts';
import { choosePort } from './ports.ts';
import { type SignInProvider, startSignInProvider } from './sign-in-provider.ts';

export const DOMAIN = 'example.com';
export const USER = `demo@${DOMAIN}`;

export interface SandboxPorts {
  /** STARTTLS. */
  readonly imap: number;
  /** Implicit TLS. */
  readonly imaps: number;
  /** STARTTLS. */
  readonly smtp: number;
  /** Implicit TLS. */
  readonly submissions: number;
  /** STARTTLS. */
  readonly ldap: number;
  /** Implicit TLS. */
  readonly ldaps: number;
  readonly admin: number;
}

export interface Sandbox extends AsyncDisposable {
  /** The certificate authority, PEM. */
  readonly ca: string;
  readonly ports: SandboxPorts;
  /** The portal's URL. */
  readonly portal: string;
}

const WANTED_PORTAL = 8080;
const WANTED: SandboxPorts = {
  imap: 1143,
  imaps: 1993,
  smtp: 1587,
  submissions: 1465,
  ldap: 1389,
  ldaps: 1636,
  admin: 9090,
};
/** Between choosing a port and listening on it, another program may take it. */
const TRIES = 5;

/** The directory is empty. Rejects with ConfigError. */
export async function startSandbox(files: SandboxFiles, env: NodeJS.ProcessEnv): Promise<Sandbox> {
  await using started = new AsyncDisposableStack();
  const { ca, certificate, key } = await makeCertificates(Date.now());
  writePrivate(files.ca, ca);
  writePrivate(files.certificate, certificate);
  writePrivate(files.key, key);
  writePrivate(files.log, '');
  const mailbox = started.use(await startMailbox());
  const signIn = started.use(await startSignInProvider({ domain: DOMAIN, user: USER }));
  const mailServer = started.use(await startMailServer(mailbox.deliver));
  const addressBook = started.use(await startAddressBook());
  for (let tries = 1; ; tries++) {
    const ports = {
      imap: await choosePort(WANTED.imap),
      imaps: await choosePort(WANTED.imaps),
      smtp: await choosePort(WANTED.smtp),
      submissions: await choosePort(WANTED.submissions),
      ldap: await choosePort(WANTED.ldap),
      ldaps: await choosePort(WANTED.ldaps),
      admin: await choosePort(WANTED.admin),
    };
    const { portal } = portalSection(await choosePort(WANTED_PORTAL), signIn);
    try {
      started.use(await startPostern(files, ports, { mailbox, mailServer, addressBook }, { portal }, env));
      const everything = started.move();
      return { ca, ports, portal: portal.publicUrl, [Symbol.asyncDispose]: () => everything.disposeAsync() };
    } catch (error) {
      const taken = error instanceof ConfigError && error.message.includes('the port is taken');
      if (!taken || tries === TRIES) throw error;
    }
  }
}

interface Upstreams {
  readonly mailbox: Mailbox;
  readonly mailServer: MailServer;
  readonly addressBook: AddressBook;
}

async function startPostern(
  files: SandboxFiles,
  ports: SandboxPorts,
  upstreams: Upstreams,
  sections: object,
  env: NodeJS.ProcessEnv,
): Promise<App> {
  writeAtOnce(files.config, configText(ports, upstreams, sections));
  const config = await loadConfig(files.config, env);
  const log = createLog(config.log.level, pino.destination({ dest: files.log, sync: true }));
  return createApp(config, { log, version: 'sandbox' });
}

/** As little as it takes: everything else is Postern's default. Paths are relative to the file. */
function configText(
  ports: SandboxPorts,
  { mailbox, mailServer, addressBook }: Upstreams,
  sections: object,
): string {
  const config = {
    hostname: 'localhost',
    store: { url: 'sqlite:./postern.db' },
    keys: { file: './keys.json' },
    tls: { certificate: './server.pem', key: './server.key' },
    users: {
      defaultDomain: DOMAIN,
      netbiosDomains: { EXAMPLE: DOMAIN },
      dnTemplates: [`uid={local},${PEOPLE}`],
    },
    listeners: [
      { name: 'imap', protocol: 'imap', address: `127.0.0.1:${ports.imap}`, tls: 'starttls' },
      { name: 'imaps', protocol: 'imap', address: `127.0.0.1:${ports.imaps}`, tls: 'implicit' },
      { name: 'smtp', protocol: 'smtp', address: `127.0.0.1:${ports.smtp}`, tls: 'starttls' },
      {
        name: 'submissions',
        protocol: 'smtp',
        address: `127.0.0.1:${ports.submissions}`,
        tls: 'implicit',
      },
      { name: 'ldap', protocol: 'ldap', address: `127.0.0.1:${ports.ldap}`, tls: 'starttls' },
      { name: 'ldaps', protocol: 'ldap', address: `127.0.0.1:${ports.ldaps}`, tls: 'implicit' },
    ],
    upstreams: {
      mailbox: {
        protocol: 'imap',
        address: `127.0.0.1:${mailbox.port}`,
        tls: 'none',
        // Its one account, for whoever logs in.
        login: { method: 'password', user: mailbox.user, password: mailbox.password.reveal() },
      },
      mailServer: {
        protocol: 'smtp',
        address: `127.0.0.1:${mailServer.port}`,
        tls: 'none',
        login: { method: 'password', user: mailServer.user, password: mailServer.password.reveal() },
      },
      addressBook: {
        protocol: 'ldap',
        address: `127.0.0.1:${addressBook.port}`,
        tls: 'none',
        login: { method: 'bind', dn: addressBook.dn, password: addressBook.password.reveal() },
      },
    },
    routes: [{ users: `*@${DOMAIN}`, imap: 'mailbox', smtp: 'mailServer', ldap: 'addressBook' }],
    admin: { address: `127.0.0.1:${ports.admin}` },
    log: { level: 'debug' },
    ...sections,
  };
  return CONFIG_HEAD + stringify(config);
}

/** The portal, and the sign-in that it asks. */
function portalSection(port: number, signIn: SignInProvider) {
  const publicUrl = `http://localhost:${port}`;
  const help = 'This is the sandbox: everything that you make here is gone when it starts anew.';
  return { portal: { address: `127.0.0.1:${port}`, publicUrl, help, ...signIn.portalSections(publicUrl) } };
}
