// The whole chain: an authority, a slapd with a certificate of it, and Postern before that slapd.

import type { DirectoryAccount } from './ldap-clients.ts';
import { createPki, type Pki } from './pki.ts';
import { freePort } from './ports.ts';
import { type Postern, startPostern } from './postern.ts';
import { BASE, PEOPLE, SERVICE, type Slapd, type SlapdOptions, startSlapd } from './slapd.ts';

export interface DirectoryChain extends AsyncDisposable {
  readonly pki: Pki;
  readonly slapd: Slapd;
  readonly postern: Postern;
  readonly ports: { readonly ldap: number; readonly ldaps: number };
  /** A new app password for the user, and the way to use it at Postern, under this name. */
  account(user: string, name?: string, tls?: 'implicit' | 'starttls'): Promise<DirectoryAccount>;
  /** The way past Postern: as a person with the own password, or as Postern's account. */
  direct(name?: string): DirectoryAccount;
}

export interface DirectoryChainOptions {
  /** How Postern reaches slapd; implicit TLS unless told. */
  readonly tls?: 'implicit' | 'starttls';
  /** `proxied-authorization` unless told. */
  readonly method?: 'bind' | 'proxied-authorization';
  /** YAML: the route's `directory`. */
  readonly directory?: string;
  /** YAML: in place of the upstream's `userDn` or `userSearch`. */
  readonly userEntry?: string;
  /** YAML: sections that stand in place of the usual ones. */
  readonly config?: string;
  readonly slapd?: Omit<SlapdOptions, 'certificate'>;
  /** Postern has this password for its own account, which is another. */
  readonly wrongPassword?: string;
}

export const ALICE = `uid=alice,${PEOPLE}`;
export const BOB = `uid=bob,${PEOPLE}`;

export async function startPosternBeforeSlapd(options: DirectoryChainOptions = {}): Promise<DirectoryChain> {
  const { tls = 'implicit', method = 'proxied-authorization', directory, config = '' } = options;
  const userEntry =
    options.userEntry ?? `userSearch: { base: "${BASE}", filter: "(|(mail={user})(cn={local}))" }`;
  await using started = new AsyncDisposableStack();
  const pki = started.use(await createPki());
  const certificate = await pki.issue();
  const slapd = started.use(await startSlapd({ certificate, ...options.slapd }));
  const ports = { ldap: await freePort(), ldaps: await freePort() };
  const postern = started.use(
    await startPostern({
      certificate,
      files: { 'service-password': options.wrongPassword ?? slapd.postern.password },
      config: `
users:
  defaultDomain: example.com
  netbiosDomains: { EXAMPLE: example.com }
  dnTemplates: ["uid={local},${PEOPLE}"]
  dns: { "${SERVICE}": nextcloud@example.com }
  directory: { upstream: slapd, base: "${BASE}", filter: "(|(uid={login})(cn={login}))", timeout: 5s }
listeners:
  - { name: ldap, protocol: ldap, address: "127.0.0.1:${ports.ldap}", tls: starttls }
  - { name: ldaps, protocol: ldap, address: "127.0.0.1:${ports.ldaps}", tls: implicit }
upstreams:
  slapd:
    protocol: ldap
    address: localhost:${tls === 'implicit' ? slapd.ports.ldaps : slapd.ports.ldap}
    tls: ${tls}
    ca: ${pki.ca.certFile}
    login: { method: ${method}, dn: "${slapd.postern.dn}", passwordFile: ./service-password }
    ${userEntry}
routes:
  - { users: "*@example.com", ldap: slapd${directory === undefined ? '' : `, directory: ${directory}`} }
${config}
`,
    }),
  );
  const whole = started.move();
  return {
    pki,
    slapd,
    postern,
    ports,
    async account(user, name = user, way = 'implicit') {
      const { password } = await postern.createPassword(user);
      const port = way === 'implicit' ? ports.ldaps : ports.ldap;
      return { port, tls: way, name, password: password.replaceAll(' ', ''), caFile: pki.ca.certFile };
    },
    direct: (name = slapd.postern.dn) => ({
      port: slapd.ports.ldaps,
      tls: 'implicit',
      name,
      password: name === slapd.postern.dn ? slapd.postern.password : slapd.userPassword,
      caFile: pki.ca.certFile,
    }),
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}
