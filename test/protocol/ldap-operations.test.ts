// Requests of a client that is bound: what is passed on, as what, and what is answered by Postern.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  abandon,
  bind,
  compare,
  control,
  del,
  done,
  entry,
  extended,
  integer,
  message,
  OIDS,
  result,
  rootDse,
  search,
  text,
  tlv,
  unbind,
} from '../support/ldap-bytes.ts';
import { ALICE, type DirectorySetting, startDirectorySetting } from './postern-before-directory.ts';

const PEOPLE = 'ou=people,dc=example,dc=com';
const modify = (id: number) => message(id, tlv(0x66, text(ALICE), tlv(0x30)));
const add = (id: number) => message(id, tlv(0x68, text(ALICE), tlv(0x30)));
const modifyDn = (id: number) => message(id, tlv(0x6c, text(ALICE), text('uid=b'), Buffer.of(1, 1, 255)));

describe('by default', () => {
  let postern: DirectorySetting;
  beforeAll(async () => {
    postern = await startDirectorySetting();
  });
  afterAll(() => postern[Symbol.asyncDispose]());

  /** Requests since the login. */
  const passed = (from: number) => postern.upstream.requests.slice(from).filter(({ op }) => op !== 'bind');

  test('reads go up as the very bytes that came, controls included', async () => {
    const from = postern.upstream.requests.length;
    await using client = await postern.bound();
    const paged = control('1.2.840.113556.1.4.319', true, tlv(0x30, integer(100), text('cookie')));
    const sent = [
      search(2, PEOPLE, { controls: [paged, control('1.2.840.113556.1.4.473', false, 'sort')] }),
      compare(3, ALICE),
      // Lengths that are longer than they need be, as Windows writes them.
      withLongLength(compare(4, ALICE)),
    ];
    for (const bytes of sent) await client.ask(bytes);
    await postern.until(() => passed(from).length === 3);
    expect(passed(from).map(({ bytes }) => bytes.toString('hex'))).toEqual(
      sent.map((b) => b.toString('hex')),
    );
  });

  test.each([
    ['modify', modify, 'modifyResponse'],
    ['add', add, 'addResponse'],
    ['delete', (id: number) => del(id, ALICE), 'deleteResponse'],
    ['modifyDn', modifyDn, 'modifyDnResponse'],
    [
      'Password Modify',
      (id: number) => extended(id, OIDS.passwordModify, tlv(0x30, tlv(0x80, ALICE))),
      'extendedResponse',
    ],
  ] as const)('%s is not allowed, and never reaches the directory', async (_, request, op) => {
    const from = postern.upstream.requests.length;
    await using client = await postern.bound();
    expect(await client.ask(request(2))).toMatchObject({
      id: 2,
      op,
      code: 50,
      diagnostic: 'Not allowed here',
    });
    expect(passed(from)).toEqual([]);
  });

  test('an extended operation that nobody knows is none (2)', async () => {
    const from = postern.upstream.requests.length;
    await using client = await postern.bound();
    // Turn off TLS, start a transaction.
    for (const oid of ['1.3.6.1.4.1.1466.20039', '1.3.6.1.1.21.1', '']) {
      expect(await client.ask(extended(2, oid))).toMatchObject({ id: 2, op: 'extendedResponse', code: 2 });
    }
    expect(passed(from)).toEqual([]);
  });

  test('Who am I is answered for the user', async () => {
    const from = postern.upstream.requests.length;
    await using client = await postern.bound();
    expect(await client.ask(extended(2, OIDS.whoAmI))).toMatchObject({
      code: 0,
      value: 'u:alice@example.com',
    });
    const whoAmI = (critical: boolean) =>
      message(3, tlv(0x77, tlv(0x80, OIDS.whoAmI)), control('1.2.3', critical));
    expect(await client.ask(whoAmI(true))).toMatchObject({ op: 'extendedResponse', code: 12 });
    expect(await client.ask(whoAmI(false))).toMatchObject({ op: 'extendedResponse', code: 0 });
    expect(passed(from)).toEqual([]);
  });

  test.each([
    ['proxied authorization', '2.16.840.1.113730.3.4.18', 'dn:cn=admin'],
    ['its first version', '2.16.840.1.113730.3.4.12', 'dn:cn=admin'],
    [
      'session tracking',
      '1.3.6.1.4.1.21008.108.63.1',
      tlv(0x30, ...['6.6.6.6', 'x', '1.2', 'bob'].map(text)),
    ],
    ['relaxed rules', '1.3.6.1.4.1.4203.666.5.12', undefined],
    ['the rights of another', '1.3.6.1.4.1.42.2.27.9.5.2', 'dn:cn=admin'],
    ['groups of one’s own', '1.3.18.0.2.10.21', tlv(0x30)],
    ['an audit’s words', '1.3.18.0.2.10.22', tlv(0x30)],
    ['a client behind it', '1.3.6.1.4.1.30221.2.5.2', tlv(0x30)],
    ['an owner of one’s choice', '1.2.840.113556.1.4.2255', 'S-1-5-32-544'],
    ['part of a transaction', '1.3.6.1.1.21.2', 'id'],
  ])(
    'a control that says who or where a client is (%s): critical is refused, otherwise it is taken out',
    async (_, oid, value) => {
      const from = postern.upstream.requests.length;
      await using client = await postern.bound();
      const critical = search(2, PEOPLE, { controls: [control(oid, true, value)] });
      expect(await client.ask(critical)).toMatchObject({ id: 2, op: 'searchDone', code: 12 });
      const whoAmI = message(3, tlv(0x77, tlv(0x80, OIDS.whoAmI)), control(oid, true, value));
      expect(await client.ask(whoAmI)).toMatchObject({ id: 3, op: 'extendedResponse', code: 12 });
      const theirs = control(oid, false, value);
      // Twice, and between others.
      await client.ask(compare(4, ALICE, theirs, control('1.2.3', true, 'kept'), theirs));
      await client.ask(compare(5, ALICE, theirs));
      const cancel = message(6, tlv(0x77, tlv(0x80, OIDS.cancel), tlv(0x81, tlv(0x30, integer(77)))), theirs);
      await client.ask(cancel);
      expect(passed(from).map(({ op, controls }) => [op, controls])).toEqual([
        ['compare', { '1.2.3': [true, 'kept'] }],
        ['compare', undefined],
        ['extended', undefined],
      ]);
    },
  );

  test('Cancel and Abandon go up; what was never asked is not abandoned', async () => {
    await using other = await startDirectorySetting({
      script: ({ op, dn }) => op === 'search' && dn === 'slow=1',
    });
    await using client = await other.bound();
    await client.send(search(2, 'slow=1'));
    await client.send(Buffer.concat([abandon(3, 2), abandon(4, 2), abandon(5, 77), abandon(6, 0)]));
    expect(await client.ask(extended(7, OIDS.cancel, tlv(0x30, integer(2))))).toMatchObject({
      id: 7,
      code: 0,
    });
    const ops = other.upstream.requests.map(({ id, op }) => [id, op]).slice(-3);
    expect(ops).toEqual([
      [2, 'search'],
      [3, 'abandon'],
      [7, 'extended'],
    ]);
  });

  test('an abandoned search’s answers may still come, and are passed on', async () => {
    await using other = await startDirectorySetting({
      script: ({ op, id, dn }, connection) => {
        if (op === 'search' && dn === 'slow=1') return true;
        if (op === 'abandon') connection.write(entry(2, 'late=1'), done(2));
        return op === 'abandon' && id > 0;
      },
    });
    await using client = await other.bound();
    await client.send(Buffer.concat([search(2, 'slow=1'), abandon(3, 2)]));
    expect(await client.message()).toMatchObject({ id: 2, dn: 'late=1' });
    expect(await client.message()).toMatchObject({ id: 2, op: 'searchDone' });
    expect(await client.ask(compare(4, ALICE))).toMatchObject({ id: 4, code: 0 });
  });

  test('the directory hears of an unbind', async () => {
    const from = postern.upstream.requests.length;
    await using client = await postern.bound();
    await client.send(Buffer.concat([search(2, PEOPLE), unbind(3)]));
    await postern.until(() => passed(from).at(-1)?.op === 'unbind');
    expect(passed(from).map(({ op }) => op)).toEqual(['search', 'unbind']);
  });

  test('1,001 operations at a time are one too many', async () => {
    await using other = await startDirectorySetting({ script: ({ op }) => op === 'search' });
    await using client = await other.bound();
    await client.send(Buffer.concat(Array.from({ length: 1001 }, (_, n) => search(n + 2, 'slow=1'))));
    expect(await client.message()).toMatchObject({ id: 1002, op: 'searchDone', code: 51 });
  });
});

