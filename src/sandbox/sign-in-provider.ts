// The sandbox's own OpenID provider (`oidc-provider`), so that the portal can be tried without an organisation's sign-in: everybody of
// the sandbox's domain, one password for all, and a second step that is a code which does not change. It keeps nothing, listens on
// loopback only, and is in no package and no image.

import { generateKeyPairSync, type JsonWebKey, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import Provider, { type Configuration } from 'oidc-provider';
import { parseUser, type User } from '../lib/user.ts';
import { signInMemory } from './sign-in-memory.ts';

/** What people type. They stand on the pages, too: there is nothing here to protect. */
export const SIGN_IN = { password: 'demo', code: '123456', admin: 'admin' } as const;
const ADMINS = 'postern-admins';
const CLIENT = 'postern-sandbox';
const MOST_FORM = 4096;

export interface SignInProvider extends AsyncDisposable {
  /** The `oidc` section, and `admins`, of a portal at that URL, which from now on is the one that may ask. */
  portalSections(portal: string): { readonly oidc: object; readonly admins: object };
}

export interface SignInProviderOptions {
  /** Who may sign in: everybody of it. `admin@…` is an admin. */
  readonly domain: string;
  /** Stands in the form already. */
  readonly user: string;
}

export async function startSignInProvider({ domain, user }: SignInProviderOptions): Promise<SignInProvider> {
  const server = createServer({ connectionsCheckingInterval: 1_000 }, (request, response) => {
    answer(request, response).catch(() => {
      response.statusCode = 500;
      response.end('the sandbox’s sign-in failed\n');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const secret = randomBytes(24).toString('base64url');
  const keys = { signing: signingKey(), cookies: randomBytes(24).toString('base64url') };
  const isAdmin = (account: string) => account === `${SIGN_IN.admin}@${domain}`;
  let provider: Provider | undefined;
  /** By interaction: who has given the password, and has the second step to do. */
  const halfway = new Map<string, User>();

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const interaction = /^\/interaction\/([\w-]+)$/.exec(request.url ?? '')?.[1];
    if (provider === undefined) response.writeHead(503).end();
    else if (interaction === undefined) await provider.callback()(request, response);
    else if (request.method === 'POST') await step(provider, interaction, request, response);
    else page(response, passwordPage(user));
  }

  async function step(
    issuing: Provider,
    interaction: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const body = await text(request);
    const form = new URLSearchParams(body.length > MOST_FORM ? '' : body);
    const known = halfway.get(interaction);
    if (form.has('name')) {
      const typed = parseUser(form.get('name') ?? '');
      const isRight = typed?.endsWith(`@${domain}`) === true && form.get('password') === SIGN_IN.password;
      if (!isRight) return page(response, passwordPage(form.get('name') ?? '', true));
      if (halfway.size > 1000) halfway.clear();
      halfway.set(interaction, typed);
      return page(response, codePage());
    }
    if (known === undefined) return page(response, passwordPage(user));
    const isSkipped = form.has('skip');
    if (!isSkipped && form.get('code') !== SIGN_IN.code) return page(response, codePage(true));
    halfway.delete(interaction);
    const login = {
      accountId: known,
      acr: isSkipped ? '1' : '2',
      amr: isSkipped ? ['pwd'] : ['pwd', 'otp', 'mfa'],
    };
    return issuing.interactionFinished(request, response, { login });
  }

  return {
    portalSections(portal) {
      provider = new Provider(issuer, configuration({ portal, secret, keys, isAdmin }));
      return {
        oidc: {
          issuer,
          clientId: CLIENT,
          clientSecret: secret,
          twoStep: { claim: 'acr', values: ['2'] },
        },
        admins: { claim: 'groups', values: [ADMINS] },
      };
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

interface ConfigurationFacts {
  readonly portal: string;
  readonly secret: string;
  readonly keys: { readonly signing: JsonWebKey; readonly cookies: string };
  readonly isAdmin: (account: string) => boolean;
}

function configuration({ portal, secret, keys, isAdmin }: ConfigurationFacts): Configuration {
  return {
    adapter: signInMemory(),
    clients: [
      {
        client_id: CLIENT,
        client_secret: secret,
        redirect_uris: [`${portal}/sign-in/callback`],
        post_logout_redirect_uris: [`${portal}/signed-out`],
        response_types: ['code'],
        grant_types: ['authorization_code'],
      },
    ],
    jwks: { keys: [keys.signing as never] },
    cookies: { keys: [keys.cookies] },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource(context, form) {
          const button = '<p><button form="op.logoutForm" name="logout" value="yes">Sign out</button></p>';
          context.body = html('Sign out of the sandbox?', `${form}${button}`);
        },
      },
    },
    acrValues: ['1', '2'],
    claims: {
      openid: ['sub', 'acr', 'amr', 'auth_time'],
      email: ['email', 'email_verified'],
      profile: ['groups'],
    },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    ttl: {
      Session: 86_400,
      Interaction: 3_600,
      Grant: 86_400,
      AccessToken: 600,
      IdToken: 600,
      AuthorizationCode: 60,
    },
    async findAccount(_context, id) {
      const claims = { sub: id, email: id, email_verified: true, groups: isAdmin(id) ? [ADMINS] : [] };
      return { accountId: id, claims: async () => claims };
    },
    // Nobody is asked for consent.
    async loadExistingGrant({ oidc }) {
      const grant = new oidc.provider.Grant({
        clientId: oidc.client?.clientId ?? CLIENT,
        accountId: oidc.session?.accountId ?? '',
      });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  };
}

function signingKey(): JsonWebKey {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' };
}

function page(response: ServerResponse, body: string): void {
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.setHeader('cache-control', 'no-store');
  response.end(body);
}

function passwordPage(name: string, isWrong = false): string {
  return html(
    'The sandbox’s sign-in',
    `<p>Stands in for your organisation’s. The password is <b>${SIGN_IN.password}</b>.</p>
${isWrong ? '<p role="alert">That is nobody, or not the password.</p>' : ''}
<form method="post">
<p><label>E-mail<br><input name="name" autocomplete="username" value="${escaped(name)}"></label></p>
<p><label>Password<br><input name="password" type="password" autocomplete="off" value="${SIGN_IN.password}"></label></p>
<p><button>Next</button></p>
</form>`,
  );
}

function codePage(isWrong = false): string {
  return html(
    'The second step',
    `<p>The code is <b>${SIGN_IN.code}</b>.</p>
${isWrong ? '<p role="alert">That is not the code.</p>' : ''}
<form method="post">
<p><label>Code<br><input name="code" inputmode="numeric" autocomplete="off" value="${SIGN_IN.code}"></label></p>
<p><button>Sign in</button> <button name="skip" value="yes">Go on without it</button></p>
</form>`,
  );
}

function html(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title><meta name="viewport" content="width=device-width">
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 24rem; margin: 12vh auto; padding: 0 1rem; }
input, button { box-sizing: border-box; font: inherit; padding: 0.5rem 0.8rem; }
input { width: 100%; }
</style></head><body><h1>${title}</h1>${body}</body></html>`;
}

function escaped(value: string): string {
  return value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
