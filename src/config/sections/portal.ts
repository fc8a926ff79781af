// `portal`: the pages where users make and delete their app passwords, and the sign-in in front of them.

import { z } from 'zod';
import { isLoopback } from '../../lib/network.ts';
import { PROTOCOLS } from '../../lib/protocol.ts';
import {
  choice,
  domain,
  duration,
  flag,
  hostPort,
  line,
  listOf,
  network,
  parsed,
  path,
  section,
} from '../values.ts';
import type { Written } from '../written.ts';

const secret = () => z.string({ error: 'must be text, in quotes' }).optional();

const word = (what: string) =>
  parsed(`must be ${what}`, (text) => (/^[\x21-\x7e]{1,255}$/.test(text) ? text : undefined)).meta({
    title: 'text',
  });

const claimName = () => word('the name of a claim, such as email').meta({ title: 'claim' });

const claimValues = () =>
  listOf(line('a value that the claim may have')).min(1, { error: 'must have at least one value' });

/** Somebody who has one of the values in the claim. */
const whoSchema = (whom: string) =>
  section({
    claim: claimName().describe(`The claim that says who ${whom}, such as \`groups\` or \`roles\`.`),
    values: claimValues().describe('Any of these values in it, exactly, will do.'),
  });

const twoStepSchema = section({
  claim: claimName().describe(
    'The claim of the ID token that proves two-step verification: `amr`, `acr`, or Entra ID’s `acrs`.',
  ),
  values: claimValues().describe('Any of these values in it, exactly, is proof. Without one nobody gets in.'),
  request: choice(['acr_values', 'claims', 'none'])
    .optional()
    .describe(
      'How the provider is asked for it: `acr_values` or the `claims` parameter with these values, or `none`. Default: `acr_values` for `acr`, `claims` for `acrs`, else `none`.',
    ),
});

const oidcSchema = section({
  issuer: parsed('must be an https:// URL without query, as the provider writes its issuer', parseIssuer)
    .meta({ title: 'URL' })
    .describe('The OpenID provider, exactly as it names itself. `http://` only on loopback.'),
  clientId: word('the client id that the provider gave').describe('What the provider knows the portal as.'),
  clientSecret: secret()
    .describe('The client’s secret; a client without one is a public one. This or `clientSecretFile`.')
    .meta({ title: 'secret' }),
  clientSecretFile: path('./secrets/oidc')
    .optional()
    .describe('A file that holds the secret on one line, closed to other users. This or `clientSecret`.'),
  clientAuthentication: choice(['client_secret_basic', 'client_secret_post'])
    .prefault('client_secret_basic')
    .describe(
      'How the secret is sent: in a header, or in the form. Providers that take one alone say which.',
    ),
  scopes: listOf(word('a scope, such as email'))
    .prefault(['openid', 'profile', 'email'])
    .describe('What is asked for. `openid` has to be among them.'),
  userClaim: claimName()
    .prefault('email')
    .describe(
      'The claim that is the user. It must be one that users cannot set to somebody else’s: with Entra ID, `preferred_username` or `upn`.',
    ),
  userDomain: domain('example.com')
    .optional()
    .describe('The domain of a user whose claim has none: `alice` is `alice@example.com`.'),
  requireVerifiedEmail: flag()
    .optional()
    .describe('Whether `email_verified` has to be true. Default: true with `userClaim: email`, else false.'),
  ca: path('./tls/internal-ca.pem')
    .optional()
    .describe('Authorities to trust for the provider, PEM. Default: those that Node.js trusts.'),
  twoStep: twoStepSchema,
  maxAge: duration('1m', '1h')
    .prefault('10m')
    .describe('How old a sign-in may be for making or deleting an app password.'),
  logout: flag()
    .prefault(true)
    .describe('Whether signing out of the portal signs out at the provider too, where that can be done.'),
  timeout: duration('100ms', '30s').prefault('5s').describe('Time for each answer of the provider.'),
});

const smtpSchema = section({
  host: line('a host name or address').describe('The server.'),
  port: z
    .int({ error: 'must be a port from 1 to 65535' })
    .min(1, { error: 'must be a port from 1 to 65535' })
    .max(65_535, { error: 'must be a port from 1 to 65535' })
    .describe('Its port.'),
  tls: choice(['implicit', 'starttls', 'none']).describe(
    '`implicit`: TLS from the first byte; `starttls`: TLS before anything else; `none`: in clear, for loopback.',
  ),
  user: line('a user name').optional().describe('The name to log in with, if the server wants a login.'),
  password: secret().describe('Its password. This or `passwordFile`.').meta({ title: 'secret' }),
  passwordFile: path('./secrets/smtp')
    .optional()
    .describe('A file that holds its password on one line, closed to other users. This or `password`.'),
  ca: path('./tls/internal-ca.pem')
    .optional()
    .describe('Authorities to trust for it, PEM. Default: those that Node.js trusts.'),
});

