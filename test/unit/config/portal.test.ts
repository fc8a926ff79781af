// The `portal` section: what may be written, and what is said of mistakes in it.

import { describe, expect, it, test } from 'vitest';
import { renderConfig } from '../../../src/config/render.ts';
import { needsRestart } from '../../../src/config/restart.ts';
import { configWarnings } from '../../../src/config/warnings.ts';
import { files, MASTER_FILE, mistakes, parse, SMALL } from './example.ts';

const OIDC =
  'issuer: https://login.example.com, clientId: postern, clientSecret: s3cr3t-of-a-client, twoStep: { claim: acr, values: ["2"] }';
const section = (oidc = OIDC, more = '') =>
  `${SMALL}portal: { address: "127.0.0.1:8080", publicUrl: "https://portal.example.com", oidc: { ${oidc} }${more} }\n`;
const changed = (piece: string, by: string) => {
  const text = section();
  if (!text.includes(piece)) throw new Error(`there is no ${piece}`);
  return text.replace(piece, () => by);
};
const portal = (text: string) => parse(text).portal!;

describe('the defaults', () => {
  test('of all that may be left out', () => {
    const { oidc, ...rest } = portal(section());
    expect(rest).toEqual({
      host: '127.0.0.1',
      port: 8080,
      publicUrl: 'https://portal.example.com',
      tls: null,
      trustedProxies: [],
      who: null,
      admins: null,
      creation: true,
      maxLifetime: null,
      scopes: ['imap', 'smtp', 'pop3', 'ldap'],
      sessionIdle: 900_000,
      sessionMax: 28_800_000,
      twoStepClients: false,
      help: null,
      notify: null,
    });
    expect(oidc).toMatchObject({
      scopes: ['openid', 'profile', 'email'],
      userClaim: 'email',
      requireVerifiedEmail: true,
      maxAge: 600_000,
      twoStep: { claim: 'acr', values: ['2'], request: 'acr_values' },
    });
  });

  it.each([
    ['acr', 'acr_values'],
    ['acrs', 'claims'],
    ['amr', 'none'],
  ])('asks for %s by %s', (claim, request) => {
    expect(portal(changed('claim: acr,', `claim: ${claim},`)).oidc.twoStep.request).toBe(request);
  });

  it('asks for a verified address only where the user is one', () => {
    const other = changed('clientId: postern', 'clientId: postern, userClaim: upn');
    expect(portal(other).oidc.requireVerifiedEmail).toBe(false);
  });

  it('has no portal without the section', () => {
    expect(parse(SMALL).portal).toBeNull();
  });

  it('tells clients the hostname and the port, or what the listener says', () => {
    expect(parse(SMALL).listeners[0]?.publicAddress).toBeNull();
    const said = SMALL.replace('tls: implicit }', 'tls: implicit, publicAddress: "imap.example.com:1993" }');
    expect(parse(said).listeners[0]?.publicAddress).toEqual({ host: 'imap.example.com', port: 1993 });
  });
});

