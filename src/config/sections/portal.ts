// `portal`: the pages where users make and delete their app passwords, and the sign-in in front of them.

import { z } from 'zod';
import { isLoopback } from '../../lib/network.ts';
import { PROTOCOLS } from '../../lib/protocol.ts';
import { fill, listOf, optional, reshaped, section } from '../shapes.ts';
import { choice, domain, duration, flag, hostPort, line, network, path, secret, text } from '../values.ts';
import type { Written } from '../written.ts';

const word = (what: string) =>
  text(`must be ${what}`, (written) => (/^[\x21-\x7e]{1,255}$/.test(written) ? written : undefined)).meta({
    title: 'text',
  });

const PORT = 'must be a port from 1 to 65535';

const claimName = () => word('the name of a claim, such as email').meta({ title: 'claim' });

const claimValues = () =>
  listOf(line('a value that the claim may have')).min(1, { error: 'must have at least one value' });

const twoStepSchema = reshaped(
  section({
    /** The claim of the ID token that proves two-step verification: `amr`, `acr`, or Entra ID’s `acrs`. */
    claim: claimName(),
    /** Any of these values in it, exactly, is proof. Without one nobody gets in. */
    values: claimValues(),
    /**
     * How the provider is asked for it: `acr_values` or the `claims` parameter with these values, or `none`. Default:
     * `acr_values` for `acr`, `claims` for `acrs`, else `none`.
     */
    request: optional(choice(['acr_values', 'claims', 'none'])),
  }),
  (twoStep) => fill(twoStep, { request: twoStep.request ?? usualRequest(twoStep.claim) }),
  (twoStep) => twoStep,
);

/** How providers want to be asked for a claim. */
function usualRequest(claim: string): 'acr_values' | 'claims' | 'none' {
  if (claim === 'acr') return 'acr_values';
  return claim === 'acrs' ? 'claims' : 'none';
}

const oidcSchema = reshaped(
  section({
    /** The OpenID provider, exactly as it names itself. `http://` only on loopback. */
    issuer: text(
      'must be an https:// URL without query, as the provider writes its issuer',
      parseIssuer,
    ).meta({ title: 'URL' }),
    /** What the provider knows the portal as. */
    clientId: word('the client id that the provider gave'),
    /** The client’s secret; a client without one is a public one. This or `clientSecretFile`. */
    clientSecret: secret({
      example: './secrets/oidc',
      meaning: 'A file that holds the secret on one line, closed to other users. This or `clientSecret`.',
    }),
    /** How the secret is sent: in a header, or in the form. Providers that take one alone say which. */
    clientAuthentication: choice(['client_secret_basic', 'client_secret_post']).prefault(
      'client_secret_basic',
    ),
    /** What is asked for. `openid` has to be among them. */
    scopes: listOf(word('a scope, such as email')).prefault(['openid', 'profile', 'email']),
    /**
     * The claim that is the user. It must be one that users cannot set to somebody else’s: with Entra ID,
     * `preferred_username` or `upn`.
     */
    userClaim: claimName().prefault('email'),
    /** The domain of a user whose claim has none: `alice` is `alice@example.com`. */
    userDomain: optional(domain('example.com')),
    /** Whether `email_verified` has to be true. Default: true with `userClaim: email`, else false. */
    requireVerifiedEmail: optional(flag()),
    /** Authorities to trust for the provider, PEM. Default: those that Node.js trusts. */
    ca: optional(path('./tls/internal-ca.pem')),
    twoStep: twoStepSchema,
    /** How old a sign-in may be for making or deleting an app password. */
    maxAge: duration('1m', '1h').prefault('10m'),
    /** Whether signing out of the portal signs out at the provider too, where that can be done. */
    logout: flag().prefault(true),
    /** Time for each answer of the provider. */
    timeout: duration('100ms', '30s').prefault('5s'),
  }),
  (oidc) => fill(oidc, { requireVerifiedEmail: oidc.requireVerifiedEmail ?? oidc.userClaim === 'email' }),
  (oidc) => ({
    ...oidc,
    requireVerifiedEmail: oidc.userClaim === 'email' ? oidc.requireVerifiedEmail : null,
  }),
);

