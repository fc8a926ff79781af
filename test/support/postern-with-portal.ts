// Postern with its portal, and a real OpenID provider that signs its users in.

import { type OidcProvider, startOidcProvider } from './oidc-provider.ts';
import { createPki } from './pki.ts';
import { freePort } from './ports.ts';
import { type Postern, startPostern } from './postern.ts';

export interface PortalOptions {
  /** YAML of the `portal` section's other keys, in flow style: `creation: false, scopes: [imap]`. */
  readonly portal?: string;
  /** `http://127.0.0.1:PORT` unless told. */
  readonly publicUrl?: (port: number) => string;
  /** In place of the provider's own `oidc` section. */
  readonly oidc?: (provider: OidcProvider) => string;
  /** Further sections. */
  readonly sections?: string;
  readonly upstream?: string;
  readonly provider?: Omit<Parameters<typeof startOidcProvider>[0], 'portal'>;
}

export interface PosternWithPortal extends AsyncDisposable {
  readonly postern: Postern;
  readonly provider: OidcProvider;
  /** The portal's public URL. */
  readonly url: string;
  /** PEM file of what signed Postern's certificate. */
  readonly ca: string;
}

const NO_UPSTREAM = `{ dovecot: { protocol: imap, address: "127.0.0.1:1", tls: none, login: { method: plain, user: postern, password: not-used-anywhere } } }`;

export async function startPosternWithPortal(options: PortalOptions = {}): Promise<PosternWithPortal> {
  await using started = new AsyncDisposableStack();
  const port = await freePort();
  const url = options.publicUrl?.(port) ?? `http://127.0.0.1:${port}`;
  const provider = started.use(await startOidcProvider({ ...options.provider, portal: url }));
  const pki = started.use(await createPki());
  const certificate = await pki.issue();
  const oidc = options.oidc?.(provider) ?? provider.section;
  const more = options.portal === undefined ? '' : `, ${options.portal}`;
  const postern = started.use(
    await startPostern({
      certificate,
      config: `
upstreams: ${options.upstream ?? NO_UPSTREAM}
routes: [{ users: "*", imap: dovecot }]
portal: { address: "127.0.0.1:${port}", publicUrl: "${url}", oidc: ${oidc}${more} }
${options.sections ?? ''}
`,
    }),
  );
  const all = started.move();
  return {
    postern,
    provider,
    url,
    ca: pki.ca.certFile,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}
