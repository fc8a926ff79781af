// The OpenID provider, as the portal sees it: authorization code flow (OpenID Connect Core 1.0 §3.1) with PKCE (RFC 7636), state,
// nonce, and the issuer of the answer (RFC 9207) where the provider names it.
//
//   authorizationUrl →  browser goes to the provider, signs in, comes back with a code
//   redeem           →  code for ID token: signature, issuer, audience, nonce, times are checked; userinfo where claims are missing
//
// What the provider says of itself is read at the first sign-in, kept for an hour, and read anew after a failure that new keys
// would explain.

import * as oidc from 'openid-client';
import type { Clock } from '../lib/clock.ts';
import { NoAnswerError, providerFetch } from './provider-fetch.ts';
import type { ProviderTerms } from './terms.ts';

export type Claims = Readonly<Record<string, unknown>>;

const LONGEST_DETAIL = 300;

/** Why there is no sign-in. `detail` is for the log, and holds nothing secret. */
export class SignInError extends Error {
  override readonly name = 'SignInError';
  readonly kind: 'unavailable' | 'failed' | 'cancelled' | 'no_two_step';

  constructor(kind: SignInError['kind'], detail: string) {
    // Some of it is the browser's or the provider's word.
    super(detail.slice(0, LONGEST_DETAIL));
    this.kind = kind;
  }
}

/** What one sign-in is bound to; lives in the browser's sealed cookie. */
export interface SignInChecks {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

export interface Redeemed {
  /** Of the ID token: what proof is taken from. */
  readonly idClaims: Claims;
  /** Those, and where they lack one that is needed, the ones of userinfo. */
  readonly claims: Claims;
  /** The ID token itself: a hint for signing out. */
  readonly idToken: string;
}

/** Milliseconds that the provider's metadata are kept. */
const METADATA_LIFE = 3_600_000;
/** Seconds that clocks may be apart. */
export const CLOCK_TOLERANCE = 30;

export class Provider {
  readonly terms: ProviderTerms;
  readonly #redirectUri: string;
  readonly #clock: Clock;
  readonly #fetch: oidc.CustomFetch;
  #known: { readonly config: oidc.Configuration; readonly at: number } | undefined;
  #discovering: Promise<oidc.Configuration> | undefined;

  constructor(terms: ProviderTerms, options: { readonly redirectUri: string; readonly clock: Clock }) {
    this.terms = terms;
    this.#redirectUri = options.redirectUri;
    this.#clock = options.clock;
    this.#fetch = providerFetch(terms);
  }

  /**
   * Where to send the browser. `freshFor`: milliseconds that the sign-in at the provider may be old; `force`: ask the person
   * in any case. Rejects with SignInError.
   */
  async authorizationUrl(
    { state, nonce, verifier }: SignInChecks,
    { freshFor, force = false }: { freshFor?: number; force?: boolean } = {},
  ): Promise<URL> {
    const config = await this.#configuration();
    const { scopes, twoStep } = this.terms;
    const parameters: Record<string, string> = {
      redirect_uri: this.#redirectUri,
      scope: scopes.join(' '),
      state,
      nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    };
    const wanted: Record<string, object> = { auth_time: { essential: true } };
    if (twoStep.request === 'acr_values') parameters.acr_values = twoStep.values.join(' ');
    if (twoStep.request === 'claims') wanted[twoStep.claim] = essential(twoStep.values);
    if (config.serverMetadata().claims_parameter_supported === true || twoStep.request === 'claims') {
      parameters.claims = JSON.stringify({ id_token: wanted });
    }
    if (freshFor !== undefined) parameters.max_age = String(Math.floor(freshFor / 1000));
    if (force) parameters.prompt = 'login';
    try {
      return oidc.buildAuthorizationUrl(config, parameters);
    } catch (error) {
      this.#known = undefined;
      throw new SignInError('unavailable', `authorization endpoint: ${detailOf(error)}`);
    }
  }

  /** Redeems the code in the query of the browser's way back. `needed`: claims that userinfo is asked for if the ID token lacks them. */
  async redeem(search: string, checks: SignInChecks, needed: readonly string[]): Promise<Redeemed> {
    const config = await this.#configuration();
    try {
      const tokens = await oidc.authorizationCodeGrant(config, new URL(`${this.#redirectUri}${search}`), {
        pkceCodeVerifier: checks.verifier,
        expectedState: checks.state,
        expectedNonce: checks.nonce,
        idTokenExpected: true,
      });
      const idClaims = tokens.claims();
      if (idClaims === undefined || tokens.id_token === undefined) {
        throw new SignInError('failed', 'no ID token');
      }
      if (idClaims.iat > this.#clock.now() / 1000 + CLOCK_TOLERANCE) {
        throw new SignInError('failed', 'the ID token is from the future');
      }
      const isLacking = needed.some((claim) => idClaims[claim] === undefined);
      const more =
        isLacking && config.serverMetadata().userinfo_endpoint !== undefined
          ? await oidc.fetchUserInfo(config, tokens.access_token, idClaims.sub)
          : {};
      return { idClaims, claims: { ...more, ...idClaims }, idToken: tokens.id_token };
    } catch (error) {
      // It may have new keys, or be another one altogether: unless it was asked, and says what is wrong with what it was asked.
      if (!isAboutRequest(error)) this.#known = undefined;
      throw explain(error);
    }
  }

