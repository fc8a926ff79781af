// The portal's part of `assemble`.

import type { Secret } from '../lib/secret.ts';
import type { PortalSecrets } from './assemble.ts';
import type { NotifyConfig, OidcConfig, PortalConfig } from './config.ts';
import type { ParsedConfig } from './schema.ts';

type Parsed = NonNullable<ParsedConfig['portal']>;

/** `absolute` makes a path so. */
export function assemblePortal(
  portal: Parsed,
  secrets: PortalSecrets | undefined,
  absolute: (path: string) => string,
): PortalConfig {
  const { tls } = portal;
  return {
    ...portal.address,
    publicUrl: portal.publicUrl,
    tls: tls ? { certificate: absolute(tls.certificate), key: absolute(tls.key) } : null,
    trustedProxies: portal.trustedProxies,
    oidc: assembleOidc(portal.oidc, secrets?.clientSecret, absolute),
    who: portal.who ?? null,
    admins: portal.admins ?? null,
    creation: portal.creation,
    maxLifetime: portal.maxLifetime ?? null,
    scopes: [...new Set(portal.scopes)],
    sessionIdle: portal.sessionIdle,
    sessionMax: portal.sessionMax,
    help: portal.help ?? null,
    notify: portal.notify ? assembleNotify(portal.notify, secrets?.smtpPassword, absolute) : null,
  };
}

function assembleOidc(
  oidc: Parsed['oidc'],
  clientSecret: Secret | undefined,
  absolute: (path: string) => string,
): OidcConfig {
  const { clientId, issuer, scopes, userClaim, userDomain, ca, twoStep, maxAge, logout, timeout } = oidc;
  return {
    issuer,
    clientId,
    clientSecret: clientSecret ?? null,
    clientAuthentication: oidc.clientAuthentication,
    scopes,
    userClaim,
    userDomain: userDomain ?? null,
    requireVerifiedEmail: oidc.requireVerifiedEmail ?? userClaim === 'email',
    ca: ca === undefined ? null : absolute(ca),
    twoStep: { ...twoStep, request: twoStep.request ?? usualRequest(twoStep.claim) },
    maxAge,
    logout,
    timeout,
  };
}

/** How providers want to be asked for a claim. */
function usualRequest(claim: string): OidcConfig['twoStep']['request'] {
  if (claim === 'acr') return 'acr_values';
  return claim === 'acrs' ? 'claims' : 'none';
}

function assembleNotify(
  { from, smtp }: NonNullable<Parsed['notify']>,
  password: Secret | undefined,
  absolute: (path: string) => string,
): NotifyConfig {
  const { host, port, tls, user, ca } = smtp;
  const login = user === undefined || password === undefined ? null : { user, password };
  return { from, smtp: { host, port, tls, login, ca: ca === undefined ? null : absolute(ca) } };
}
