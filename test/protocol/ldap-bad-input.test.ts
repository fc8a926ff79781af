// What no client should send, and what no directory should answer.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  bind,
  boolean,
  compare,
  control,
  done,
  entry,
  extended,
  integer,
  message,
  OIDS,
  present,
  result,
  search,
  text,
  tlv,
  unbind,
} from '../support/ldap-bytes.ts';
import type { DirectoryScript } from '../support/scripted-ldap-upstream.ts';
import {
  ALICE,
  type DirectorySetting,
  type LdapClient,
  startDirectorySetting,
} from './postern-before-directory.ts';

async function expectNotice(client: LdapClient, code: number, diagnostic: string): Promise<void> {
  expect(await client.message()).toEqual({
    id: 0,
    op: 'extendedResponse',
    code,
    diagnostic,
    oid: OIDS.notice,
  });
  await client.closed();
}

const nested = (depth: number) => {
  let filter: Buffer = tlv(0x87, 'a');
  for (let n = 0; n < depth; n++) filter = tlv(0xa2, filter);
  return filter;
};

let postern: DirectorySetting;

/** The one setting, its directory with another script. */
function scripted({ script }: { script: DirectoryScript }): DirectorySetting {
  postern.upstream.setScript(script);
  return postern;
}

beforeAll(async () => {
  postern = await startDirectorySetting({
    config: 'ldap: { maxMessageKiB: 1024 }',
  });
});
afterAll(() => postern[Symbol.asyncDispose]());
afterEach(() => postern.upstream.setScript(() => false));

