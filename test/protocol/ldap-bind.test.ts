// Bind, again and again: RFC 4511 §4.2, RFC 4513 §5.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  abandon,
  bind,
  compare,
  control,
  extended,
  integer,
  message,
  OIDS,
  saslBind,
  search,
  text,
  tlv,
  unbind,
} from '../support/ldap-bytes.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { ALICE, type DirectorySetting, SERVICE, startDirectorySetting } from './postern-before-directory.ts';

let postern: DirectorySetting;
beforeAll(async () => {
  postern = await startDirectorySetting();
});
afterAll(() => postern[Symbol.asyncDispose]());

const WRONG = ledger('wrkngwrkngabcdef');
const SUCCESS = { op: 'bindResponse', code: 0 };
const REFUSED = { op: 'bindResponse', code: 49, diagnostic: 'Invalid credentials' };

describe('a good bind', () => {
  test.each([[ALICE], ['alice'], ['alice@example.com'], ['UID=Alice,OU=People,DC=Example,DC=com']])(
    'as %s, then a search, then unbind',
    async (name) => {
      await using client = await postern.client();
      expect(await client.ask(bind(1, name, postern.password))).toMatchObject({ id: 1, ...SUCCESS });
      await client.send(search(2, 'ou=people,dc=example,dc=com'));
      expect(await client.message()).toEqual({
        id: 2,
        op: 'entry',
        dn: 'ou=people,dc=example,dc=com',
        attributes: { cn: ['one'] },
      });
      expect(await client.message()).toMatchObject({ id: 2, op: 'searchDone', code: 0 });
      await client.send(unbind(3));
      await client.closed();
      await postern.until(() => postern.upstream.connections.open === 0);
    },
  );

  test('by SASL PLAIN, with and without the server’s word first, and with one’s own name as the identity', async () => {
    await using client = await postern.client();
    const plain = (identity: string, name: string) => `${identity}\0${name}\0${postern.password}`;
    expect(await client.ask(saslBind(1, 'PLAIN', plain('', 'alice')))).toMatchObject({ id: 1, ...SUCCESS });
    expect(await client.ask(saslBind(2, 'PLAIN'))).toMatchObject({ id: 2, code: 14 });
    expect(await client.ask(saslBind(3, 'PLAIN', plain('u:alice', 'alice')))).toMatchObject({
      id: 3,
      ...SUCCESS,
    });
    expect(await client.ask(saslBind(5, 'PLAIN', plain('ALICE@example.com ', ALICE)))).toMatchObject(SUCCESS);
    expect(await client.ask(saslBind(6, 'PLAIN', plain(`dn:${ALICE}`, '\u00a0alice')))).toMatchObject(
      SUCCESS,
    );
    expect(await client.ask(saslBind(4, 'plain', plain(`dn:${ALICE}`, ALICE)))).toMatchObject({
      id: 4,
      ...SUCCESS,
    });
  });

  test('the directory sees Postern’s own account, never the app password', async () => {
    const before = postern.upstream.requests.length;
    await using client = await postern.bound();
    await client.ask(compare(2, ALICE));
    const [login, passed] = postern.upstream.requests.slice(before);
    expect(login).toMatchObject({ op: 'bind', dn: SERVICE.dn });
    expect(passed!.bytes.equals(compare(2, ALICE))).toBe(true);
    for (const { bytes } of postern.upstream.requests) expect(bytes.includes(postern.password)).toBe(false);
  });

  test('what was pipelined behind it is answered behind it', async () => {
    await using client = await postern.client();
    await client.send(
      Buffer.concat([
        bind(1, ALICE, postern.password),
        search(2, 'a=1'),
        search(3, 'b=2'),
        extended(4, OIDS.whoAmI),
      ]),
    );
    const seen = [];
    for (let n = 0; n < 6; n++) seen.push(await client.message());
    expect(seen[0]).toMatchObject({ id: 1, ...SUCCESS });
    // Who am I is answered here, the searches there.
    expect(seen.filter(({ id }) => id === 4)).toMatchObject([{ op: 'extendedResponse', code: 0 }]);
    expect(seen.filter(({ id }) => id === 2 || id === 3).map(({ id, op }) => [id, op])).toEqual([
      [2, 'entry'],
      [2, 'searchDone'],
      [3, 'entry'],
      [3, 'searchDone'],
    ]);
  });

  test('with the connection ended behind it, answers come all the same', async () => {
    await using client = await postern.client();
    await client.send(Buffer.concat([bind(1, ALICE, postern.password), search(2, 'a=1')]));
    client.end();
    expect(await client.message()).toMatchObject({ id: 1, ...SUCCESS });
    expect(await client.message()).toMatchObject({ id: 2, op: 'entry' });
    expect(await client.message()).toMatchObject({ id: 2, op: 'searchDone' });
    await client.closed();
  });
});

