// No request runs with the rights of Postern's own account: slapd reads one part of a request after the other and does not mind where
// an element says that it ends (measured, 2.5), so that what stands too much in an operation would be read in place of the controls
// behind it, and with them goes the proxied authorization that Postern has put there (RFC 4370).

import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  bind,
  boolean,
  control,
  elementLength,
  integer,
  type Message,
  message,
  OIDS,
  present,
  readMessage,
  text,
  tlv,
} from '../support/ldap-bytes.ts';
import { ALICE, type DirectoryChain, startPosternBeforeSlapd } from '../support/postern-before-slapd.ts';
import { BASE, PEOPLE, SERVICE } from '../support/slapd.ts';
import { connect } from '../support/transcript.ts';

const POSTERN = `cn=postern,ou=services,${BASE}`;
/** What Postern's account alone may see and change. */
const KEPT = SERVICE;

let chain: DirectoryChain;
let password: string;
beforeAll(async () => {
  chain = await startPosternBeforeSlapd({
    directory: '{ operations: [search, compare, add, modify, modifyDn, delete] }',
    slapd: {
      database: `access to dn.exact="${KEPT}" by dn.exact="${POSTERN}" write by * none
access to dn.subtree="${PEOPLE}" by dn.exact="${POSTERN}" write by users read by * none`,
    },
  });
  ({ password } = await chain.account('alice@example.com', ALICE));
});
afterAll(() => chain?.[Symbol.asyncDispose]());

/** What comes of a request of Alice's, or of Postern's account without Postern in between. */
async function outcome(request: Uint8Array, direct = false): Promise<Message[]> {
  const port = direct ? chain.slapd.ports.ldaps : chain.ports.ldaps;
  await using client = await connect({ port, tls: true, ca: chain.pki.ca.cert });
  const next = async () => {
    const header = await client.bytes(2);
    const more = (header[1] as number) < 128 ? 0 : (header[1] as number) - 128;
    const whole = Buffer.concat([header, await client.bytes(more)]);
    return readMessage(
      Buffer.concat([whole, await client.bytes((elementLength(whole) as number) - whole.length)]),
    );
  };
  await client.send(direct ? bind(1, POSTERN, chain.slapd.postern.password) : bind(1, ALICE, password));
  expect(await next()).toMatchObject({ op: 'bindResponse', code: 0 });
  await client.send(request);
  const seen: Message[] = [];
  do seen.push(await next());
  while (seen.at(-1)?.op === 'entry');
  return seen;
}

const limits = [integer(0, 0x0a), integer(0, 0x0a), integer(0), integer(0), boolean(false)];
/** All attributes, and no controls: what a request ends with. */
const ALL = tlv(0x30);
const NONE = tlv(0xa0);
const cn = (tag: number, ...more: Uint8Array[]) => tlv(tag, text('cn'), text('nextcloud'), ...more);
const searchOf = (...parts: Uint8Array[]) => message(2, tlv(0x63, text(KEPT), ...limits, ...parts));
const extensible = tlv(0xa9, tlv(0x82, 'cn'), tlv(0x83, 'nextcloud'), ALL, NONE);
const values = (type: string, value: string) => [text(type), tlv(0x31, text(value))];
const change = (...more: Uint8Array[]) =>
  tlv(0x30, integer(2, 0x0a), tlv(0x30, ...values('description', 'hostile'), ...more));

const found = { op: 'entry', dn: KEPT };
const isTrue = { op: 'compareResponse', code: 6 };

test('without anything too much, alice’s requests are alice’s', async () => {
  expect(await outcome(searchOf(present('cn'), ALL))).toMatchObject([{ op: 'searchDone', code: 32 }]);
  const compared = await outcome(message(2, tlv(0x6e, text(KEPT), cn(0x30))));
  expect(compared).toMatchObject([{ op: 'compareResponse', code: 32 }]);
  const changed = await outcome(message(2, tlv(0x66, text(ALICE), tlv(0x30, change()))));
  expect(changed).toMatchObject([{ op: 'modifyResponse', code: 50 }]);
});

// With what slapd makes of it where Postern's account asks: it does not mind.
test.each<[string, Uint8Array, object]>([
  ['no controls, behind the attributes', searchOf(present('cn'), ALL, NONE), found],
  ['an octet string, behind the attributes', searchOf(present('cn'), ALL, text('x')), found],
  ['attributes and no controls, in an equality', searchOf(cn(0xa3, ALL, NONE), ALL), found],
  ['the same in an equality in an "and"', searchOf(tlv(0xa0, cn(0xa3), ALL, NONE), ALL), {}],
  ['the same in an approximation', searchOf(cn(0xa8, ALL, NONE), ALL), found],
  ['the same in a "not"', searchOf(tlv(0xa2, tlv(0xa3, text('cn'), text('x')), ALL, NONE), ALL), found],
  ['the same in an extensible match', searchOf(extensible, ALL), found],
  ['compare: no controls behind the assertion', message(2, tlv(0x6e, text(KEPT), cn(0x30), NONE)), isTrue],
  ['compare: no controls in the assertion', message(2, tlv(0x6e, text(KEPT), cn(0x30, NONE))), isTrue],
])('%s', async (_, request, understood) => {
  expect((await outcome(request, true))[0]).toMatchObject(understood);
  expect(await outcome(request)).toMatchObject([{ id: 0, code: 2, oid: OIDS.notice }]);
});

// Nobody asks with Postern's account here: it would do it.
test.each([
  ['modify: behind the changes', tlv(0x66, text(ALICE), tlv(0x30, change()), NONE)],
  ['modify: in a change', tlv(0x66, text(ALICE), tlv(0x30, change(NONE)))],
  [
    'rename: behind the new superior',
    tlv(0x6c, text(ALICE), text('uid=x'), boolean(true), tlv(0x80, PEOPLE), NONE),
  ],
  ['rename: where it would be', tlv(0x6c, text(ALICE), text('uid=x'), boolean(true), NONE)],
  [
    'add: behind the attributes',
    tlv(0x68, text(`uid=x,${PEOPLE}`), tlv(0x30, tlv(0x30, ...values('uid', 'x'))), NONE),
  ],
])('%s', async (_, op) => {
  expect(await outcome(message(2, op))).toMatchObject([{ id: 0, code: 2, oid: OIDS.notice }]);
});

test('Cancel goes without proxied authorization, which slapd does not take with it (12)', async () => {
  // noSuchOperation (RFC 3909 §2.3): it was understood.
  const cancel = tlv(0x77, tlv(0x80, OIDS.cancel), tlv(0x81, tlv(0x30, integer(99))));
  expect(await outcome(message(2, cancel))).toMatchObject([{ op: 'extendedResponse', code: 119 }]);
});

test('a control whose name goes on behind a NUL, where slapd thinks that it ends, is not passed on', async () => {
  const asBob = control(`${OIDS.proxied}\0.1`, true, `dn:${SERVICE}`);
  const plain = message(2, tlv(0x63, text(KEPT), ...limits, present('cn'), ALL), asBob);
  expect(await outcome(plain)).toMatchObject([{ id: 0, code: 2, oid: OIDS.notice }]);
  // Not 12, as for a critical control that it does not know: it went on as the service, which may not see this.
  expect(await outcome(plain, true)).toMatchObject([{ op: 'searchDone', code: 32 }]);
});