describe('the root DSE', () => {
  const THEIRS = {
    objectClass: ['top', 'OpenLDAProotDSE'],
    namingContexts: ['dc=example,dc=com'],
    supportedLDAPVersion: ['2', '3'],
    supportedSASLMechanisms: ['GSSAPI', 'PLAIN', 'DIGEST-MD5'],
    supportedControl: [
      '1.2.840.113556.1.4.319',
      OIDS.proxied,
      '1.3.6.1.4.1.21008.108.63.1',
      '1.3.6.1.4.1.4203.666.5.12',
    ],
    supportedExtension: [OIDS.startTls, OIDS.passwordModify, OIDS.whoAmI, OIDS.cancel, '1.2.3'],
    supportedFeatures: ['1.3.6.1.1.14'],
    dsaVersion: [] as string[],
  };

  test('of the directory is corrected, in as many pieces as it may come', async () => {
    await using postern = await startDirectorySetting({
      script: async ({ op, id, dn }, { socket }) => {
        if (op !== 'search' || dn !== '') return false;
        const bytes = Buffer.concat([entry(id, '', THEIRS), done(id)]);
        for (const piece of [bytes.subarray(0, 3), bytes.subarray(3, 200), bytes.subarray(200)]) {
          socket.write(piece);
          await new Promise((resolve) => setTimeout(resolve, 15));
        }
        return true;
      },
    });
    await using client = await postern.bound();
    await client.send(Buffer.concat([search(2, PEOPLE), rootDse(3), search(4, PEOPLE)]));
    const seen = [];
    for (let n = 0; n < 6; n++) seen.push(await client.message());
    expect(seen.map(({ id, op }) => `${id} ${op}`)).toEqual([
      '2 entry',
      '2 searchDone',
      '3 entry',
      '3 searchDone',
      '4 entry',
      '4 searchDone',
    ]);
    expect(seen[2]!.attributes).toEqual({
      ...THEIRS,
      supportedLDAPVersion: ['3'],
      supportedSASLMechanisms: ['PLAIN'],
      supportedControl: ['1.2.840.113556.1.4.319'],
      supportedExtension: [OIDS.whoAmI, OIDS.cancel],
    });
  });

  test('before bind it is Postern’s own, and the directory is not asked', async () => {
    await using postern = await startDirectorySetting();
    await using client = await postern.client();
    expect(await client.ask(rootDse(1))).toEqual({
      id: 1,
      op: 'entry',
      dn: '',
      attributes: {
        objectClass: ['top'],
        supportedLDAPVersion: ['3'],
        supportedSASLMechanisms: ['PLAIN'],
        supportedExtension: [OIDS.whoAmI],
        vendorName: ['Postern'],
      },
    });
    expect(await client.message()).toEqual({ id: 1, op: 'searchDone', code: 0, diagnostic: '' });
    const asked = async (id: number, options: Parameters<typeof rootDse>[1]) => {
      const answer = await client.ask(rootDse(id, options));
      if (answer.op === 'entry') await client.message();
      return answer.attributes;
    };
    expect(await asked(2, { attributes: ['SUPPORTEDLDAPVERSION', 'x'] })).toEqual({
      supportedLDAPVersion: ['3'],
    });
    expect(await asked(3, { attributes: ['1.1'] })).toEqual({});
    expect(await asked(4, { attributes: ['vendorName'], typesOnly: true })).toEqual({ vendorName: [] });
    expect(await asked(5, { filter: tlv(0xa3, text('cn'), text('x')) })).toBeUndefined();
    expect(postern.upstream.connections.total).toBe(0);

    await using plain = await postern.plain();
    expect((await plain.ask(rootDse(1))).attributes).toMatchObject({
      supportedExtension: [OIDS.whoAmI, OIDS.startTls],
    });
    expect((await plain.message()).op).toBe('searchDone');
  });

  test('nothing else is read before bind, nor is it with a critical control', async () => {
    await using postern = await startDirectorySetting();
    await using client = await postern.client();
    expect(await client.ask(search(1, PEOPLE))).toMatchObject({ op: 'searchDone', code: 1 });
    expect(await client.ask(search(2, '', { scope: 2 }))).toMatchObject({ op: 'searchDone', code: 1 });
    expect(await client.ask(compare(3, ALICE))).toMatchObject({ op: 'compareResponse', code: 1 });
    expect(await client.ask(modify(4))).toMatchObject({ op: 'modifyResponse', code: 1 });
    expect(await client.ask(extended(5, OIDS.cancel))).toMatchObject({ op: 'extendedResponse', code: 1 });
    expect(await client.ask(extended(6, OIDS.passwordModify))).toMatchObject({ code: 1 });
    expect(await client.ask(extended(7, OIDS.whoAmI))).toMatchObject({ code: 0, value: '' });
    expect(await client.ask(rootDse(8, { controls: [control('1.2.3', true)] }))).toMatchObject({ code: 12 });
    await using plain = await postern.plain();
    expect(await plain.ask(search(1, PEOPLE))).toMatchObject({ op: 'searchDone', code: 13 });
    expect(postern.upstream.connections.total).toBe(0);
  });

  test('an anonymous bind gives no more than that', async () => {
    await using postern = await startDirectorySetting();
    await using client = await postern.client();
    expect(await client.ask(bind(1, '', ''))).toMatchObject({ id: 1, op: 'bindResponse', code: 0 });
    expect(await client.ask(search(2, PEOPLE))).toMatchObject({ code: 1 });
    expect(await client.ask(rootDse(3))).toMatchObject({ op: 'entry', dn: '' });
  });
});

