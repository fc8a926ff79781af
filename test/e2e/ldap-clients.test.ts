// Other people's LDAP clients, unmodified, through Postern to a real slapd; and what applications do: bind as a service, search, bind
// as what was found, again and again on one connection.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { createClient } from 'ldapjs';
import { Client, InvalidCredentialsError } from 'ldapts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Secret } from '../../src/lib/secret.ts';
import { encodeBind } from '../../src/protocols/ldap/requests.ts';
import { type DirectoryAccount, ldapScript as script, urlOf } from '../support/ldap-clients.ts';
import { PATIENCE } from '../support/patience.ts';
import { ALICE, BOB, type DirectoryChain, startPosternBeforeSlapd } from '../support/postern-before-slapd.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { BASE, PEOPLE, SERVICE, ZOE } from '../support/slapd.ts';

let chain: DirectoryChain;
let alice: DirectoryAccount;
let service: DirectoryAccount;
beforeAll(async () => {
  chain = await startPosternBeforeSlapd();
  alice = await chain.account('alice@example.com', ALICE);
  service = await chain.account('nextcloud@example.com', SERVICE);
});
afterAll(() => chain?.[Symbol.asyncDispose]());

const tlsOf = ({ caFile }: DirectoryAccount) => ({ ca: readFileSync(caFile), servername: 'localhost' });
const ldapts = (account: DirectoryAccount) =>
  new Client({
    url: urlOf(account),
    ...(account.tls === 'implicit' && { tlsOptions: tlsOf(account) }),
    timeout: PATIENCE,
  });

describe('ldapts', () => {
  test('binds, searches in pages, compares', async () => {
    const client = ldapts(alice);
    await client.bind(alice.name, alice.password);
    const { searchEntries } = await client.search(BASE, {
      filter: '(mail=*)',
      attributes: ['mail'],
      paged: { pageSize: 2 },
    });
    expect(searchEntries.map(({ mail }) => mail)).toEqual([
      'alice@example.com',
      'bob@example.com',
      'carol@example.com',
      'zoe@example.com',
    ]);
    expect(await client.compare(BOB, 'sn', 'Example')).toBe(true);
    await client.unbind();
  });

  test('with StartTLS', async () => {
    const account: DirectoryAccount = { ...alice, tls: 'starttls', port: chain.ports.ldap };
    const client = ldapts(account);
    await client.startTLS(tlsOf(account));
    await client.bind(account.name, account.password);
    expect((await client.search(ALICE, { scope: 'base' })).searchEntries[0]).toMatchObject({ uid: 'alice' });
    await client.unbind();
  });

  test('a good Bind, a bad one and a good one on one connection; after the bad one it is nobody', async () => {
    const client = ldapts(alice);
    await client.bind(alice.name, alice.password);
    await expect(client.bind(BOB, alice.password)).rejects.toThrow(InvalidCredentialsError);
    await expect(client.search(BASE, { scope: 'base' })).rejects.toThrow();
    await client.bind(alice.name, alice.password);
    expect((await client.search(BASE, { filter: '(cn=plan*)' })).searchEntries).toHaveLength(1);
    await client.unbind();
  });

  test('binds as the service, searches, and binds as what it found, 1,000 times on one connection', async () => {
    const bob = await chain.account('bob@example.com');
    const zoe = await chain.account('zoe@example.com');
    const people = new Map([
      ['alice', alice],
      ['bob', bob],
      ['zoe', zoe],
    ]);
    const client = ldapts(service);
    const found = new Map<string, number>();
    for (let round = 0; round < 1000; round++) {
      const [name, account] = [...people][round % people.size]!;
      await client.bind(service.name, service.password);
      const { searchEntries } = await client.search(BASE, {
        filter: `(mail=${name}@example.com)`,
        attributes: ['1.1'],
      });
      const [entry] = searchEntries;
      await client.bind(entry!.dn, account.password);
      found.set(entry!.dn, (found.get(entry!.dn) ?? 0) + 1);
    }
    await client.unbind();
    expect(Object.fromEntries(found)).toEqual({ [ALICE]: 334, [BOB]: 333, [ZOE]: 333 });
    // Each Bind had a connection of its own behind Postern, and none is left.
    await expect.poll(() => openConnections(chain)).toBeLessThanOrEqual(1);
    const metrics = await chain.postern.metrics();
    expect(metrics.value('postern_sessions', { protocol: 'ldap' })).toBe(0);
  });
});

/** Those that slapd has accepted and not closed; the one that names are looked up on stays for a while. */
function openConnections({ slapd }: DirectoryChain): number {
  const count = (pattern: RegExp) => [...slapd.log().matchAll(pattern)].length;
  return count(/ ACCEPT from /g) - count(/ fd=\d+ closed/g);
}