  /** Where to send the browser to sign out at the provider; undefined if there is no such place, or the provider does not answer. */
  async signOutUrl(returnTo: string, idToken: string | undefined): Promise<URL | undefined> {
    if (!this.terms.logout) return undefined;
    const config = await this.#configuration().catch(() => undefined);
    if (config?.serverMetadata().end_session_endpoint === undefined) return undefined;
    try {
      return oidc.buildEndSessionUrl(config, {
        post_logout_redirect_uri: returnTo,
        ...(idToken !== undefined && { id_token_hint: idToken }),
      });
    } catch {
      // It is no address to send a browser to.
      return undefined;
    }
  }

  async #configuration(): Promise<oidc.Configuration> {
    const known = this.#known;
    if (known !== undefined && this.#clock.monotonic() - known.at < METADATA_LIFE) return known.config;
    this.#discovering ??= this.#discover().finally(() => {
      this.#discovering = undefined;
    });
    return this.#discovering;
  }

  async #discover(): Promise<oidc.Configuration> {
    const { issuer, clientId, timeout } = this.terms;
    const authentication = clientAuthentication(this.terms);
    try {
      const config = await oidc.discovery(
        new URL(issuer),
        clientId,
        { [oidc.clockTolerance]: CLOCK_TOLERANCE },
        authentication,
        {
          [oidc.customFetch]: this.#fetch,
          timeout: timeout / 1000,
          // Signatures are checked although the token comes straight from the provider.
          execute: [
            oidc.enableNonRepudiationChecks,
            ...(issuer.startsWith('http:') ? [oidc.allowInsecureRequests] : []),
          ],
        },
      );
      const metadata = config.serverMetadata();
      if (metadata.issuer !== issuer) {
        throw new SignInError('unavailable', `the provider calls itself ${metadata.issuer}, not ${issuer}`);
      }
      this.#known = { config, at: this.#clock.monotonic() };
      return config;
    } catch (error) {
      throw new SignInError('unavailable', `metadata: ${detailOf(error)}`);
    }
  }
}

function clientAuthentication({ clientSecret, clientAuthentication }: ProviderTerms): oidc.ClientAuth {
  if (clientSecret === null) return oidc.None();
  return clientAuthentication === 'client_secret_post'
    ? oidc.ClientSecretPost(clientSecret.reveal())
    : oidc.ClientSecretBasic(clientSecret.reveal());
}

/** OpenID Connect Core 1.0 §5.5.1. */
function essential(values: readonly string[]): object {
  return values.length === 1 ? { essential: true, value: values[0] } : { essential: true, values };
}

/** The provider's own words for "the person did not want to". */
const CANCELLED = new Set(['access_denied', 'login_required', 'interaction_required', 'consent_required']);
/** OpenID Connect Unmet Authentication Requirements 1.0. */
const UNMET = 'unmet_authentication_requirements';

function explain(error: unknown): SignInError {
  if (error instanceof SignInError) return error;
  if (error instanceof oidc.AuthorizationResponseError) {
    if (error.error === UNMET) return new SignInError('no_two_step', UNMET);
    const kind = CANCELLED.has(error.error) ? 'cancelled' : 'failed';
    return new SignInError(kind, `the provider says ${error.error}`);
  }
  return new SignInError(isNoAnswer(error) ? 'unavailable' : 'failed', detailOf(error));
}

/** Something that whoever begins a sign-in can bring about: it must not make the provider answer more than once. */
function isAboutRequest(error: unknown): boolean {
  return (
    error instanceof oidc.AuthorizationResponseError ||
    (error instanceof oidc.ResponseBodyError && error.error === 'invalid_grant')
  );
}

function isNoAnswer(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof NoAnswerError) return true;
    if ((at as { code?: unknown }).code === 'OAUTH_TIMEOUT') return true;
    if (at.cause instanceof Response) return at.cause.status >= 500;
  }
  return false;
}

/** Error texts and codes, without what they were about: that may be a token. */
function detailOf(error: unknown): string {
  if (error instanceof oidc.ResponseBodyError) return `${error.error} (status ${error.status})`;
  const words: string[] = [];
  for (let at: unknown = error; at instanceof Error && words.length < 4; at = at.cause) {
    if (!words.includes(at.message)) words.push(at.message);
    if (at.cause instanceof Response) words.push(`status ${at.cause.status}`);
  }
  return words.join(': ') || 'unknown';
}
