// LDAP messages, read and written, against ldapjs's encoders and decoders and against bytes from the RFCs.

import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../../../src/lib/secret.ts';
import { BerReader, encode, encodeUnsigned } from '../../../../src/protocols/ldap/ber.ts';
import {
  encodeBind,
  encodeExtended,
  encodeSearch,
  encodeUnbind,
  passwordModifyNamesUser,
  presentFilter,
  readAbandon,
  readBind,
  readExtended,
  readSearch,
  withLimits,
} from '../../../../src/protocols/ldap/requests.ts';
import {
  encodeEntry,
  encodeResult,
  noticeOfDisconnection,
  readEntry,
  readResult,
} from '../../../../src/protocols/ldap/responses.ts';
import {
  encodeControl,
  encodeMessage,
  OID,
  OP,
  RESULT,
  readControls,
  readEnvelope,
  readHead,
  withControls,
} from '../../../../src/protocols/ldap/wire.ts';

const require = createRequire(import.meta.url);
const ldapjs = require('@ldapjs/messages');
const asn1 = require('@ldapjs/asn1');
const { Control } = require('@ldapjs/controls');

const theirs = (message: { toBer(): { buffer: Buffer } }) => Buffer.from(message.toBer().buffer);
const parsedByThem = (bytes: Buffer) => ldapjs.LdapMessage.parse(new asn1.BerReader(bytes));
const id = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const text = fc.string({ unit: 'grapheme', maxLength: 60 });

test('numbers are those of ldapjs', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (value) => {
      const writer = new asn1.BerWriter();
      writer.writeInt(value);
      const encoded = encodeUnsigned(value);
      expect(new asn1.BerReader(encoded).readInt()).toBe(value);
      expect(new BerReader(Buffer.from(writer.buffer)).unsigned()).toBe(value);
      expect(new BerReader(encoded).unsigned()).toBe(value);
    }),
  );
});

test('a Bind by ldapjs is read, and ours is read by ldapjs', () => {
  fc.assert(
    fc.property(id, text, (messageId, credentials) => {
      const name = 'uid=alice,ou=people,dc=example,dc=com';
      const bind = new ldapjs.BindRequest({ messageId, name, credentials });
      const envelope = readEnvelope(theirs(bind))!;
      expect(envelope.messageId).toBe(messageId);
      const read = readBind(envelope)!;
      expect(read).toMatchObject({ version: 3, name, authentication: { kind: 'simple' } });
      expect((read.authentication as { password: Secret }).password.reveal()).toBe(credentials);
      const ours = encodeBind(messageId, name, new Secret(credentials));
      expect(parsedByThem(ours).pojo).toMatchObject({ messageId, name, credentials });
    }),
  );
});

test('a Search by ldapjs is read, and with other limits it is the same search', () => {
  fc.assert(
    fc.property(
      id,
      fc.constantFrom('base', 'single', 'subtree'),
      fc.nat(5000),
      fc.nat(5000),
      fc.array(fc.constantFrom('cn', '*', '+', 'jpegPhoto', '1.1')),
      (messageId, scope, sizeLimit, timeLimit, attributes) => {
        const baseObject = 'ou=people,dc=example,dc=com';
        const filter = '(&(objectClass=person)(|(cn=a*b)(!(mail=x))))';
        const made = { messageId, baseObject, scope, sizeLimit, timeLimit, attributes, filter };
        const request = new ldapjs.SearchRequest(made);
        request.addControl(new Control({ type: '1.2.3', criticality: true }));
        const envelope = readEnvelope(theirs(request))!;
        const search = readSearch(envelope)!;
        expect(search.base.toString()).toBe(baseObject);
        expect(search).toMatchObject({ sizeLimit, timeLimit, typesOnly: false });
        expect(search.scope).toBe(['base', 'single', 'subtree'].indexOf(scope));
        expect(search.attributes).toEqual([...request.attributes]);
        const lowered = parsedByThem(withLimits(envelope, search, 3, 200)).pojo;
        expect(lowered).toEqual({ ...parsedByThem(envelope.bytes).pojo, sizeLimit: 3, timeLimit: 200 });
        expect(lowered.controls).toMatchObject([{ type: '1.2.3', criticality: true }]);
      },
    ),
  );
});

test('a search of ours is read by ldapjs', () => {
  const bytes = encodeSearch(5, {
    base: 'dc=example,dc=com',
    scope: 2,
    filter: presentFilter('objectClass'),
    attributes: ['1.1'],
    sizeLimit: 2,
    timeLimit: 10,
  });
  expect(parsedByThem(bytes).pojo).toMatchObject({
    messageId: 5,
    baseObject: 'dc=example,dc=com',
    scope: 'subtree',
    sizeLimit: 2,
    timeLimit: 10,
    filter: '(objectClass=*)',
    attributes: ['1.1'],
  });
});