export const portalSchema = section({
  address: hostPort('127.0.0.1:8080', { anyPort: true }).describe(
    'Where it listens. A change needs a restart.',
  ),
  publicUrl: parsed('must be https://host or https://host:port, without a path', parseOrigin)
    .meta({ title: 'URL' })
    .describe('What browsers call it, with no path. `http://` only on loopback.'),
  tls: section({
    certificate: path('./tls/portal.pem').describe('The certificate and its chain, PEM.'),
    key: path('./tls/portal.key').describe('The certificate’s private key, PEM.'),
  })
    .optional()
    .describe('The certificate that browsers see. Without it, a reverse proxy in front has to do TLS.'),
  trustedProxies: listOf(network())
    .prefault([])
    .describe(
      'Reverse proxies whose `X-Forwarded-For` says where a browser is. From others it means nothing.',
    ),
  oidc: oidcSchema.describe('The organisation’s sign-in, by OpenID Connect.'),
  who: whoSchema('may sign in')
    .optional()
    .describe('Who may sign in. Without it: whom the provider lets in.'),
  admins: whoSchema('is an admin')
    .optional()
    .describe('Who sees the app passwords of all users, and may delete them. Without it: nobody.'),
  creation: flag()
    .prefault(true)
    .describe('Whether app passwords can be made. Listing and deleting always can.'),
  maxLifetime: duration('1d', '3650d')
    .optional()
    .describe('How long a new app password may live at most. Without it: until it is deleted.'),
  scopes: listOf(choice(PROTOCOLS))
    .min(1, { error: 'must have at least one protocol' })
    .prefault([...PROTOCOLS])
    .describe('The protocols that a new app password may be good for.'),
  sessionIdle: duration('1m', '12h')
    .prefault('15m')
    .describe('A sign-in ends when it is not used for so long …'),
  sessionMax: duration('5m', '24h').prefault('8h').describe('… and after so long in any case.'),
  help: line('one line of text')
    .optional()
    .describe('Whom to ask, shown on the pages: “Call the help desk, 1234”.'),
  notify: section({
    from: parsed('must be an address such as postern@example.com', (text) =>
      /^[^\s@<>,;:"]+@[^\s@<>,;:"]+$/.test(text) ? text : undefined,
    )
      .meta({ title: 'address' })
      .describe('The sender of the messages.'),
    smtp: smtpSchema.describe('The server that takes them.'),
  })
    .optional()
    .describe('A message to the user whenever an app password is made or deleted. Without it: none.'),
});

/** Plain HTTP is for one machine. */
const isHttpLoopback = (url: URL) =>
  url.protocol === 'http:' &&
  (url.hostname === 'localhost' || isLoopback(url.hostname.replace(/^\[|\]$/g, '')));

/** The origin; undefined for anything with more in it than that. */
export function parseOrigin(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && !isHttpLoopback(url))) return undefined;
  const isBare = url.pathname === '/' && url.username === '' && url.password === '' && !/[?#]/.test(text);
  return isBare ? url.origin : undefined;
}

/** As it is written: issuers are compared to the letter (OpenID Connect Discovery 1.0 §4.3). */
export function parseIssuer(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && !isHttpLoopback(url))) return undefined;
  return url.username === '' && url.password === '' && !/[?#\s]/.test(text) ? text : undefined;
}

/** Tenants that are nobody's in particular: whoever has a Microsoft account could sign in as anybody. */
const SHARED_TENANT = /^https:\/\/login\.microsoftonline\.com\/(common|organizations|consumers)(\/|$)/i;

export function checkPortal(portal: Written): void {
  if (!portal.isWritten) return;
  const oidc = portal.get('oidc');
  const issuer = oidc.get('issuer');
  if (issuer.text !== undefined && SHARED_TENANT.test(issuer.text)) {
    issuer.wrong('is of no tenant in particular, must have the id of your tenant in place of that word');
  }
  const scopes = oidc.get('scopes');
  if (scopes.items().length > 0 && !scopes.items().some(({ text }) => text === 'openid')) {
    scopes.wrong('has no openid, must have it: it is what asks for a sign-in');
  }
  const userClaim = oidc.get('userClaim');
  if (oidc.get('requireVerifiedEmail').value === true && (userClaim.text ?? 'email') !== 'email') {
    oidc.get('requireVerifiedEmail').wrongKey('means nothing without userClaim: email, must be left out');
  }
  const publicUrl = portal.get('publicUrl');
  if (portal.get('tls').isWritten && publicUrl.text?.startsWith('http:')) {
    publicUrl.wrong('is http:// although there is tls, must be https://');
  }
  const smtp = portal.get('notify').get('smtp');
  const hasPassword = smtp.get('password').isWritten || smtp.get('passwordFile').isWritten;
  if (smtp.get('user').isWritten && !hasPassword) {
    smtp.get('password').wrong('is missing, must be set together with user');
  }
  if (hasPassword && smtp.isWritten && !smtp.get('user').isWritten) {
    smtp.get('user').wrong('is missing, must be set together with the password');
  }
  if (smtp.get('tls').text === 'none' && smtp.get('ca').isWritten) {
    smtp.get('ca').wrongKey('means nothing with tls: none, must be left out');
  }
}
