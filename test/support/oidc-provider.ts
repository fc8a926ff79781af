// A real OpenID provider process for tests, and what a portal's configuration says of it.

import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnTied, stopChild, whenReady } from './child-process.ts';
import { freePort } from './ports.ts';
import { newLogFile } from './run-directory.ts';
import { ledger } from './secrets-ledger.ts';

export interface ProviderSettings {
  readonly clientId: string;
  readonly clientSecret: string;
  /** The portal's public URL. */
  readonly portal: string;
  /** By user: the claim `groups`. */
  readonly groups?: Readonly<Record<string, readonly string[]>>;
  /** `email_verified` is false for everybody. */
  readonly unverified?: boolean;
  /** The ID token lacks what scopes ask for: userinfo has it. */
  readonly claimsInUserinfo?: boolean;
}

export interface OidcProvider extends AsyncDisposable {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The `oidc` section of a portal that asks for the second step by `acr`. */
  readonly section: string;
  stop(): Promise<void>;
}

const MAIN = join(import.meta.dirname, 'oidc-provider-main.ts');

/** `portal`: the portal's public URL. */
export async function startOidcProvider(
  options: Omit<ProviderSettings, 'clientId' | 'clientSecret'> & { readonly port?: number },
): Promise<OidcProvider> {
  const port = options.port ?? (await freePort());
  const clientId = 'postern';
  const clientSecret = ledger('boxkampf-im-zwielicht-1889');
  const logFile = newLogFile('oidc-provider');
  const log = openSync(logFile, 'a');
  const settings = JSON.stringify({ ...options, clientId, clientSecret, port });
  const child = spawnTied(process.execPath, [MAIN], {
    env: { ...process.env, OIDC_PROVIDER_SETTINGS: settings },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const issuer = `http://127.0.0.1:${port}`;
  const stop = async () => {
    await stopChild(child);
  };
  try {
    await whenReady(child, () =>
      fetch(`${issuer}/.well-known/openid-configuration`)
        .then((answer) => answer.ok || undefined)
        .catch(() => undefined),
    );
  } catch (error) {
    await stop();
    throw new Error(
      `the OpenID provider did not start: ${(error as Error).message}\n${readFileSync(logFile)}`,
    );
  }
  return {
    issuer,
    clientId,
    clientSecret,
    section: `{ issuer: "${issuer}", clientId: ${clientId}, clientSecret: ${clientSecret}, twoStep: { claim: acr, values: ["2"] } }`,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
