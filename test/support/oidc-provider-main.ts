// A real OpenID provider, other people's code (`oidc-provider`), as a process of its own. What it is comes as JSON in
// $OIDC_PROVIDER_SETTINGS: ProviderSettings of oidc-provider.ts. Its sign-in page asks for a name, a password (any will do) and
// whether the second step is taken, as a person or a test may choose.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import Provider, { type Configuration } from 'oidc-provider';
import type { ProviderSettings } from './oidc-provider.ts';

const settings = JSON.parse(process.env.OIDC_PROVIDER_SETTINGS ?? '{}') as ProviderSettings & {
  port: number;
};
const issuer = `http://127.0.0.1:${settings.port}`;

const configuration: Configuration = {
  clients: [
    {
      client_id: settings.clientId,
      client_secret: settings.clientSecret,
      redirect_uris: [`${settings.portal}/sign-in/callback`],
      post_logout_redirect_uris: [`${settings.portal}/signed-out`],
      response_types: ['code'],
      grant_types: ['authorization_code'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
  ],
  features: {
    devInteractions: { enabled: false },
    claimsParameter: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource(context, form) {
        const button = '<button form="op.logoutForm" name="logout" value="yes">Sign out</button>';
        context.body = `<!doctype html><title>Sign out?</title>${form}${button}`;
      },
    },
  },
  acrValues: ['1', '2'],
  claims: {
    openid: ['sub', 'acr', 'amr', 'auth_time', 'acrs'],
    email: ['email', 'email_verified'],
    profile: ['preferred_username', 'name', 'groups'],
  },
  conformIdTokenClaims: settings.claimsInUserinfo === true,
  pkce: { required: () => true },
  cookies: { keys: ['a key of a test'] },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  ttl: {
    Session: 86_400,
    Interaction: 600,
    Grant: 86_400,
    AccessToken: 600,
    IdToken: 600,
    AuthorizationCode: 60,
  },
  async findAccount(_context, id) {
    const groups = settings.groups?.[id] ?? [];
    return {
      accountId: id,
      claims: () =>
        Promise.resolve({
          sub: id,
          email: id,
          email_verified: settings.unverified !== true,
          preferred_username: id.split('@')[0],
          groups,
        }),
    };
  },
  // Nobody is asked for consent to an application of their own organisation.
  async loadExistingGrant(context) {
    const { oidc } = context;
    const grant = new oidc.provider.Grant({
      clientId: oidc.client?.clientId as string,
      accountId: oidc.session?.accountId as string,
    });
    grant.addOIDCScope('openid email profile');
    await grant.save();
    return grant;
  },
};

const provider = new Provider(issuer, configuration);
const callback = provider.callback();

createServer(async (request, response) => {
  try {
    if (request.url?.startsWith('/interaction/')) await interaction(request, response);
    else await callback(request, response);
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error));
  }
}).listen(settings.port, '127.0.0.1', () => console.log('ready'));

async function interaction(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><html lang="en"><title>Example sign-in</title><h1>Example sign-in</h1><form method="post">
<p><label>E-mail <input name="name" autocomplete="username"></label></p>
<p><label>Password <input name="password" type="password"></label></p>
<p><label><input name="second" type="checkbox" value="yes" checked> The second step</label></p>
<p><button>Sign in</button> <button name="cancel" value="yes">Cancel</button></p></form></html>`);
    return;
  }
  const form = new URLSearchParams(await text(request));
  if (form.has('cancel')) {
    await provider.interactionFinished(request, response, {
      error: 'access_denied',
      error_description: 'cancelled by the person',
    });
    return;
  }
  const isTwoStep = form.get('second') === 'yes';
  await provider.interactionFinished(request, response, {
    login: {
      accountId: form.get('name') ?? '',
      acr: isTwoStep ? '2' : '1',
      amr: isTwoStep ? ['pwd', 'mfa'] : ['pwd'],
    },
  });
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