describe('a client', () => {
  const malformed: [what: string, bytes: Buffer][] = [
    ['garbage', Buffer.from('garbage in great amounts '.repeat(100))],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: ldap\r\n\r\n')],
    ['an indefinite length', Buffer.from('3080020101420000000000', 'hex')],
    ['a length of five octets', Buffer.from('30850000000005', 'hex')],
    ['an empty message', Buffer.from('3000', 'hex')],
    ['a message within a message', tlv(0x30, unbind(1))],
    ['something behind its end', tlv(0x30, integer(1), Buffer.of(0x42, 0), text('more'))],
    ['a negative id', tlv(0x30, Buffer.of(2, 1, 0xff), Buffer.of(0x42, 0))],
    ['an id of 2³²', tlv(0x30, Buffer.of(2, 5, 1, 0, 0, 0, 0), Buffer.of(0x42, 0))],
    ['a tag of two octets', tlv(0x30, integer(1), Buffer.of(0x7f, 0x81, 0, 0))],
    ['a bind without a name', message(1, tlv(0x60, integer(3), tlv(0x80, 'xyz')))],
    [
      'a bind with something behind it',
      message(1, tlv(0x60, integer(3), text('x'), tlv(0x80, 'y'), text('z'))),
    ],
    ['a bind whose name ends outside', message(1, Buffer.from('60070201030484ff', 'hex'))],
    ['an extended request without a name', message(1, tlv(0x77))],
    ['a search that is none', message(1, tlv(0x63, text('')))],
    ['an abandon of nothing', message(1, tlv(0x50))],
    ['controls that are none', message(1, tlv(0x60, integer(3), text(''), tlv(0x80)), text('c'))],
  ];

  test.each(malformed)('before bind: %s', async (_, bytes) => {
    await using client = await postern.client();
    await client.send(bytes);
    await expectNotice(client, 2, 'Malformed message');
  });

  test.each(malformed)('after bind: %s', async (what, bytes) => {
    await using client = await postern.bound();
    await client.send(bytes);
    // Bound, what a search is made of is the directory's to judge.
    if (what !== 'a search that is none') await expectNotice(client, 2, 'Malformed message');
  });

  test.each([
    ['4 GB', Buffer.from('3084ffffffff020101', 'hex')],
    ['64 KiB and one octet', Buffer.from('3083010001', 'hex')],
  ])('a declared length of %s is refused before its bytes come', async (_, bytes) => {
    await using client = await postern.client();
    await client.send(bytes);
    await expectNotice(client, 2, 'Message too large');
  });

  test('after bind messages may be longer, up to their own bound, and no longer than before once it is lost', async () => {
    await using client = await postern.bound();
    const long = compare(2, `cn=${'x'.repeat(600_000)}`);
    expect(await client.ask(long)).toMatchObject({ id: 2, code: 0 });
    expect(postern.upstream.requests.at(-1)!.bytes.equals(long)).toBe(true);
    await client.ask(bind(3, ALICE, ''));
    await client.send(long.subarray(0, 9));
    await expectNotice(client, 2, 'Message too large');
    await using other = await postern.bound();
    await other.send(Buffer.from('3083100001', 'hex'));
    await expectNotice(other, 2, 'Message too large');
  });

  test('10,000 nested filters are one filter to us: refused before bind, passed on after it', async () => {
    const deep = nested(10_000);
    await using client = await postern.client();
    expect(await client.ask(search(1, '', { scope: 0, filter: deep }))).toMatchObject({
      id: 1,
      op: 'searchDone',
    });
    expect(await client.ask(search(2, 'a=1', { filter: deep }))).toMatchObject({ id: 2, code: 1 });
  });

  describe.each(['before bind', 'after bind'])(
    '%s: a value out of range is answered, and the connection stays',
    (when) => {
      const number = (hex: string, tag = 0x02) => tlv(tag, Buffer.from(hex, 'hex'));
      const rootDse = (scope: Buffer, size: Buffer, time: Buffer, list: Buffer = tlv(0x30)) =>
        message(
          2,
          tlv(0x63, text(''), scope, integer(0, 0x0a), size, time, boolean(false), present('a'), list),
        );
      const BASE_OBJECT = integer(0, 0x0a);
      test.each([
        ['sizeLimit −1', rootDse(BASE_OBJECT, number('ff'), integer(0))],
        ['sizeLimit 2³¹', rootDse(BASE_OBJECT, number('0080000000'), integer(0))],
        ['timeLimit of 100 octets', rootDse(BASE_OBJECT, integer(0), number('01'.repeat(100)))],
        ['scope −128', rootDse(number('80', 0x0a), integer(0), integer(0))],
        [
          '5,000 attributes',
          rootDse(
            BASE_OBJECT,
            integer(0),
            integer(0),
            tlv(0x30, ...Array.from({ length: 5000 }, () => text('a'))),
          ),
        ],
        ['version 2³¹', message(2, tlv(0x60, number('0080000000'), text('a'), tlv(0x80, 'b')))],
      ])('%s', async (_, bytes) => {
        await using client = when === 'before bind' ? await postern.client() : await postern.bound();
        const { length } = postern.upstream.requests;
        expect(await client.ask(bytes)).toMatchObject({ id: 2, code: 2 });
        // One to abandon what nobody can have begun has no answer.
        await client.send(message(3, number('ff', 0x50)));
        expect(await client.ask(extended(4, OIDS.whoAmI))).toMatchObject({ id: 4, code: 0 });
        expect(postern.upstream.requests.length).toBe(length);
      });
    },
  );

  test.each([
    ['id 0', [compare(0, ALICE)]],
    ['a bind with id 0', [bind(0, ALICE, 'x')]],
    ['an id that is under way', [search(5, 'slow=1'), search(5, 'a=1')]],
    ['a bind with the id of a search that is under way', [search(5, 'slow=1'), bind(5, ALICE, 'x')]],
  ])('%s', async (_, messages) => {
    const other = scripted({ script: ({ dn }) => dn === 'slow=1' });
    await using client = await other.bound();
    await client.send(Buffer.concat(messages));
    await expectNotice(client, 2, 'Message id 0, or of an operation that is under way');
    await other.until(() => other.upstream.connections.open === 0);
  });

  test.each([
    ['a response', message(1, tlv(0x65, integer(0, 0x0a), text(''), text('')))],
    ['an operation that nobody knows', message(1, tlv(0x7e))],
  ])('%s', async (_, bytes) => {
    await using client = await postern.bound();
    await client.send(bytes);
    await expectNotice(client, 2, 'Unknown operation');
  });

  test('controls that are not well-formed end it after bind, too', async () => {
    await using client = await postern.bound();
    await client.send(compare(2, ALICE, control('1.2.3', true, 'x').subarray(0, 4)));
    await expectNotice(client, 2, 'Malformed message');
  });

  test('unbind in the middle of a message is no message', async () => {
    await using client = await postern.bound();
    const { length } = postern.upstream.requests;
    await client.send(Buffer.concat([search(2, 'a=1').subarray(0, 12), unbind(3)]));
    await client.quiet(50);
    client.end();
    await client.closed();
    expect(postern.upstream.requests.length).toBe(length);
  });

  test('101 requests before bind are too many', async () => {
    await using client = await postern.client();
    await client.send(Buffer.concat(Array.from({ length: 101 }, (_, n) => extended(n + 1, OIDS.whoAmI))));
    for (let n = 1; n <= 100; n++) expect(await client.message()).toMatchObject({ id: n, code: 0 });
    await expectNotice(client, 52, 'Too many requests before bind');
  });

  test('one that does not bind in time is told', async () => {
    await using postern = await startDirectorySetting({ config: 'limits: { loginDeadline: 3s }' });
    await using client = await postern.client();
    await client.ask(extended(1, OIDS.whoAmI));
    await expectNotice(client, 52, 'Took too long to bind');
  });

  test('nor is one that was bound, and is nobody again, let live for long, whatever it asks; one that binds once more is', async () => {
    await using postern = await startDirectorySetting({ config: 'limits: { loginDeadline: 3s }' });
    await using rebound = await postern.bound();
    await using client = await postern.bound();
    for (const anonymous of [rebound, client]) {
      expect(await anonymous.ask(bind(2, '', ''))).toMatchObject({ code: 0 });
    }
    expect(await rebound.ask(bind(3, ALICE, postern.password))).toMatchObject({ code: 0 });
    const asking = setInterval(() => void client.send(extended(3, OIDS.whoAmI)), 200);
    let answer = await client.message();
    while (answer.id === 3) answer = await client.message();
    clearInterval(asking);
    expect(answer).toMatchObject({ id: 0, code: 52, diagnostic: 'Took too long to bind' });
    await rebound.quiet(300);
    expect(await rebound.ask(compare(4, ALICE))).toMatchObject({ id: 4, code: 0 });
  });
});

