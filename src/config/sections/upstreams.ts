// `upstreams`: the servers behind Postern, and how it logs in to them.

import { z } from 'zod';
import { OFFERABLE_CAPABILITIES, placeOfCapability } from '../../lib/imap-capabilities.ts';
import { listOf, named, optional, reshaped, section } from '../shapes.ts';
import { orList } from '../suggest.ts';
import {
  choice,
  distinguishedName,
  dnTemplate,
  domain,
  duration,
  filterTemplate,
  flag,
  hostPort,
  line,
  path,
  secret,
  text,
} from '../values.ts';
import { needsSecret, type Written } from '../written.ts';
import { protocol } from './protocol.ts';

/** None of them can be part of a user's name, so a client cannot write one into its login. */
const SEPARATORS = ['*', '%', '/', ',', '='] as const;

/** What each protocol's servers can be logged in to by. */
const METHODS = {
  imap: ['plain', 'master-suffix', 'password'],
  smtp: ['plain', 'password', 'xclient', 'none'],
  ldap: ['bind', 'proxied-authorization'],
} as const;

const loginSection = section({
  /**
   * `plain`: SASL PLAIN as `user` on behalf of the mail user (Dovecot, Cyrus; IMAP and SMTP); `master-suffix`: as
   * `mailuser*user` (Dovecot master users; IMAP); `password`: one fixed account, whoever the mail user is (IMAP,
   * SMTP); `xclient`: XCLIENT names the mail user (Postfix; SMTP); `none`: a relay that trusts Postern’s address
   * (SMTP); `bind`: one service account, `dn` (LDAP); `proxied-authorization`: as `dn` on behalf of the user, RFC
   * 4370 (LDAP).
   */
  method: choice(
    ['plain', 'master-suffix', 'password', 'xclient', 'none', 'bind', 'proxied-authorization'],
    'other methods are not supported by this version',
  ),
  /** The name that Postern logs in with: with `plain`, `master-suffix` and `password`. */
  user: optional(line('a user name')),
  /** Whom Postern binds as: with `bind` and `proxied-authorization`. */
  dn: optional(line('a distinguished name, such as cn=postern,dc=example,dc=com')),
  /** Its password, with every method but `xclient` and `none`. This or `passwordFile`. */
  password: secret({
    example: './secrets/master',
    meaning: 'A file that holds its password on one line, closed to other users. This or `password`.',
  }),
  /** What stands between mail user and `user`, with `master-suffix`. Default: `*`. */
  separator: optional(choice(SEPARATORS)),
});

type LoginFields = z.output<typeof loginSection>;

/** How Postern logs in by a method, with the keys that it needs. */
type LoginBy<Method, Key extends keyof LoginFields = never> = { readonly method: Method } & Present<
  Pick<LoginFields, Key | 'method'>
>;
type Present<Fields> = { [Key in keyof Fields]: NonNullable<Fields[Key]> };

export type ImapLogin =
  | LoginBy<'plain', 'user' | 'password'>
  | LoginBy<'password', 'user' | 'password'>
  | LoginBy<'master-suffix', 'user' | 'password' | 'separator'>;
export type SmtpLogin =
  | LoginBy<'plain', 'user' | 'password'>
  | LoginBy<'password', 'user' | 'password'>
  | LoginBy<'xclient'>
  | LoginBy<'none'>;
export type LdapLogin = LoginBy<'bind' | 'proxied-authorization', 'dn' | 'password'>;

/** `checkLogin` has seen to it that there is what the method needs, and nothing else. */
const loginSchema = reshaped(
  loginSection,
  (login) => {
    const separator = login.separator ?? (login.method === 'master-suffix' ? '*' : null);
    const written = Object.entries({ ...login, separator }).filter(([, value]) => value !== null);
    return Object.fromEntries(written) as unknown as ImapLogin | SmtpLogin | LdapLogin;
  },
  (login) => ({ user: null, dn: null, password: null, separator: null, ...login }),
);