describe('mistakes', () => {
  it.each<[string, string, string, RegExp]>([
    [
      'a public URL with a path',
      '"https://portal.example.com"',
      '"https://x.example/portal"',
      /publicUrl: .*without a path/,
    ],
    [
      'a public URL in clear',
      '"https://portal.example.com"',
      '"http://portal.example.com"',
      /publicUrl: .*must be https/,
    ],
    ['a public URL with a user', '"https://portal.example.com"', '"https://a:b@x.example"', /publicUrl/],
    ['a public URL with a query', '"https://portal.example.com"', '"https://x.example/?a"', /publicUrl/],
    ['a public URL that is no URL', '"https://portal.example.com"', '"portal.example.com"', /publicUrl/],
    [
      'an issuer in clear',
      'https://login.example.com',
      '"http://login.example.com"',
      /oidc\.issuer: .*must be an https/,
    ],
    [
      'an issuer with a query',
      'https://login.example.com',
      '"https://login.example.com/?a=b"',
      /oidc\.issuer/,
    ],
    [
      'any tenant of Entra',
      'https://login.example.com',
      '"https://login.microsoftonline.com/common/v2.0"',
      /of no tenant in particular/,
    ],
    [
      'organizations, too',
      'https://login.example.com',
      '"https://login.microsoftonline.com/Organizations/v2.0"',
      /of no tenant in particular/,
    ],
    ['no proof at all', ', twoStep: { claim: acr, values: ["2"] }', '', /oidc\.twoStep: is missing/],
    ['proof without values', 'values: ["2"]', 'values: []', /values: .*at least one/],
    [
      'scopes without openid',
      'clientId: postern',
      'clientId: postern, scopes: [email]',
      /scopes: has no openid/,
    ],
    [
      'verification of no address',
      'clientId: postern',
      'clientId: postern, userClaim: upn, requireVerifiedEmail: true',
      /means nothing without userClaim: email/,
    ],
    [
      'the secret twice',
      'clientId: postern',
      'clientId: postern, clientSecretFile: ./x',
      /is set beside clientSecret/,
    ],
    ['an empty secret', 's3cr3t-of-a-client', '""', /clientSecret: is empty/],
    ['an age of days', 'clientId: postern', 'clientId: postern, maxAge: 2d', /maxAge: .*from 1m to 1h/],
    ['the address of a listener', '127.0.0.1:8080', '0.0.0.0:993', /is taken by/],
  ])('%s', (_, piece, by, message) => {
    const found = mistakes(changed(piece, by));
    expect(found).toEqual([expect.stringMatching(message)]);
    expect(found.join()).not.toContain('s3cr3t');
  });

  it.each<[string, string, RegExp]>([
    ['no protocol', ', scopes: []', /portal\.scopes: .*at least one/],
    ['an unknown protocol', ', scopes: [http]', /portal\.scopes\[0\]/],
    ['a proxy that is no network', ', trustedProxies: [proxy.internal]', /trustedProxies\[0\]/],
    ['help in two lines', ', help: "a\\nb"', /portal\.help/],
    [
      'a sender with a name',
      ', notify: { from: "Postern <a@b>", smtp: { host: a, port: 25, tls: none } }',
      /notify\.from/,
    ],
    [
      'a user without a password',
      ', notify: { from: a@b, smtp: { host: a, port: 25, tls: none, user: u } }',
      /password: is missing/,
    ],
    [
      'a password without a user',
      ', notify: { from: a@b, smtp: { host: a, port: 25, tls: none, password: p } }',
      /user: is missing/,
    ],
    [
      'a port of none',
      ', notify: { from: a@b, smtp: { host: a, port: 0, tls: none } }',
      /port: .*from 1 to 65535/,
    ],
    ['a key that there is not', ', createion: true', /createion: is not a known key, .*creation/],
  ])('%s', (_, more, message) => {
    expect(mistakes(section(OIDC, more))).toEqual([expect.stringMatching(message)]);
  });

  it('are none for loopback in clear', () => {
    const local = changed('"https://portal.example.com"', '"http://127.0.0.1:8080"');
    expect(mistakes(local.replace('https://login.example.com', 'http://localhost:3000'))).toEqual([]);
    expect(mistakes(changed('"https://portal.example.com"', '"http://127.0.0.1.example.com"'))).toHaveLength(
      1,
    );
  });
});

test('secrets are read from files, and are not printed', () => {
  const text = section(OIDC.replace('clientSecret: s3cr3t-of-a-client', 'clientSecretFile: ./oidc'));
  const readFile = files({ '/etc/postern/master': 'x\n', '/etc/postern/oidc': 'from-a-file\n' });
  const config = parse(text, {}, readFile);
  expect(config.portal?.oidc.clientSecret?.reveal()).toBe('from-a-file');
  const printed = JSON.stringify(renderConfig(config));
  expect(printed).toContain('"clientSecret":"[secret]"');
  expect(printed).not.toContain('from-a-file');
  expect(mistakes(text, {}, MASTER_FILE)).toEqual([
    expect.stringMatching(/clientSecretFile: cannot be read/),
  ]);
});

test('what is printed can be read again', () => {
  const more =
    ', tls: { certificate: ./c, key: ./k }, who: { claim: groups, values: [a] }, maxLifetime: 90d, help: "Ask.", notify: { from: a@b, smtp: { host: mx, port: 465, tls: implicit, user: u, password: p-of-smtp } }';
  const config = parse(section(OIDC, more));
  const again = parse(JSON.stringify(renderConfig(config)));
  expect(renderConfig(again)).toEqual(renderConfig(config));
});

test('a reload takes all but the place where it listens and what it is called', () => {
  const running = parse(section());
  const after = (text: string) => needsRestart(running, parse(text));
  expect(after(section(OIDC.replace('acr', 'amr'), ', creation: false, sessionIdle: 5m'))).toEqual([]);
  const restart = (what: string) => [`${what}: cannot change while Postern runs; needs a restart`];
  expect(after(changed('8080', '8081'))).toEqual(restart('portal.address'));
  expect(after(changed('portal.example.com', 'other.example.com'))).toEqual(restart('portal.publicUrl'));
  expect(after(section(OIDC, ', tls: { certificate: ./c, key: ./k }'))).toEqual(restart('portal.tls'));
  expect(after(SMALL)).toEqual(restart('portal'));
});

test('warnings', () => {
  const of = (text: string) => configWarnings(parse(text));
  expect(of(section())).toEqual([]);
  expect(of(section(OIDC, ', trustedProxies: [0.0.0.0/0]'))).toEqual([
    expect.stringMatching(/^portal\.trustedProxies: 0\.0\.0\.0\/0 lets anyone/),
  ]);
  expect(of(changed('127.0.0.1:8080', '0.0.0.0:8080'))).toEqual([
    expect.stringMatching(/^portal\.tls: is missing/),
  ]);
  const smtp = (host: string) =>
    section(OIDC, `, notify: { from: a@b, smtp: { host: ${host}, port: 25, tls: none } }`);
  expect(of(smtp('127.0.0.1'))).toEqual([]);
  expect(of(smtp('mx.example.com'))).toEqual([expect.stringMatching(/^portal\.notify\.smtp\.tls: is none/)]);
});
