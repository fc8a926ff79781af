// What a configuration says to the portal. One is made with each generation; every request asks for the one in force.

import type { NetworkSet } from '../lib/network.ts';
import type { Secret } from '../lib/secret.ts';
import type { PortalSettings } from './pages-interface.ts';

/** Connections that the portal may have at a time. They are left out of what mail clients may have. */
export const PORTAL_CONNECTIONS = 500;

/** Somebody who has any of the values in the claim. */
export interface ClaimRule {
  readonly claim: string;
  readonly values: readonly string[];
}

export interface ProviderTerms {
  readonly issuer: string;
  readonly clientId: string;
  /** null: a public client. */
  readonly clientSecret: Secret | null;
  /** How the secret is sent (OpenID Connect Core 1.0 §9). */
  readonly clientAuthentication: 'client_secret_basic' | 'client_secret_post';
  readonly scopes: readonly string[];
  readonly userClaim: string;
  /** The domain of a user whose claim has none. */
  readonly userDomain: string | null;
  readonly requireVerifiedEmail: boolean;
  /** PEM of authorities to trust instead of Node's. */
  readonly ca: string | null;
  readonly twoStep: ClaimRule & { readonly request: 'acr_values' | 'claims' | 'none' };
  /** Milliseconds that a sign-in is good for changes. */
  readonly maxAge: number;
  /** Whether signing out signs out at the provider. */
  readonly logout: boolean;
  /** Milliseconds for each answer of the provider. */
  readonly timeout: number;
}

export interface MailTerms {
  readonly from: string;
  readonly host: string;
  readonly port: number;
  readonly tls: 'implicit' | 'starttls' | 'none';
  readonly login: { readonly user: string; readonly password: Secret } | null;
  readonly ca: string | null;
}

export interface PortalTerms {
  readonly settings: PortalSettings;
  readonly provider: ProviderTerms;
  readonly who: ClaimRule | null;
  readonly admins: ClaimRule | null;
  /** Milliseconds. */
  readonly sessionIdle: number;
  readonly sessionMax: number;
  readonly trustedProxies: NetworkSet;
  readonly mail: MailTerms | null;
  /** PEM; null: plain HTTP. */
  readonly certificate: { readonly cert: string; readonly key: string } | null;
}