test('extended requests, abandon and unbind', () => {
  const request = new ldapjs.ExtensionRequest({ messageId: 7, requestName: OID.whoAmI });
  expect(readExtended(readEnvelope(theirs(request))!)).toEqual({ oid: OID.whoAmI, value: null });
  expect(parsedByThem(encodeExtended(8, OID.startTls)).pojo).toMatchObject({ requestName: OID.startTls });
  const abandon = new ldapjs.AbandonRequest({ messageId: 9, abandonId: 300 });
  expect(readAbandon(readEnvelope(theirs(abandon))!)).toBe(300);
  expect(readHead(encodeUnbind(1), 0)).toEqual({ messageId: 1, op: OP.unbindRequest, total: 7 });
});

test.each([
  ['nothing', null, false],
  ['an empty sequence', encode(0x30), false],
  ['only the new password', encode(0x30, encode(0x82, 'new')), false],
  ['an empty name', encode(0x30, encode(0x80, '')), false],
  ['a name', encode(0x30, encode(0x80, 'uid=a'), encode(0x82, 'new')), true],
  ['garbage', Buffer.from('garbage'), undefined],
])('whose password a Password Modify is about: %s', (_, value, named) => {
  expect(passwordModifyNamesUser(value)).toBe(named);
});

describe('results', () => {
  test('ours are read by ldapjs, and theirs by us', () => {
    fc.assert(
      fc.property(id, fc.nat(130), text, (messageId, code, diagnostic) => {
        const bytes = encodeResult(messageId, OP.bindResponse, code, { diagnostic });
        const parsed = parsedByThem(bytes);
        expect(parsed.messageId).toBe(messageId);
        expect(parsed.pojo).toMatchObject({ status: code, diagnosticMessage: diagnostic });
        const made = { messageId, status: code, diagnosticMessage: diagnostic, matchedDN: 'dc=example' };
        const envelope = readEnvelope(theirs(new ldapjs.SearchResultDone(made)))!;
        const result = { code, diagnostic, matchedDn: 'dc=example', oid: null, value: null };
        expect(readResult(envelope)).toEqual(result);
      }),
    );
  });

  test('a Notice of Disconnection has id 0 and its name', () => {
    const envelope = readEnvelope(noticeOfDisconnection(RESULT.unavailable, 'Going away'))!;
    expect(envelope.messageId).toBe(0);
    expect(envelope.op.tag).toBe(OP.extendedResponse);
    expect(readResult(envelope)).toMatchObject({ code: 52, oid: '1.3.6.1.4.1.1466.20036' });
  });

  test('an extended response has its value; SASL credentials are no such', () => {
    const envelope = readEnvelope(encodeResult(3, OP.extendedResponse, 0, { value: 'dn:cn=x' }))!;
    expect(readResult(envelope)?.value?.toString()).toBe('dn:cn=x');
    const sasl = encodeResult(3, OP.bindResponse, 14, { serverSaslCredentials: Buffer.of(1) });
    expect(readResult(readEnvelope(sasl)!)).toMatchObject({ code: 14, value: null });
  });

  test('entries go both ways', () => {
    const attributes = [
      { type: 'cn', values: ['a', 'b'] },
      { type: 'sn', values: [] as string[] },
    ];
    const theirEntry = new ldapjs.SearchResultEntry({ messageId: 4, objectName: 'cn=a', attributes });
    const read = readEntry(readEnvelope(theirs(theirEntry))!)!;
    expect(read.dn).toBe('cn=a');
    expect(read.attributes.map(({ type, values }) => ({ type, values: values.map(String) }))).toEqual(
      attributes,
    );
    expect(encodeMessage(4, encodeEntry(read)).equals(theirs(theirEntry))).toBe(true);
  });
});

describe('controls', () => {
  const control = encodeControl(OID.proxiedAuthorization, true, 'dn:uid=alice');

  test('one is added without touching the operation, whatever the message is', () => {
    fc.assert(
      fc.property(id, fc.uint8Array({ maxLength: 400 }), fc.nat(3), (messageId, contents, n) => {
        const others = Array.from({ length: n }, (_, i) => encodeControl(`1.2.${i}`, i === 1, Buffer.of(i)));
        const envelope = readEnvelope(encodeMessage(messageId, encode(OP.compareRequest, contents), others))!;
        const changed = readEnvelope(withControls(envelope, control))!;
        expect(changed.messageId).toBe(messageId);
        const op = ({ bytes, op }: typeof changed) => bytes.subarray(op.at, op.end).toString('hex');
        expect(op(changed)).toBe(op(envelope));
        const found = readControls(changed)!;
        expect(found.map(({ encoded }) => encoded.toString('hex'))).toEqual(
          [...others, control].map((each) => each.toString('hex')),
        );
        expect(found.at(-1)).toMatchObject({ oid: OID.proxiedAuthorization, critical: true });
        expect(found.at(-1)?.value?.toString()).toBe('dn:uid=alice');
      }),
    );
  });

  test('ldapjs reads it', () => {
    const search = new ldapjs.SearchRequest({ messageId: 1, baseObject: '', scope: 'base' });
    const parsed = parsedByThem(withControls(readEnvelope(theirs(search))!, control));
    expect(parsed.controls[0].pojo).toMatchObject({ type: OID.proxiedAuthorization, criticality: true });
  });

  test.each([
    ['no SEQUENCE', Buffer.of(0x04, 0)],
    ['no OID', encode(0x30)],
    ['something behind the value', encode(0x30, encode(4, '1.2'), encode(4, 'v'), encode(4, 'w'))],
    ['a truth of two octets', encode(0x30, encode(4, '1.2'), Buffer.of(1, 2, 0, 0))],
    ['a value that is no string', encode(0x30, encode(4, '1.2'), encode(2, 'v'))],
    ['65 of them', Buffer.concat(Array.from({ length: 65 }, () => encodeControl('1.2', false, null)))],
  ])('%s: not well-formed', (_, controls) => {
    const envelope = readEnvelope(encodeMessage(1, encode(OP.compareRequest), [controls]))!;
    expect(readControls(envelope)).toBeUndefined();
  });
});

