// Values that are well-formed and out of range, sent to a real slapd and to Postern before it: the same result for that operation, and the
// connection goes on. Where slapd 2.5 ends the connection over a number that is too long for it, Postern answers as for the others.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { boolean, integer, type Message, message, present, text, tlv } from '../support/ldap-bytes.ts';
import { connectLdap, type LdapClient } from '../support/ldap-client.ts';
import { ALICE, type DirectoryChain, startPosternBeforeSlapd } from '../support/postern-before-slapd.ts';
import { PEOPLE } from '../support/slapd.ts';

let chain: DirectoryChain;
beforeAll(async () => {
  chain = await startPosternBeforeSlapd({ directory: '{ operations: [search, compare, modify] }' });
});
afterAll(() => chain?.[Symbol.asyncDispose]());

const number = (hex: string, tag = 0x02) => tlv(tag, Buffer.from(hex, 'hex'));
const enumerated = (hex: string) => number(hex, 0x0a);
const search = (values: { scope?: Buffer; deref?: Buffer; size?: Buffer; time?: Buffer }) => {
  const { scope = enumerated('02'), deref = enumerated('00') } = values;
  const { size = integer(0), time = integer(0) } = values;
  const parts = [scope, deref, size, time, boolean(false), present('objectClass')];
  return message(2, tlv(0x63, text(PEOPLE), ...parts, tlv(0x30, text('1.1'))));
};
const modify = (operation: Buffer) => {
  const change = tlv(0x30, operation, tlv(0x30, text('cn'), tlv(0x31, text('x'))));
  return message(2, tlv(0x66, text(ALICE), tlv(0x30, change)));
};
const bind = (version: Buffer) => message(2, tlv(0x60, version, text(ALICE), tlv(0x80, 'x')));

/** Bound as alice; the password is alice's own, or an app password. */
async function bound(account: { port: number; password: string }): Promise<LdapClient> {
  const client = await connectLdap({ port: account.port, tls: true, ca: chain.pki.ca.cert });
  const answer = await client.ask(
    message(1, tlv(0x60, integer(3), text(ALICE), tlv(0x80, account.password))),
  );
  expect(answer).toMatchObject({ id: 1, code: 0 });
  return client;
}

/** Op and code of the answer that ends it. */
async function outcome(client: LdapClient, bytes: Buffer): Promise<Partial<Message>> {
  let answer = await client.ask(bytes);
  while (answer.op === 'entry') answer = await client.message();
  const { id, op, code = -1 } = answer;
  return { id, op, code };
}

test.each<[string, Buffer, asSlapd?: boolean]>([
  ['nothing out of range', search({})],
  ['sizeLimit −1', search({ size: number('ff') })],
  ['sizeLimit −2³¹', search({ size: number('80000000') })],
  ['sizeLimit 2³¹ − 1', search({ size: number('7fffffff') })],
  ['sizeLimit 2³¹', search({ size: number('0080000000') }), false],
  ['sizeLimit of 8 octets', search({ size: number('7fffffffffffffff') }), false],
  ['sizeLimit of 20 octets', search({ size: number('01'.repeat(20)) }), false],
  ['timeLimit −1', search({ time: number('ff') })],
  ['timeLimit 2³¹', search({ time: number('0080000000') }), false],
  ['scope 4', search({ scope: enumerated('04') })],
  ['scope −1', search({ scope: enumerated('ff') })],
  ['scope 2⁴⁰', search({ scope: enumerated('010000000000') }), false],
  ['derefAliases 4', search({ deref: enumerated('04') })],
  ['derefAliases −1', search({ deref: enumerated('ff') })],
  ['derefAliases 2³⁵', search({ deref: enumerated('0800000000') }), false],
  ['a modification 7', modify(enumerated('07'))],
  ['a modification −1', modify(enumerated('ff'))],
  ['version 2', bind(number('02'))],
  ['version 0', bind(number('00'))],
  ['version 128', bind(number('0080'))],
  ['version −1', bind(number('ff'))],
  ['version 2³¹', bind(number('0080000000')), false],
])('%s', async (_, bytes, asSlapd = true) => {
  const { password } = await chain.account('alice@example.com');
  await using through = await bound({ port: chain.ports.ldaps, password });
  const heard = await outcome(through, bytes);
  if (asSlapd) {
    await using direct = await bound(chain.direct(ALICE));
    expect(heard).toEqual(await outcome(direct, bytes));
  } else {
    expect(heard).toMatchObject({ id: 2, code: 2 });
  }
  // The connection goes on. A Bind that failed has left it anonymous.
  const next = await outcome(through, message(3, tlv(0x77, tlv(0x80, '1.3.6.1.4.1.4203.1.11.3'))));
  expect(next).toEqual({ id: 3, op: 'extendedResponse', code: 0 });
});