describe('by policy', () => {
  test('writes and Password Modify go up; with one account for all, whose password it is must be said', async () => {
    await using postern = await startDirectorySetting({
      directory: { operations: ['search', 'add', 'delete', 'modify', 'modifyDn', 'passwordModify'] },
    });
    await using client = await postern.bound();
    for (const request of [modify(2), add(3), del(4, ALICE), modifyDn(5)]) {
      expect(await client.ask(request)).toMatchObject({ code: 0 });
    }
    expect(await client.ask(compare(6, ALICE))).toMatchObject({ op: 'compareResponse', code: 50 });
    const passwordModify = (id: number, ...parts: Buffer[]) =>
      extended(id, OIDS.passwordModify, tlv(0x30, ...parts));
    expect(await client.ask(passwordModify(7, tlv(0x80, ALICE)))).toMatchObject({ code: 0 });
    expect(await client.ask(passwordModify(8))).toMatchObject({ code: 53 });
    expect(await client.ask(passwordModify(9, tlv(0x80, '')))).toMatchObject({ code: 53 });
    expect(await client.ask(extended(10, OIDS.passwordModify))).toMatchObject({ code: 53 });
  });

  test('ceilings lower a search’s limits, and leave the rest of it as it is', async () => {
    await using postern = await startDirectorySetting({ directory: { maxEntries: 500, maxTime: '300s' } });
    await using client = await postern.bound();
    const filter = tlv(0xa0, tlv(0xa3, text('cn'), text('x')), tlv(0x87, 'mail'));
    const asked = { filter, attributes: ['cn', 'mail'], controls: [control('1.2.3', true, 'v')] };
    const limits: [sizeLimit: number, timeLimit: number, size: number, time: number][] = [
      [0, 0, 500, 300],
      [501, 301, 500, 300],
      [100, 2, 100, 2],
      [2 ** 31 - 1, 10, 500, 10],
    ];
    for (const [n, [sizeLimit, timeLimit, size, time]] of limits.entries()) {
      await client.send(search(n + 2, PEOPLE, { ...asked, sizeLimit, timeLimit }));
      expect((await client.message()).op).toBe('entry');
      expect((await client.message()).op).toBe('searchDone');
      const lowered = search(n + 2, PEOPLE, { ...asked, sizeLimit: size, timeLimit: time });
      expect(postern.upstream.requests.at(-1)!.bytes.equals(lowered)).toBe(true);
    }
  });
});