describe('a bind that fails', () => {
  test('good, bad, good on one connection; in between the client is anonymous', async () => {
    await using client = await postern.client();
    const { total } = postern.upstream.connections;
    expect(await client.ask(bind(1, ALICE, postern.password))).toMatchObject(SUCCESS);
    expect(await client.ask(bind(2, ALICE, WRONG))).toEqual({ id: 2, ...REFUSED });
    expect(await client.ask(search(3, 'dc=example'))).toMatchObject({ id: 3, op: 'searchDone', code: 1 });
    expect(await client.ask(extended(4, OIDS.whoAmI))).toMatchObject({ id: 4, code: 0, value: '' });
    expect(await client.ask(bind(5, ALICE, postern.password))).toMatchObject(SUCCESS);
    expect(await client.ask(search(6, 'dc=example'))).toMatchObject({ id: 6, op: 'entry' });
    // A wrong guess never reaches the directory.
    expect(postern.upstream.connections.total).toBe(total + 2);
    expect(postern.events('session').at(-1)).toMatchObject({ protocol: 'ldap', reason: 'client_closed' });
  });

  test.each([
    ['an unknown user', 'uid=mallory,ou=people,dc=example,dc=com'],
    ['a DN of another tree', 'uid=alice,ou=people,dc=other'],
    ['a star', 'uid=*,ou=people,dc=example,dc=com'],
    ['a bracket', 'uid=alice)(uid=*,ou=people,dc=example,dc=com'],
    ['an escaped NUL', 'uid=alice\\00,ou=people,dc=example,dc=com'],
    ['an escaped comma', 'uid=alice\\,ou=x,ou=people,dc=example,dc=com'],
    ['a second value', 'uid=alice+uid=bob,ou=people,dc=example,dc=com'],
    ['a quote', 'uid="alice",ou=people,dc=example,dc=com'],
    ['a NUL', 'alice\0'],
    ['no UTF-8', Buffer.from([0x61, 0x6c, 0xff, 0xfe])],
    ['nothing but a password', ''],
    ['nearly 64 KiB', 'a'.repeat(65_000)],
  ])('by the name: %s', async (_, name) => {
    await using client = await postern.client();
    const { total } = postern.upstream.connections;
    expect(await client.ask(bind(1, name, WRONG))).toEqual({ id: 1, ...REFUSED });
    // And with a password that somebody has.
    expect(await client.ask(bind(2, name, postern.password))).toEqual({ id: 2, ...REFUSED });
    expect(postern.upstream.connections.total).toBe(total);
  });

  test('an empty password with a name is no login (53), however often, and never reaches the gate', async () => {
    await using client = await postern.client();
    const logins = postern.events('login').length;
    for (let id = 1; id <= 8; id++) {
      expect(await client.ask(bind(id, ALICE, ''))).toMatchObject({ id, op: 'bindResponse', code: 53 });
    }
    expect(await client.ask(saslBind(9, 'PLAIN', '\0alice\0'))).toMatchObject({ id: 9, code: 53 });
    expect(postern.events('login').length).toBe(logins);
  });

  test('it ends the identity that was there before, also if it is anonymous', async () => {
    await using client = await postern.bound();
    expect(await client.ask(bind(2, '', ''))).toMatchObject({ id: 2, code: 0 });
    expect(await client.ask(search(3, 'dc=example'))).toMatchObject({ code: 1 });
    await postern.until(() => postern.upstream.connections.open === 0);
  });

  test('version 2 is a protocol error, and so is version 4', async () => {
    await using client = await postern.client();
    expect(await client.ask(bind(1, ALICE, postern.password, 2))).toMatchObject({ id: 1, code: 2 });
    expect(await client.ask(bind(2, ALICE, postern.password, 4))).toMatchObject({ id: 2, code: 2 });
    expect(await client.ask(bind(3, ALICE, postern.password))).toMatchObject(SUCCESS);
  });

  test('SASL: unknown mechanisms, none, one given up half-way, somebody else’s identity, no PLAIN message', async () => {
    await using client = await postern.client();
    for (const [n, mechanism] of ['GSSAPI', 'DIGEST-MD5', 'EXTERNAL', 'NTLM', ''].entries()) {
      expect(await client.ask(saslBind(n + 1, mechanism, 'x'))).toMatchObject({
        op: 'bindResponse',
        code: 7,
      });
    }
    expect(await client.ask(saslBind(6, 'PLAIN'))).toMatchObject({ code: 14 });
    expect(await client.ask(saslBind(7, ''))).toMatchObject({ code: 7 });
    expect(await client.ask(saslBind(8, 'PLAIN', `bob\0alice\0${postern.password}`))).toMatchObject({
      code: 49,
    });
    expect(postern.events('login').at(-1)).toMatchObject({
      reason: 'other_identity',
      user: 'alice@example.com',
    });
    expect(await client.ask(saslBind(9, 'PLAIN', 'no such thing'))).toMatchObject({ code: 49 });
    expect(await client.ask(bind(10, ALICE, postern.password))).toMatchObject(SUCCESS);
  });

  test('what is no PLAIN message but plainly a try to log in is refused (49), and is an attempt', async () => {
    const { password } = postern;
    for (const message of [
      `alice\0${password}`,
      `\0alice\0${password}\0`,
      `\0\0${password}`,
      `\0\0alice\0${password}`,
      `\0alice\0${password}\n`,
      'x'.repeat(20_000),
    ]) {
      const logins = postern.events('login').length;
      await using client = await postern.client();
      expect(await client.ask(saslBind(1, 'PLAIN', message))).toEqual({ id: 1, ...REFUSED });
      expect(postern.events('login').length).toBe(logins + 1);
      expect(await client.ask(bind(2, ALICE, password))).toMatchObject(SUCCESS);
    }
  });

  test('a critical control on it is not supported, another is ignored', async () => {
    await using client = await postern.client();
    const withControl = (id: number, critical: boolean) => {
      const op = tlv(0x60, integer(3), text(ALICE), tlv(0x80, postern.password));
      return message(id, op, control('1.3.6', critical));
    };
    expect(await client.ask(withControl(1, true))).toMatchObject({ id: 1, code: 12 });
    expect(await client.ask(withControl(2, false))).toMatchObject({ id: 2, code: 0 });
  });

  test('after five of them the client is told, and the connection closed', async () => {
    await using client = await postern.client();
    for (let id = 1; id <= 5; id++)
      expect(await client.ask(bind(id, 'nobody', WRONG))).toMatchObject({ id, code: 49 });
    expect(await client.message()).toMatchObject({
      id: 0,
      oid: OIDS.notice,
      diagnostic: 'Too many failed binds',
    });
    await client.closed();
  });
});