describe('what is no message', () => {
  const message = (...parts: Uint8Array[]) => encode(0x30, ...parts);
  const unbind = Buffer.of(OP.unbindRequest, 0);
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['no id', message(unbind)],
    ['no operation', message(encodeUnsigned(1))],
    ['a negative id', message(encode(2, Buffer.of(0x80)), unbind)],
    ['an id without octets', message(encode(2), unbind)],
    ['an id of five octets', message(encode(2, Buffer.of(0, 0, 0, 0, 1)), unbind)],
    ['something behind the controls', message(encodeUnsigned(1), unbind, encode(0xa0), encode(4))],
    ['something else than controls', message(encodeUnsigned(1), unbind, encode(0xa1))],
    ['an element that ends outside', message(encodeUnsigned(1), Buffer.of(0x63, 5, 0))],
    ['a tag of two octets', message(encodeUnsigned(1), Buffer.of(0x7f, 1, 0))],
    ['an indefinite length within', message(encodeUnsigned(1), Buffer.of(0x63, 0x80, 0, 0))],
    ['something behind its end', Buffer.concat([message(encodeUnsigned(1), unbind), Buffer.of(0)])],
  ])('%s', (_, bytes) => {
    expect(readEnvelope(bytes)).toBeUndefined();
  });

  test('lengths that are longer than they need be are taken: Windows sends them', () => {
    const bytes = Buffer.from('30840000000502010142' + '00', 'hex');
    expect(readEnvelope(bytes)).toMatchObject({ messageId: 1 });
    expect(readHead(bytes, 0)).toEqual({ messageId: 1, op: 0x42, total: 11 });
  });

  test('10,000 sequences within each other are one filter, which is not looked into', () => {
    let filter: Buffer = presentFilter('a');
    for (let depth = 0; depth < 10_000; depth++) filter = encode(0xa2, filter);
    const bytes = encodeSearch(1, {
      base: '',
      scope: 0,
      filter,
      attributes: [],
      sizeLimit: 0,
      timeLimit: 0,
    });
    expect(readSearch(readEnvelope(bytes)!)?.filter.equals(filter)).toBe(true);
  });
});

test('no bytes make a reader throw', () => {
  const good = [
    encodeBind(1, 'cn=a', new Secret('b')),
    encodeExtended(2, OID.cancel, encode(0x30, encodeUnsigned(1))),
    encodeResult(3, OP.searchResultDone, 0, { diagnostic: 'x' }),
    encodeMessage(4, encodeEntry({ dn: '', attributes: [{ type: 'cn', values: [Buffer.of(1)] }] }), [
      encodeControl('1.2', true, 'x'),
    ]),
  ];
  const damaged = fc
    .tuple(fc.constantFrom(...good), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(60))
    .map(([bytes, changes, length]) => {
      const copy = Buffer.from(bytes);
      for (const [at, octet] of changes) copy[at % copy.length] = octet;
      return copy.subarray(0, Math.max(2, copy.length - (length > 40 ? length - 40 : 0)));
    });
  let read = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        damaged,
        fc.uint8Array({ maxLength: 80 }).map((b) => Buffer.from(b)),
      ),
      (bytes) => {
        readHead(bytes, 0);
        const envelope = readEnvelope(bytes);
        if (envelope === undefined) return;
        read++;
        const head = readHead(bytes, 0);
        expect(head).toEqual({
          messageId: envelope.messageId,
          op: envelope.op.tag,
          total: bytes.length,
        });
        readControls(envelope);
        for (const reader of [readBind, readExtended, readAbandon, readSearch, readResult, readEntry])
          reader(envelope);
      },
    ),
    { numRuns: 5000 },
  );
  expect(read).toBeGreaterThan(500);
});