test('with proxied authorization every request is on behalf of the user', async () => {
  await using postern = await startDirectorySetting({
    upstream: {
      userDn: 'uid={local},ou=people,dc=example,dc=com',
      login: {
        method: 'proxied-authorization',
        dn: 'cn=postern,dc=example,dc=com',
        password: 'dIr8-service-of-the-script',
      },
    },
    directory: { operations: ['search', 'compare', 'passwordModify'] },
  });
  await using client = await postern.bound();
  const from = postern.upstream.requests.length;
  const mine = { [OIDS.proxied]: [true, `dn:${ALICE}`] };
  await client.send(search(2, PEOPLE, { controls: [control('1.2.3', false, 'first')] }));
  await client.message();
  await client.message();
  await client.ask(compare(3, ALICE, control(OIDS.proxied, false, 'dn:cn=admin')));
  await client.ask(extended(4, OIDS.passwordModify));
  await client.send(rootDse(5));
  await client.message();
  await client.message();
  expect(await client.ask(extended(6, OIDS.whoAmI))).toMatchObject({ value: `dn:${ALICE}` });
  await client.send(Buffer.concat([search(7, 'slow=1'), abandon(8, 7)]));
  const seen = () => postern.upstream.requests.slice(from);
  await postern.until(() => seen().length >= 5);
  expect(
    seen()
      .slice(0, 5)
      .map(({ op, controls }) => [op, controls]),
  ).toEqual([
    ['search', { '1.2.3': [false, 'first'], ...mine }],
    ['compare', mine],
    ['extended', mine],
    ['search', mine],
    ['search', mine],
  ]);
  // It answered before the abandon came, or not.
  for (const { controls } of seen().slice(5)) expect(controls).toBeUndefined();
});