const upstreamSection = section({
  /** What the server speaks. */
  protocol: protocol(),
  /** Where it is: one address, or several that are tried in turn. */
  address: addresses(),
  /** `implicit`: TLS from the first byte; `starttls`: TLS before anything else; `none`: in clear, for loopback. */
  tls: choice(['implicit', 'starttls', 'none']),
  /** Authorities to trust for it, PEM. Default: those that Node.js trusts. */
  ca: optional(path('./tls/internal-ca.pem')),
  /** The name that its certificate must be for. Default: the host in `address`. */
  serverName: optional(domain('imap.example.com')),
  /** SHA-256 of the one certificate to accept, instead of verifying it by authorities and name. */
  fingerprint: optional(
    text(
      'must be the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons',
      parseFingerprint,
    ).meta({ title: 'fingerprint' }),
  ),
  login: loginSchema,
  /** Time to connect to one address, TLS included. */
  connectDeadline: duration('10ms', '5m').prefault('5s'),
  /** Time to log in once connected. */
  loginDeadline: duration('10ms', '5m').prefault('20s'),
  /**
   * `v2`: every connection begins with a PROXY header that says where the client is, ahead of TLS. The server has to
   * expect it (Dovecot: `haproxy = yes`).
   */
  proxyProtocol: choice(['none', 'v2']).prefault('none'),
  /**
   * Whether it is told the client’s address (IMAP ID, SMTP XCLIENT, LDAP by `sessionTracking`): `secure` means only over
   * TLS or to loopback.
   */
  sendClientAddress: choice(['secure', 'always', 'never']).prefault('secure'),
  /**
   * IMAP: join clients to a server that offers UNAUTHENTICATE (RFC 8437) after login. A client could then log in
   * there again, past Postern.
   */
  acceptUnauthenticate: flag().optional().prefault(false),
  /**
   * IMAP: what clients are offered of it before they log in, such as `[IDLE, ENABLE]`, while no two users have logged in,
   * and at most. Default: what it offers to strangers, and then what it offers after each of the last logins.
   */
  capabilities: optional(listOf(capability())),
  /**
   * LDAP: whether every request tells the server’s log the user and the client’s address (session tracking,
   * draft-wahl-ldap-session), the address as `sendClientAddress` allows.
   */
  sessionTracking: flag().optional().prefault(false),
  /**
   * LDAP: the user’s own entry, with `{user}`, `{local}` or `{domain}` in it. For `proxied-authorization`, and for
   * the answer to “Who am I”. This or `userSearch`.
   */
  userDn: optional(dnTemplate()),
  /** LDAP: how the user’s own entry is looked for, where its name does not follow from the user’s. */
  userSearch: optional(
    section({
      /** The entry below which to look. */
      base: distinguishedName('ou=people,dc=example,dc=com'),
      /** What to look for (RFC 4515), with `{user}`, `{local}` or `{domain}` in it. One entry alone has to fit. */
      filter: filterTemplate('(mail={user})', ['user', 'local', 'domain']),
    }),
  ),
});

/** What may be offered before login; in upper case. */
function capability() {
  const error = `must be one of those that may be offered before login: ${OFFERABLE_CAPABILITIES.join(' ')}`;
  return text(error, (written) => {
    const name = written.toUpperCase();
    return placeOfCapability(name) === -1 ? undefined : name;
  }).meta({ title: 'capability name' });
}

/** One, or several: a list in any case. */
function addresses() {
  const one = hostPort('imap.internal:993', { anyPort: false });
  const several = z
    .array(one, { error: 'must be host:port, or a list of them' })
    .min(1, { error: 'must have at least one address' });
  return reshaped(
    z.union([one, several]).meta({ title: 'host:port, or a list' }),
    (address) => (Array.isArray(address) ? address : [address]),
    (address) => address,
  );
}

type Fields = z.output<typeof upstreamSection>;

/** What upstreams of all protocols have. */
type AnyUpstream = Omit<
  Fields,
  'address' | 'login' | 'acceptUnauthenticate' | 'capabilities' | 'sessionTracking' | 'userDn' | 'userSearch'
> & {
  readonly name: string;
  /** Tried in turn. At least one. */
  readonly addresses: Fields['address'];
};

type ImapUpstream = AnyUpstream &
  Present<Pick<Fields, 'acceptUnauthenticate'>> &
  Pick<Fields, 'capabilities'> & { readonly protocol: 'imap'; readonly login: ImapLogin };

type SmtpUpstream = AnyUpstream & { readonly protocol: 'smtp'; readonly login: SmtpLogin };

type LdapUpstream = AnyUpstream &
  Present<Pick<Fields, 'sessionTracking'>> & {
    readonly protocol: 'ldap';
    readonly login: LdapLogin;
    /** How the user's own entry is found; null, which only `bind` allows: it is not looked for. */
    readonly userEntry: { readonly template: NonNullable<Fields['userDn']> } | Fields['userSearch'];
  };

type Upstream = ImapUpstream | SmtpUpstream | LdapUpstream;

export const upstreamsSchema = reshaped(
  named(upstreamSection),
  (upstreams) =>
    Object.fromEntries(Object.entries(upstreams).map(([name, fields]) => [name, upstreamOf(name, fields)])),
  (upstreams) =>
    Object.fromEntries(Object.entries(upstreams).map(([name, upstream]) => [name, fieldsOf(upstream)])),
);

/** The rules have seen to it that the login is one of the protocol's. */
function upstreamOf(name: string, fields: Fields): Upstream {
  const {
    protocol,
    address,
    acceptUnauthenticate = false,
    capabilities,
    sessionTracking = false,
    userDn,
    userSearch,
    ...common
  } = fields;
  const upstream = { name, protocol, addresses: address, ...common };
  const userEntry = userDn ? { template: userDn } : userSearch;
  if (protocol === 'imap') return { ...upstream, acceptUnauthenticate, capabilities } as ImapUpstream;
  return (protocol === 'ldap' ? { ...upstream, sessionTracking, userEntry } : upstream) as
    | SmtpUpstream
    | LdapUpstream;
}

