// What strangers read of the directory before Bind: learnt from it, corrected, as the config allows; and that a Bind with neither name
// nor password is no login.

import { expect, test } from 'vitest';
import {
  bind,
  control,
  done,
  entry,
  extended,
  OIDS,
  present,
  result,
  rootDse,
  search,
  text,
  tlv,
} from '../support/ldap-bytes.ts';
import type { DirectoryConnection, DirectoryScript } from '../support/scripted-ldap-upstream.ts';
import { ALICE, type DirectorySetting, SERVICE, startDirectorySetting } from './postern-before-directory.ts';

const NAMES =
  'rootDse: [namingContexts, subschemaSubentry, supportedControl, supportedExtension, supportedFeatures]';
const ASKED = `ldap: { ${NAMES} }`;
const PAGED = '1.2.840.113556.1.4.319';
const THEIRS = {
  namingContexts: ['dc=example,dc=com'],
  subschemaSubentry: ['cn=Subschema'],
  supportedControl: [PAGED, OIDS.proxied, '1.3.6.1.4.1.21008.108.63.1'],
  supportedExtension: [OIDS.startTls, OIDS.passwordModify, OIDS.whoAmI, OIDS.cancel, '1.3.6.1.1.21.1'],
  supportedFeatures: ['1.3.6.1.1.14'],
  supportedSASLMechanisms: ['GSSAPI'],
  altServer: ['ldap://elsewhere.example.com'],
  vendorVersion: ['7.1-secret'],
};
const OWN = {
  objectClass: ['top'],
  supportedLDAPVersion: ['3'],
  supportedSASLMechanisms: ['PLAIN'],
  supportedExtension: [OIDS.whoAmI],
  vendorName: ['Postern'],
};
const TOLD = {
  ...OWN,
  namingContexts: ['dc=example,dc=com'],
  subschemaSubentry: ['cn=Subschema'],
  supportedControl: [PAGED],
  supportedExtension: [OIDS.whoAmI, OIDS.cancel],
  supportedFeatures: ['1.3.6.1.1.14'],
};

/** A directory that says this of itself, whatever it is asked for. */
const saying =
  (attributes: Record<string, readonly string[]>): DirectoryScript =>
  ({ op, id, dn }, connection) => {
    if (op !== 'search' || dn !== '') return false;
    connection.write(entry(id, '', attributes), done(id));
    return true;
  };

const answer = (connection: DirectoryConnection, ...messages: Uint8Array[]): true => {
  connection.write(...messages);
  return true;
};

/** The entry that a new client reads; undefined if its filter finds none. */
async function read(setting: DirectorySetting, options: Parameters<typeof rootDse>[1] = {}) {
  await using client = await setting.client();
  const answer = await client.ask(rootDse(1, options));
  return answer.op === 'entry' ? answer.attributes : undefined;
}

/** Until Postern has asked what it wanted to know. */
async function asked(setting: DirectorySetting): Promise<void> {
  await expect
    .poll(() => setting.upstream.requests.some(({ op }) => op === 'unbind'), { timeout: 20_000 })
    .toBe(true);
}

test('is learnt by Postern’s own account, once, and corrected', async () => {
  await using postern = await startDirectorySetting({ config: ASKED, script: saying(THEIRS) });
  await asked(postern);
  expect(postern.upstream.requests.map(({ op, dn }) => [op, dn])).toEqual([
    ['bind', SERVICE.dn],
    ['search', ''],
    ['unbind', undefined],
  ]);
  expect(await read(postern)).toEqual(TOLD);
  await using plain = await postern.plain();
  expect((await plain.ask(rootDse(1))).attributes).toMatchObject({
    supportedControl: [PAGED],
    supportedExtension: [OIDS.whoAmI, OIDS.startTls, OIDS.cancel],
  });
  // Nobody asked again.
  expect(postern.upstream.connections.total).toBe(1);
});

test('is found by every filter that it satisfies', async () => {
  await using postern = await startDirectorySetting({ config: ASKED, script: saying(THEIRS) });
  await asked(postern);
  const equal = (type: string, value: string) => tlv(0xa3, text(type), text(value));
  for (const filter of [
    present('objectClass'),
    present('namingcontexts'),
    equal('objectClass', 'top'),
    equal('objectclass', 'TOP'),
    equal('supportedControl', PAGED),
    tlv(0xa0, present('objectClass'), tlv(0xa2, equal('cn', 'x'))),
  ]) {
    expect(await read(postern, { filter })).toEqual(TOLD);
  }
  // Nor does a filter tell what is not told.
  for (const filter of [
    equal('objectClass', 'person'),
    equal('vendorVersion', '7.1-secret'),
    present('altServer'),
    equal('supportedControl', OIDS.proxied),
  ]) {
    expect(await read(postern, { filter })).toBeUndefined();
  }
  expect(await read(postern, { attributes: ['namingContexts', '1.1'] })).toEqual({
    namingContexts: ['dc=example,dc=com'],
  });
});

