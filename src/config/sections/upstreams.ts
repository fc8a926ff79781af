// `upstreams`: the servers behind Postern, and how it logs in to them.

import { z } from 'zod';
import { parseDnTemplate } from '../../lib/distinguished-name.ts';
import {
  choice,
  distinguishedName,
  domain,
  duration,
  filterTemplate,
  flag,
  hostPort,
  line,
  named,
  orList,
  parsed,
  path,
  section,
} from '../values.ts';
import type { Written } from '../written.ts';
import { protocol } from './protocol.ts';

const address = hostPort('imap.internal:993', { anyPort: false });

/** None of them can be part of a user's name, so a client cannot write one into its login. */
const SEPARATORS = ['*', '%', '/', ',', '='] as const;

/** What each protocol's servers can be logged in to by. */
const METHODS = {
  imap: ['plain', 'master-suffix', 'password'],
  smtp: ['plain', 'password', 'xclient', 'none'],
  ldap: ['bind', 'proxied-authorization'],
} as const;

const loginSchema = section({
  method: choice(
    ['plain', 'master-suffix', 'password', 'xclient', 'none', 'bind', 'proxied-authorization'],
    'other methods are not supported by this version',
  ).describe(
    '`plain`: SASL PLAIN as `user` on behalf of the mail user (Dovecot, Cyrus; IMAP and SMTP); `master-suffix`: as `mailuser*user` (Dovecot master users; IMAP); `password`: one fixed account, whoever the mail user is (IMAP, SMTP); `xclient`: XCLIENT names the mail user (Postfix; SMTP); `none`: a relay that trusts Postern’s address (SMTP); `bind`: one service account, `dn` (LDAP); `proxied-authorization`: as `dn` on behalf of the user, RFC 4370 (LDAP).',
  ),
  user: line('a user name')
    .optional()
    .describe('The name that Postern logs in with: with `plain`, `master-suffix` and `password`.'),
  dn: line('a distinguished name, such as cn=postern,dc=example,dc=com')
    .optional()
    .describe('Whom Postern binds as: with `bind` and `proxied-authorization`.'),
  password: z
    .string({ error: 'must be text, in quotes' })
    .optional()
    .describe('Its password, with every method but `xclient` and `none`. This or `passwordFile`.')
    .meta({ title: 'secret' }),
  passwordFile: path('./secrets/master')
    .optional()
    .describe('A file that holds its password on one line, closed to other users. This or `password`.'),
  separator: choice(SEPARATORS)
    .optional()
    .describe('What stands between mail user and `user`, with `master-suffix`. Default: `*`.'),
});

const upstreamSchema = section({
  protocol: protocol().describe('What the server speaks.'),
  address: z
    .union([
      address,
      z
        .array(address, { error: 'must be host:port, or a list of them' })
        .min(1, { error: 'must have at least one address' }),
    ])
    .meta({ title: 'host:port, or a list' })
    .describe('Where it is: one address, or several that are tried in turn.'),
  tls: choice(['implicit', 'starttls', 'none']).describe(
    '`implicit`: TLS from the first byte; `starttls`: TLS before anything else; `none`: in clear, for loopback.',
  ),
  ca: path('./tls/internal-ca.pem')
    .optional()
    .describe('Authorities to trust for it, PEM. Default: those that Node.js trusts.'),
  serverName: domain('imap.example.com')
    .optional()
    .describe('The name that its certificate must be for. Default: the host in `address`.'),
  fingerprint: parsed(
    'must be the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons',
    parseFingerprint,
  )
    .meta({ title: 'fingerprint' })
    .optional()
    .describe('SHA-256 of the one certificate to accept, instead of verifying it by authorities and name.'),
  login: loginSchema,
  connectDeadline: duration('10ms', '5m')
    .prefault('5s')
    .describe('Time to connect to one address, TLS included.'),
  loginDeadline: duration('10ms', '5m').prefault('20s').describe('Time to log in once connected.'),
  proxyProtocol: choice(['none', 'v2'])
    .prefault('none')
    .describe(
      '`v2`: every connection begins with a PROXY header that says where the client is, ahead of TLS. The server has to expect it (Dovecot: `haproxy = yes`).',
    ),
  sendClientAddress: choice(['secure', 'always', 'never'])
    .prefault('secure')
    .describe(
      'Whether it is told the client’s address (IMAP ID, SMTP XCLIENT): `secure` means only over TLS or to loopback.',
    ),
  acceptUnauthenticate: flag()
    .prefault(false)
    .describe(
      'IMAP: join clients to a server that offers UNAUTHENTICATE (RFC 8437) after login. A client could then log in there again, past Postern.',
    ),
  userDn: parsed(
    'must be a distinguished name with {local} or {user} as one of its values, such as "uid={local},ou=people,dc=example,dc=com"',
    parseDnTemplate,
  )
    .meta({ title: 'DN template' })
    .optional()
    .describe(
      'LDAP: the user’s own entry, with `{user}`, `{local}` or `{domain}` in it. For `proxied-authorization`, and for the answer to “Who am I”. This or `userSearch`.',
    ),
  userSearch: section({
    base: distinguishedName('ou=people,dc=example,dc=com').describe('The entry below which to look.'),
    filter: filterTemplate('(mail={user})', ['user', 'local', 'domain']).describe(
      'What to look for (RFC 4515), with `{user}`, `{local}` or `{domain}` in it. One entry alone has to fit.',
    ),
  })
    .optional()
    .describe(
      'LDAP: how the user’s own entry is looked for, where its name does not follow from the user’s.',
    ),
});

export const upstreamsSchema = named(upstreamSchema);

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
    const noDirectory = protocol !== undefined && protocol !== 'ldap';
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
export function isWithoutPassword(method: string | undefined): boolean {
  return method === 'xclient' || method === 'none';
}