test('with session tracking every request says who and where the client is, in Postern’s words alone', async () => {
  const tracking = '1.3.6.1.4.1.21008.108.63.1';
  const told = (address: string) =>
    new RegExp(
      `^0.\\x04.${address.replaceAll('.', '\\.')}\\x04.postern/[\\w-]+\\x04.${tracking}\\.3\\x04\\x11alice@example\\.com$`,
      's',
    );
  for (const [sendClientAddress, address] of [
    ['secure', '127.0.0.1'],
    ['never', ''],
  ] as const) {
    await using postern = await startDirectorySetting({
      upstream: { sessionTracking: true, sendClientAddress },
    });
    await using client = await postern.bound();
    const from = postern.upstream.requests.length;
    const lie = control(tracking, false, tlv(0x30, ...['6.6.6.6', 'x', '1.2', 'bob'].map(text)));
    await client.ask(compare(2, ALICE, lie));
    expect(await client.ask(extended(3, OIDS.cancel, tlv(0x30, integer(2))))).toMatchObject({ id: 3 });
    const [compared, cancelled] = postern.upstream.requests.slice(from);
    expect(compared!.controls).toEqual({ [tracking]: [false, expect.stringMatching(told(address))] });
    expect(cancelled!.controls).toBeUndefined();
  }
});

test('denied proxied authorization reaches the client', async () => {
  await using postern = await startDirectorySetting({
    script: ({ op, id }, connection) => {
      if (op === 'compare') connection.write(result(id, 0x6f, 123, 'not for you'));
      return op === 'compare';
    },
  });
  await using client = await postern.bound();
  expect(await client.ask(compare(2, ALICE))).toMatchObject({ code: 123, diagnostic: 'not for you' });
});

function withLongLength(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from('3084000000', 'hex'), bytes.subarray(1)]);
}
