// A hand-made OpenID provider that does wrong what a test wants it to: for answers that no real provider can be brought to give.
// What is right about a provider is tested against a real one.

import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Endpoint = 'metadata' | 'token' | 'keys' | 'userinfo';

/** What an endpoint does instead of answering well. */
export type Fault = 'hang' | 'error' | 'html' | 'endless' | 'redirect' | 'reset' | 'refuse';

export interface SigningKey {
  readonly kid: string;
  readonly key: KeyObject;
}

export function newSigningKey(kid: string): SigningKey {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return { kid, key: createPrivateKey(privateKey) };
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JWT: RS256 by the key, or with another header and signature. */
export function jwt(
  claims: object,
  { kid, key }: SigningKey,
  how: 'RS256' | 'none' | { readonly HS256: string } = 'RS256',
): string {
  const alg = typeof how === 'string' ? how : 'HS256';
  const text = `${encode({ alg, typ: 'JWT', kid })}.${encode(claims)}`;
  if (how === 'none') return `${text}.`;
  if (how === 'RS256') return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
  return `${text}.${createHmac('sha256', how.HS256).update(text).digest('base64url')}`;
}

export class EvilOidcProvider implements AsyncDisposable {
  readonly #server = createServer();
  issuer = '';
  readonly key = newSigningKey('first');
  /** What it publishes. */
  keys: SigningKey[] = [this.key];
  /** In place of those. */
  jwks: object | undefined;
  readonly faults = new Map<Endpoint, Fault>();
  /** Added to the metadata. */
  metadata: Record<string, unknown> = {};
  /** The ID token that the next code is redeemed for. */
  idToken: string | undefined;
  userinfo: Record<string, unknown> = { sub: 'a1' };
  /** How often each was asked. */
  readonly asked: Record<Endpoint, number> = { metadata: 0, token: 0, keys: 0, userinfo: 0 };
  /** What the token endpoint was asked. */
  readonly tokenRequests: URLSearchParams[] = [];

  async start(): Promise<this> {
    this.#server.on('request', async (request, response) => {
      const endpoint = ENDPOINTS[request.url?.split('?')[0] ?? ''];
      if (endpoint === undefined) return response.writeHead(404).end();
      this.asked[endpoint]++;
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      if (endpoint === 'token')
        this.tokenRequests.push(new URLSearchParams(Buffer.concat(chunks).toString()));
      const fault = this.faults.get(endpoint);
      if (fault !== undefined) return misbehave(response, fault);
      return this.#answer(endpoint, response);
    });
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.issuer = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  #answer(endpoint: Endpoint, response: ServerResponse): void {
    const keys = () =>
      this.keys.map(({ kid, key }) => {
        return { ...createPublicKey(key).export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' };
      });
    const answers: Record<Endpoint, () => object> = {
      metadata: () => ({
        issuer: this.issuer,
        authorization_endpoint: `${this.issuer}/authorize`,
        token_endpoint: `${this.issuer}/token`,
        jwks_uri: `${this.issuer}/keys`,
        userinfo_endpoint: `${this.issuer}/userinfo`,
        end_session_endpoint: `${this.issuer}/end`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
        ...this.metadata,
      }),
      token: () => ({ access_token: 'access-of-a-test', token_type: 'Bearer', id_token: this.idToken }),
      keys: () => this.jwks ?? { keys: keys() },
      userinfo: () => this.userinfo,
    };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answers[endpoint]()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const ENDPOINTS: Record<string, Endpoint> = {
  '/.well-known/openid-configuration': 'metadata',
  '/token': 'token',
  '/keys': 'keys',
  '/userinfo': 'userinfo',
};

function misbehave(response: ServerResponse, fault: Fault): void {
  switch (fault) {
    case 'hang':
      return;
    case 'error':
      response.writeHead(502, { 'content-type': 'text/plain' }).end('bad gateway');
      return;
    case 'html':
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Down for maintenance</h1>');
      return;
    case 'refuse':
      response
        .writeHead(400, { 'content-type': 'application/json' })
        .end(JSON.stringify({ error: 'invalid_grant' }));
      return;
    case 'redirect':
      response.writeHead(302, { location: 'http://127.0.0.1:1/elsewhere' }).end();
      return;
    case 'reset':
      response.socket?.destroy();
      return;
    case 'endless': {
      response.writeHead(200, { 'content-type': 'application/json' });
      const chunk = Buffer.alloc(65_536, ' ');
      const timer = setInterval(() => response.write(chunk), 1);
      response.once('close', () => clearInterval(timer));
    }
  }
}
