// The instruments of the protocol tests, against each other.

import { expect, test } from 'vitest';
import { createPki } from '../../support/pki.ts';
import { startScriptedImapUpstream } from '../../support/scripted-imap-upstream.ts';
import { ledger } from '../../support/secrets-ledger.ts';
import { connect } from '../../support/transcript.ts';

test('a dialogue goes as it is written', async () => {
  await using server = await startScriptedImapUpstream({
    on: [[/^(\w+) SELECT (.*)$/, '* 0 EXISTS\r\n$1 OK $2\r\n']],
  });
  await using c = await connect({ port: server.port });
  await c.expect('* OK [CAPABILITY IMAP4rev1 …] ready');
  await c.send('a1 LOGIN {5}\r\n');
  await c.expect('+ go on');
  await c.send('alice {3+}\r\npw1\r\na2 SELECT INBOX\r\n');
  await c.expect('a1 OK [CAPABILITY …');
  expect(await c.expectUntil('a2 OK …')).toEqual(['* 0 EXISTS', 'a2 OK INBOX']);
  await c.send('a3 AUTHENTICATE PLAIN\r\n');
  await c.expect('+ ');
  await c.send('AGEAYg==\r\na4 LOGOUT\r\n');
  expect((await c.expect(/^(\w+) OK/))[1]).toBe('a3');
  await c.expectUntil('a4 OK done');
  await c.closed();
  expect(server.lines).toEqual([
    'a1 LOGIN {5}\r\nalice {3+}\r\npw1',
    'a2 SELECT INBOX',
    'a3 AUTHENTICATE PLAIN',
    'AGEAYg==',
    'a4 LOGOUT',
  ]);
});

test.each(['implicit', 'starttls'] as const)('TLS: %s', async (tls) => {
  using pki = await createPki();
  await using server = await startScriptedImapUpstream({ tls, certificate: await pki.issue() });
  await using c = await connect({ port: server.port, tls: tls === 'implicit', ca: pki.ca.cert });
  await c.expect('* OK …');
  if (tls === 'starttls') {
    await c.send('s STARTTLS\r\n');
    await c.expect('s OK begin TLS');
    await c.startTls();
  }
  await c.send('n NOOP\r\n');
  await c.expect('n OK done');
  expect(c.text()).toContain('-- TLSv1.3');
});

test.each([
  ['an expired certificate', { expired: true }, 'certificate has expired'],
  ['another name', { names: ['elsewhere.example'] }, "does not match certificate's altnames"],
])('%s is seen', async (_, options, message) => {
  using pki = await createPki({ keyType: 'rsa' });
  const certificate = await pki.issue(options);
  await using server = await startScriptedImapUpstream({ tls: 'implicit', certificate });
  await expect(connect({ port: server.port, tls: true, ca: pki.ca.cert })).rejects.toThrow(message);
});

test('plaintext behind the answer to STARTTLS is noticed', async () => {
  using pki = await createPki();
  await using server = await startScriptedImapUpstream({
    tls: 'starttls',
    certificate: await pki.issue(),
    on: [[/^(\w+) STARTTLS/, (s, [, tag]) => s.startTls(`${tag} OK\r\n`, '* injected\r\n')]],
  });
  await using c = await connect({ port: server.port, ca: pki.ca.cert });
  await c.expect('* OK …');
  await c.send('s STARTTLS\r\n');
  await c.expect('s OK');
  await expect(c.startTls()).rejects.toThrow('ahead of TLS');
});

test('failures show the dialogue, without its secrets', async () => {
  const secret = ledger('transcript test secret');
  await using server = await startScriptedImapUpstream({ on: [[/NOOP/, null]] });
  await using c = await connect({ port: server.port, patience: 100 });
  await c.expect('* OK …');
  await c.send(`a LOGIN alice "${secret}"\r\n`);
  const error = await c.expect('a NO …').catch((e: Error) => e.message);
  expect(error).toContain('expected a NO …');
  expect(error).toContain('C: a LOGIN alice "[secret]"');
  await c.send('b NOOP\r\n');
  await c.quiet(20);
  await expect(c.expect('b OK …')).rejects.toThrow('nothing came for 100 ms');
  await expect(c.closed()).rejects.toThrow('not closed within 100 ms');
  server.dropAll();
  await expect(c.quiet(50)).rejects.toThrow('the connection ended');
  await expect(c.expect('…')).rejects.toThrow('the connection ended');
});

test('a pattern is about the whole line', async () => {
  await using server = await startScriptedImapUpstream({ greeting: '* OK ready to serve\r\n' });
  await using c = await connect({ port: server.port });
  await expect(c.expect('* OK ready')).rejects.toThrow('expected * OK ready');
});

test.each(['none', 'implicit'] as const)('either side can reset the connection, TLS: %s', async (tls) => {
  using pki = await createPki();
  await using server = await startScriptedImapUpstream({
    tls,
    certificate: await pki.issue(),
    on: [[/DROP/, (s) => s.drop()]],
  });
  const options = { port: server.port, tls: tls === 'implicit', ca: pki.ca.cert };
  await using dropped = await connect(options);
  await dropped.expect('* OK …');
  await dropped.send('a DROP\r\n');
  await dropped.closed();
  await using c = await connect(options);
  await c.expect('* OK …');
  expect(server.connections).toMatchObject({ total: 2, open: 1 });
  c.reset();
  await expect.poll(() => server.connections.open).toBe(0);
});