test('is as little of it as the config says; with [] nobody is asked', async () => {
  await using some = await startDirectorySetting({
    config: 'ldap: { rootDse: [namingContexts] }',
    script: saying(THEIRS),
  });
  await asked(some);
  expect(await read(some)).toEqual({ ...OWN, namingContexts: ['dc=example,dc=com'] });
  await using none = await startDirectorySetting({ config: 'ldap: { rootDse: [] }', script: saying(THEIRS) });
  expect(await read(none)).toEqual(OWN);
  expect(none.upstream.connections.total).toBe(0);
});

test.each<[string, DirectoryScript]>([
  ['refuses Postern', ({ op, id }, connection) => op === 'bind' && answer(connection, result(id, 0x61, 49))],
  ['says nothing', () => true],
  ['has none', ({ op, id }, connection) => op === 'search' && answer(connection, done(id, 32))],
  [
    'sends no LDAP',
    ({ op }, connection) => op === 'search' && answer(connection, Buffer.from('HTTP/1.1 400\r\n')),
  ],
  [
    'sends without end',
    ({ op, id }, connection) => {
      if (op !== 'search') return false;
      connection.write(...Array.from({ length: 200 }, () => entry(id, 'cn=x', { namingContexts: ['x'] })));
      return true;
    },
  ],
])('where the directory %s, strangers hear of Postern alone', async (_, script) => {
  await using postern = await startDirectorySetting({ config: ASKED, script });
  await expect.poll(() => postern.upstream.requests.length, { timeout: 20_000 }).toBeGreaterThan(0);
  expect(await read(postern)).toEqual(OWN);
  expect(postern.events('internal_error')).toEqual([]);
});

test('a refusal of Postern’s account is told at once, and it does not insist', async () => {
  await using postern = await startDirectorySetting({
    config: ASKED,
    script: ({ op, id }, connection) => op === 'bind' && answer(connection, result(id, 0x61, 49)),
  });
  expect(await postern.logged('upstream_refused')).toMatchObject({ reason: 'upstream_refused_postern' });
  expect(postern.upstream.requests.filter(({ op }) => op === 'bind')).toHaveLength(1);
});

test('a Bind with neither name nor password succeeds, is no login, and opens nothing else', async () => {
  await using postern = await startDirectorySetting({ config: `${ASKED}\nlimits: { loginDeadline: 3s }` });
  await asked(postern);
  const { total } = postern.upstream.connections;
  await using client = await postern.client();
  expect(await client.ask(bind(1, '', ''))).toMatchObject({ id: 1, op: 'bindResponse', code: 0 });
  expect(await client.ask(search(2, 'dc=example,dc=com'))).toMatchObject({ op: 'searchDone', code: 1 });
  expect(await client.ask(search(3, '', { scope: 2 }))).toMatchObject({ op: 'searchDone', code: 1 });
  expect(await client.ask(extended(4, OIDS.passwordModify))).toMatchObject({ code: 1 });
  expect(await client.ask(extended(5, OIDS.whoAmI))).toMatchObject({ code: 0, value: '' });
  expect(await client.ask(rootDse(6, { controls: [control(PAGED, true)] }))).toMatchObject({ code: 12 });
  // The deadline is that of before login: it is not a session.
  expect(await client.message()).toMatchObject({ id: 0, code: 52, diagnostic: 'Took too long to bind' });
  await client.closed();
  expect(postern.upstream.connections.total).toBe(total);
  expect(postern.events(/^(login|session)$/)).toEqual([]);
});

test('nor does it make anything of the next Bind: guesses count as before, messages stay small', async () => {
  await using postern = await startDirectorySetting();
  await using client = await postern.client();
  for (let id = 1; id <= 4; id++) {
    expect(await client.ask(bind(2 * id, ALICE, 'wrong'))).toMatchObject({ code: 49 });
    expect(await client.ask(bind(2 * id + 1, '', ''))).toMatchObject({ code: 0 });
  }
  expect(await client.ask(bind(20, ALICE, 'wrong'))).toMatchObject({ code: 49 });
  expect(await client.message()).toMatchObject({ id: 0, op: 'extendedResponse' });
  await client.closed();

  await using large = await postern.client();
  expect(await large.ask(bind(1, '', ''))).toMatchObject({ code: 0 });
  await large.send(Buffer.concat([Buffer.from('30840001000002010263', 'hex'), Buffer.alloc(10)]));
  expect(await large.message()).toMatchObject({ id: 0, op: 'extendedResponse' });

  await using many = await postern.client();
  await many.send(Buffer.concat(Array.from({ length: 101 }, (_, n) => bind(n + 1, '', ''))));
  for (let n = 1; n <= 100; n++) expect(await many.message()).toMatchObject({ id: n, code: 0 });
  expect(await many.message()).toMatchObject({ id: 0, op: 'extendedResponse' });
});

test('with anonymousBind: false it is refused, and the root DSE is read all the same', async () => {
  await using postern = await startDirectorySetting({
    config: 'ldap: { anonymousBind: false, rootDse: [] }',
  });
  await using client = await postern.client();
  expect(await client.ask(bind(1, '', ''))).toMatchObject({ code: 48 });
  expect(await client.ask(rootDse(2))).toMatchObject({ op: 'entry', attributes: OWN });
});