test('ldapjs binds, searches, asks who it is, and is refused with a wrong password', async () => {
  const client = createClient({ url: [urlOf(alice)], tlsOptions: tlsOf(alice) });
  client.on('error', () => {});
  const bind = (name: string, password: string) =>
    new Promise<string>((resolve) => client.bind(name, password, (error) => resolve(error?.name ?? 'bound')));
  expect(await bind(alice.name, alice.password)).toBe('bound');
  const names = await new Promise<string[]>((resolve, reject) =>
    client.search(PEOPLE, { scope: 'one', attributes: ['uid'] }, (error, found) => {
      if (error) return reject(error);
      const seen: string[] = [];
      found.on('searchEntry', (entry) => seen.push(entry.dn.toString()));
      found.on('error', reject);
      found.on('end', () => resolve(seen));
    }),
  );
  expect(names.sort()).toEqual(['alice', 'bob', 'carol'].map((uid) => `uid=${uid},${PEOPLE}`));
  const self = await new Promise((resolve, reject) =>
    client.exop('1.3.6.1.4.1.4203.1.11.3', '', (error, value) => (error ? reject(error) : resolve(value))),
  );
  expect(self).toBe(`dn:${ALICE}`);
  expect(await bind(alice.name, ledger('mEs8-no-app-password'))).toBe('InvalidCredentialsError');
  client.destroy();
});

const PEOPLE_FOUND = 'alice bob carol\n';

test('Python: ldap3', async () => {
  const text = `
import json, ssl, sys
from ldap3 import Server, Connection, Tls, SUBTREE
facts = json.load(sys.stdin)
tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=facts['caFile'], valid_names=['localhost'])
server = Server(facts['url'], tls=tls, get_info='ALL')
connection = Connection(server, facts['name'], facts['password'], auto_bind=True)
found = connection.extend.standard.paged_search('${PEOPLE}', '(uid=*)', SUBTREE, attributes=['uid'], paged_size=2)
print(*sorted(entry['attributes']['uid'][0] for entry in found))
print(connection.extend.standard.who_am_i())
print(connection.rebind(user=facts['name'], password='wR0-not-this-one'))
`;
  expect(await script('python3', text, alice)).toMatchObject({
    code: 0,
    stdout: `${PEOPLE_FOUND}dn:${ALICE}\nFalse\n`,
  });
});

test('Python: python-ldap, with StartTLS', async () => {
  const text = `
import json, sys, ldap
from ldap.controls import SimplePagedResultsControl
facts = json.load(sys.stdin)
ldap.set_option(ldap.OPT_X_TLS_CACERTFILE, facts['caFile'])
ldap.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
connection = ldap.initialize(facts['url'])
connection.start_tls_s()
connection.simple_bind_s(facts['name'], facts['password'])
control = SimplePagedResultsControl(True, size=100, cookie='')
message = connection.search_ext('${PEOPLE}', ldap.SCOPE_ONELEVEL, '(uid=*)', ['uid'], serverctrls=[control])
_, entries, _, _ = connection.result3(message)
print(*sorted(entry['uid'][0].decode() for _, entry in entries))
print(connection.whoami_s())
try:
  connection.simple_bind_s(facts['name'], 'wR1-not-this-one')
except ldap.INVALID_CREDENTIALS:
  print('refused')
`;
  const account: DirectoryAccount = { ...alice, tls: 'starttls', port: chain.ports.ldap };
  expect(await script('python3', text, account)).toMatchObject({
    code: 0,
    stdout: `${PEOPLE_FOUND}dn:${ALICE}\nrefused\n`,
  });
});

test('Perl: Net::LDAP', async () => {
  const text = `
use strict; use JSON::PP; use Net::LDAP; use Net::LDAP::Control::Sort;
my $facts = decode_json(join '', <STDIN>);
my $ldap = Net::LDAP->new($facts->{url}, verify => 'require', cafile => $facts->{caFile}) or die $@;
my $bound = $ldap->bind($facts->{name}, password => $facts->{password});
die $bound->error if $bound->code;
my $sort = Net::LDAP::Control::Sort->new(order => 'uid:2.5.13.3');
my $found = $ldap->search(base => '${PEOPLE}', scope => 'one', filter => '(uid=*)', attrs => ['uid'], control => [$sort]);
die $found->error if $found->code;
print join(' ', map { $_->get_value('uid') } $found->entries), "\\n";
print $ldap->bind($facts->{name}, password => 'wR2-not-this-one')->code, "\\n";
`;
  expect(await script('perl', text, alice)).toMatchObject({ code: 0, stdout: `${PEOPLE_FOUND}49\n` });
});

test('revoking an app password ends its session with a Notice of Disconnection', async () => {
  const { id, password } = await chain.postern.createPassword('carol@example.com');
  const socket = connect({ port: chain.ports.ldaps, host: '127.0.0.1', ...tlsOf(alice) });
  await once(socket, 'secureConnect');
  socket.write(encodeBind(1, 'carol', new Secret(password)));
  const [bound] = (await once(socket, 'data')) as [Buffer];
  // LDAPMessage { 1, BindResponse { success, "", "" } }
  expect(bound.toString('hex')).toBe('300c02010161070a010004000400');
  const heard: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => heard.push(chunk));
  const ended = once(socket, 'end');
  await chain.postern.revoke(id);
  await ended;
  const notice = Buffer.concat(heard).toString('latin1');
  expect(notice.slice(2, 6)).toBe('\x02\x01\x00\x78');
  expect(notice).toContain('1.3.6.1.4.1.1466.20036');
  socket.destroy();
  await chain.postern.logged(/"event":"session_ended"|"reason":"revoked"/);
});