describe('a directory', () => {
  const fault = 'The directory sent what cannot be passed on';

  test.each([
    ['answers an id that nobody asked for', () => done(99)],
    ['answers twice', (id: number) => Buffer.concat([done(id), done(id)])],
    ['sends a bind response', (id: number) => result(id, 0x61, 0)],
    ['sends a request', (id: number) => search(id, 'a=1')],
    ['sends an unsolicited entry', () => entry(0, 'a=1')],
    ['sends garbage', () => Buffer.from('garbage')],
    ['sends an indefinite length', () => Buffer.from('308002010142', 'hex')],
    [
      'sends a message with id 0 that is cut short within',
      () => tlv(0x30, integer(0), Buffer.from('7805ff', 'hex')),
    ],
    [
      'holds out a message with id 0 without end',
      () => Buffer.concat([Buffer.from('3083ffffff02010078', 'hex'), Buffer.alloc(100)]),
    ],
  ] as const)('that %s', async (_, answer) => {
    const postern = scripted({
      script: ({ op, id }, connection) => {
        if (op === 'search') connection.write(entry(id, 'good=1'), answer(id));
        return op === 'search';
      },
    });
    await using client = await postern.bound();
    expect(await client.ask(search(2, 'a=1'))).toMatchObject({ id: 2, dn: 'good=1' });
    let next = await client.message();
    while (next.id !== 0) next = await client.message();
    expect(next).toMatchObject({ code: 52, oid: OIDS.notice, diagnostic: fault });
    await client.closed();
    await postern.until(() => postern.upstream.connections.open === 0);
    expect(postern.events('upstream_refused').at(-1)).toMatchObject({
      upstream: 'script',
      reason: 'upstream_protocol',
    });
    expect(postern.events('session').at(-1)).toMatchObject({ reason: 'upstream_error' });
  });

  test('that sends an entry of the root DSE that is none', async () => {
    const postern = scripted({
      script: ({ op, id }, connection) => {
        if (op === 'search') connection.write(message(id, tlv(0x64, text(''), text('no attributes'))));
        return op === 'search';
      },
    });
    await using client = await postern.bound();
    expect(await client.ask(search(2, '', { scope: 0 }))).toMatchObject({
      id: 0,
      code: 52,
      diagnostic: fault,
    });
    await client.closed();
  });

  test('that closes the connection: the client is told', async () => {
    const postern = scripted({
      script: ({ op }, { socket }) => {
        if (op === 'search') socket.end();
        return op === 'search';
      },
    });
    await using client = await postern.bound();
    await client.send(search(2, 'a=1'));
    await expectNotice(client, 52, 'The directory closed the connection');
    expect(postern.events('session').at(-1)).toMatchObject({ reason: 'upstream_closed' });
  });

  test('that closes it in the middle of a message: so is the client’s, without a word', async () => {
    const postern = scripted({
      script: ({ op, id }, { socket }) => {
        if (op === 'search') socket.end(entry(id, 'a=1', { photo: ['x'.repeat(5000)] }).subarray(0, 3000));
        return op === 'search';
      },
    });
    await using client = await postern.bound();
    await client.send(search(2, 'a=1'));
    expect((await client.bytes(3000)).length).toBe(3000);
    await client.closed();
  });

  test('that takes its leave: its own words are passed on', async () => {
    const postern = scripted({
      script: ({ op }, connection) => {
        if (op === 'search') connection.write(result(0, 0x78, 51, 'tea time', tlv(0x8a, OIDS.notice)));
        return op === 'search';
      },
    });
    await using client = await postern.bound();
    await client.send(search(2, 'a=1'));
    await expectNotice(client, 51, 'tea time');
    await postern.until(() => postern.upstream.connections.open === 0);
  });

  test('that says something else unasked: that is passed on, and no end', async () => {
    const postern = scripted({
      script: ({ op, id }, connection) => {
        if (op === 'search') connection.write(result(0, 0x78, 0, 'news', tlv(0x8a, '1.2.3')), done(id));
        return op === 'search';
      },
    });
    await using client = await postern.bound();
    expect(await client.ask(search(2, 'a=1'))).toMatchObject({ id: 0, oid: '1.2.3', diagnostic: 'news' });
    expect(await client.message()).toMatchObject({ id: 2, op: 'searchDone' });
  });

  test('that refuses Postern’s own account: unavailable to the client, loud to the operator', async () => {
    const postern = scripted({
      script: ({ op, id }, connection) => {
        if (op === 'bind') connection.write(result(id, 0x61, 49));
        return op === 'bind';
      },
    });
    await using client = await postern.client();
    expect(await client.ask(bind(1, ALICE, postern.password))).toMatchObject({
      op: 'bindResponse',
      code: 52,
    });
    expect(postern.events('upstream_refused').at(-1)).toMatchObject({ reason: 'upstream_refused_postern' });
  });
});