describe('a bind while something is under way', () => {
  test('two at once are taken one after the other', async () => {
    const { password } = await postern.createPassword('bob@example.com');
    await using client = await postern.client();
    await client.send(
      Buffer.concat([bind(1, ALICE, postern.password), bind(2, 'bob', password), extended(3, OIDS.whoAmI)]),
    );
    expect(await client.message()).toMatchObject({ id: 1, ...SUCCESS });
    expect(await client.message()).toMatchObject({ id: 2, ...SUCCESS });
    expect(await client.message()).toMatchObject({ id: 3, value: 'u:bob@example.com' });
    await postern.until(() => postern.upstream.connections.open === 1);
  });

  test('searches that run are abandoned: their answers do not come any more', async () => {
    await using other = await startDirectorySetting({
      script: (request) => request.op === 'search' && request.dn === 'slow=1',
    });
    await using client = await other.bound();
    await client.send(Buffer.concat([search(2, 'slow=1'), search(3, 'slow=1')]));
    await other.until(() => other.upstream.requests.filter(({ op }) => op === 'search').length === 2);
    const [before] = other.upstream.sockets;
    expect(await client.ask(bind(4, ALICE, other.password))).toMatchObject({ id: 4, ...SUCCESS });
    await other.until(() => before!.destroyed);
    // Their ids are free again, too.
    expect(await client.ask(search(2, 'a=1'))).toMatchObject({ id: 2, op: 'entry' });
  });

  test('abandon of a bind has no effect and no answer', async () => {
    await using client = await postern.client();
    await client.send(
      Buffer.concat([bind(1, ALICE, postern.password), abandon(2, 1), extended(3, OIDS.whoAmI)]),
    );
    expect(await client.message()).toMatchObject({ id: 1, ...SUCCESS });
    expect(await client.message()).toMatchObject({ id: 3, op: 'extendedResponse' });
  });

  test('a client that goes in the middle of it leaves nothing behind', async () => {
    await using other = await startDirectorySetting({ script: ({ op }) => op === 'bind' });
    await using client = await other.client();
    await client.send(bind(1, ALICE, other.password));
    await other.until(() => other.upstream.requests.length === 1);
    client.reset();
    await other.until(() => other.upstream.connections.open === 0);
    expect(other.events('session')).toEqual([]);
  });
});

test('a user’s one session is given back by the next bind, whatever comes of it, before that is counted', async () => {
  await using single = await startDirectorySetting({ config: 'limits: { perUser: 1 }' });
  await using client = await single.bound();
  expect(await client.ask(bind(2, ALICE, single.password))).toMatchObject({ code: 0 });
  await using other = await single.client();
  expect(await other.ask(bind(1, ALICE, single.password))).toMatchObject({ code: 51 });
  expect(await client.ask(bind(3, ALICE, ''))).toMatchObject({ code: 53 });
  expect(await other.ask(bind(2, ALICE, single.password))).toMatchObject({ code: 0 });
  expect(await client.ask(bind(4, ALICE, single.password))).toMatchObject({ code: 51 });
});

test('search, then bind as whom was found, 300 times on one connection', async () => {
  await using client = await postern.client();
  for (let n = 0; n < 300; n++) {
    expect(await client.ask(bind(3 * n + 1, ALICE, postern.password))).toMatchObject(SUCCESS);
    await client.send(search(3 * n + 2, 'dc=example'));
    expect(await client.message()).toMatchObject({ id: 3 * n + 2, op: 'entry' });
    expect(await client.message()).toMatchObject({ id: 3 * n + 2, op: 'searchDone' });
  }
  await client.send(unbind(1000));
  await client.closed();
  await postern.until(() => postern.upstream.connections.open === 0);
});