function fieldsOf({ name: _, addresses: address, ...upstream }: Upstream): Fields {
  const none = {
    acceptUnauthenticate: undefined,
    capabilities: null,
    sessionTracking: undefined,
    userDn: null,
    userSearch: null,
  };
  if (upstream.protocol !== 'ldap') return { ...none, ...upstream, address };
  const { userEntry, ...fields } = upstream;
  const entry =
    userEntry && 'template' in userEntry ? { userDn: userEntry.template } : { userSearch: userEntry };
  return { ...none, ...fields, ...entry, address };
}

/** `AB:CD:…` in upper case; undefined if the text is not 32 bytes in hexadecimal. */
export function parseFingerprint(text: string): string | undefined {
  const separated = /^([0-9a-f]{2}:){31}[0-9a-f]{2}$/i.test(text);
  if (!separated && !/^[0-9a-f]{64}$/i.test(text)) return undefined;
  return text.replaceAll(':', '').toUpperCase().match(/../g)?.join(':');
}

/** Keys that only mean something together with others. */
export function checkUpstreams(upstreams: Written): void {
  if (upstreams.isWritten && typeof upstreams.value === 'object' && upstreams.entries().length === 0) {
    upstreams.wrong('is empty, must have at least one upstream');
  }
  for (const [, upstream] of upstreams.entries()) {
    const notWhen = (key: string, condition: boolean, because: string) => {
      if (condition && upstream.get(key).isWritten)
        upstream.get(key).wrongKey(`${because}, must be left out`);
    };
    const inClear = upstream.get('tls').text === 'none';
    const pinned = !inClear && upstream.get('fingerprint').isWritten;
    notWhen('ca', inClear, 'means nothing with tls: none');
    notWhen('serverName', inClear, 'means nothing with tls: none');
    notWhen('fingerprint', inClear, 'means nothing with tls: none');
    notWhen('ca', pinned, 'means nothing beside fingerprint');
    notWhen('serverName', pinned, 'means nothing beside fingerprint');
    const protocol = upstream.get('protocol').text;
    const other = protocol !== undefined && protocol !== 'imap';
    notWhen('acceptUnauthenticate', other, `means nothing with protocol: ${protocol}`);
    notWhen('capabilities', other, `means nothing with protocol: ${protocol}`);
    const noDirectory = protocol !== undefined && protocol !== 'ldap';
    notWhen('sessionTracking', noDirectory, `means nothing with protocol: ${protocol}`);
    notWhen('userDn', noDirectory, `means nothing with protocol: ${protocol}`);
    notWhen('userSearch', noDirectory, `means nothing with protocol: ${protocol}`);
    notWhen('userSearch', upstream.get('userDn').isWritten, 'stands beside userDn');
    if (
      !noDirectory &&
      upstream.get('login').get('method').text === 'proxied-authorization' &&
      !upstream.get('userDn').isWritten &&
      !upstream.get('userSearch').isWritten
    ) {
      upstream
        .get('userDn')
        .wrong(
          'is missing, must be the user’s own entry, or userSearch has to be there: proxied-authorization needs it',
        );
    }
    checkLogin(upstream.get('login'), protocol);
  }
}

/** The method fits the protocol, and there is what it needs and nothing else. */
function checkLogin(login: Written, protocol: string | undefined): void {
  const method = login.get('method');
  const { text } = method;
  if (login.isWritten && !isWithoutPassword(text)) needsSecret(login, 'password');
  if (text === undefined) return;
  const allowed: readonly string[] = Object.hasOwn(METHODS, protocol ?? '')
    ? METHODS[protocol as keyof typeof METHODS]
    : Object.values(METHODS).flat();
  if (
    Object.values(METHODS)
      .flat()
      .includes(text as never) &&
    !allowed.includes(text)
  ) {
    method.wrong(`is not a method of ${protocol}, must be ${orList(allowed)}`);
    return;
  }
  const needs = (key: string, methods: readonly string[], what: string) => {
    const value = login.get(key);
    if (methods.includes(text)) {
      if (!value.isWritten && what !== '') value.wrong(`is missing, must be ${what}`);
    } else if (allowed.includes(text) && value.isWritten) {
      value.wrongKey('means nothing with this method, must be left out');
    }
  };
  needs('user', ['plain', 'master-suffix', 'password'], 'the name that Postern logs in with');
  needs('dn', ['bind', 'proxied-authorization'], 'the distinguished name that Postern binds as');
  needs('separator', ['master-suffix'], '');
  if (isWithoutPassword(text)) {
    needs('password', [], '');
    needs('passwordFile', [], '');
  }
}

/** Whether a login method has no password of Postern's own. */
function isWithoutPassword(method: string | undefined): boolean {
  return method === 'xclient' || method === 'none';
}