const smtpSchema = reshaped(
  section({
    /** The server. */
    host: line('a host name or address'),
    /** Its port. */
    port: z.int({ error: PORT }).min(1, { error: PORT }).max(65_535, { error: PORT }),
    /** `implicit`: TLS from the first byte; `starttls`: TLS before anything else; `none`: in clear, for loopback. */
    tls: choice(['implicit', 'starttls', 'none']),
    /** The name to log in with, if the server wants a login. */
    user: optional(line('a user name')),
    /** Its password. This or `passwordFile`. */
    password: secret({
      example: './secrets/smtp',
      meaning: 'A file that holds its password on one line, closed to other users. This or `password`.',
    }),
    /** Authorities to trust for it, PEM. Default: those that Node.js trusts. */
    ca: optional(path('./tls/internal-ca.pem')),
  }),
  ({ user, password, ...smtp }) => ({
    ...smtp,
    login: user === null || password === null ? null : { user, password },
  }),
  ({ login, ...smtp }) => ({ ...smtp, user: login?.user ?? null, password: login?.password ?? null }),
);

export const portalSchema = reshaped(
  section({
    /** Where it listens. A change needs a restart. */
    address: hostPort('127.0.0.1:8080', { anyPort: true }),
    /** What browsers call it, with no path. `http://` only on loopback. */
    publicUrl: text('must be https://host or https://host:port, without a path', parseOrigin).meta({
      title: 'URL',
    }),
    /** The certificate that browsers see. Without it, a reverse proxy in front has to do TLS. */
    tls: optional(
      section({
        /** The certificate and its chain, PEM. */
        certificate: path('./tls/portal.pem'),
        /** The certificate’s private key, PEM. */
        key: path('./tls/portal.key'),
      }),
    ),
    /** Reverse proxies whose `X-Forwarded-For` says where a browser is. From others it means nothing. */
    trustedProxies: listOf(network()).prefault([]),
    /** The organisation’s sign-in, by OpenID Connect. */
    oidc: oidcSchema,
    /** Who may sign in. Without it: whom the provider lets in. */
    who: optional(
      section({
        /** The claim that says who may sign in, such as `groups` or `roles`. */
        claim: claimName(),
        /** Any of these values in it, exactly, will do. */
        values: claimValues(),
      }),
    ),
    /** Who sees the app passwords of all users, and may delete them. Without it: nobody. */
    admins: optional(
      section({
        /** The claim that says who is an admin, such as `groups` or `roles`. */
        claim: claimName(),
        /** Any of these values in it, exactly, will do. */
        values: claimValues(),
      }),
    ),
    /** Whether app passwords can be made. Listing and deleting always can. */
    creation: flag().prefault(true),
    /** How long a new app password may live at most. Without it: until it is deleted. */
    maxLifetime: optional(duration('1d', '3650d')),
    /** The protocols that a new app password may be good for. */
    scopes: listOf(choice(PROTOCOLS))
      .min(1, { error: 'must have at least one protocol' })
      .prefault([...PROTOCOLS]),
    /** A sign-in ends when it is not used for so long … */
    sessionIdle: duration('1m', '12h').prefault('15m'),
    /** … and after so long in any case. */
    sessionMax: duration('5m', '24h').prefault('8h'),
    /**
     * Whether current mail programs (Outlook 2013 and newer, those of phones) can sign in at your servers with the second step,
     * without Postern. Then the pages say to try that first.
     */
    twoStepClients: flag().prefault(false),
    /** Whom to ask, shown on the pages: “Call the help desk, 1234”. */
    help: optional(line('one line of text')),
    /** A message to the user whenever an app password is made or deleted. Without it: none. */
    notify: optional(
      section({
        /** The sender of the messages. */
        from: text('must be an address such as postern@example.com', (written) =>
          /^[^\s@<>,;:"]+@[^\s@<>,;:"]+$/.test(written) ? written : undefined,
        ).meta({ title: 'address' }),
        /** The server that takes them. */
        smtp: smtpSchema,
      }),
    ),
  }),
  ({ address, ...portal }) => ({ ...fill(portal, { scopes: [...new Set(portal.scopes)] }), ...address }),
  ({ host, port, ...portal }) => ({ ...portal, address: { host, port } }),
);

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
