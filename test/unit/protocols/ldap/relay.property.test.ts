// What a directory sends, in any pieces and of any kind: the client gets the same whole messages, the root DSE's corrected, and at the
// first that nobody asked for, none from there on.

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { systemClock } from '../../../../src/lib/clock.ts';
import { Relay, type RelayClient } from '../../../../src/protocols/ldap/relay.ts';
import { done, entry, message, result, tlv } from '../../../support/ldap-bytes.ts';

/** 2 and 3 are searches, 4 one for the root DSE. */
function relay() {
  const received: Buffer[] = [];
  const goodbyes: string[] = [];
  const upstream = new Duplex({ read() {}, write: (_chunk, _encoding, taken) => taken() });
  const client = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, taken) {
      received.push(chunk);
      taken();
    },
  });
  const dialogue: RelayClient = {
    connection: { socket: client as unknown as Socket },
    resume() {},
    goodbye(why: string) {
      goodbyes.push(why);
      made.end('upstream_error');
    },
    close(last: Buffer) {
      received.push(last);
      goodbyes.push('their own');
      made.end('upstream_closed');
    },
  };
  const made = new Relay(dialogue, {
    live: { info: { upstream: 'u' }, joined() {}, onEnd() {}, leave() {} } as never,
    directory: { socket: upstream as unknown as Socket, rest: Buffer.alloc(0), userDn: null },
    policy: { operations: new Set(), maxEntries: null, maxSeconds: null },
    authorizationId: '',
    isProxied: false,
    controls: null,
    offer: { startTls: false, saslMechanisms: ['PLAIN'], passwordModify: false },
    events: { sessionStarted() {}, sessionEnded() {}, upstreamRefusedPostern() {} } as never,
    clock: systemClock,
  });
  made.start();
  for (const id of [2, 3]) made.request(id, Buffer.alloc(0), 'answer');
  made.request(4, Buffer.alloc(0), 'root DSE');
  return {
    push: (chunk: Buffer) => upstream.emit('data', chunk),
    received: () => Buffer.concat(received).toString('hex'),
    goodbyes,
    made,
  };
}

const good = fc.oneof(
  fc.tuple(fc.constantFrom(2, 3), fc.nat(400)).map(([id, n]) => entry(id, 'cn=a', { cn: ['x'.repeat(n)] })),
  fc.constantFrom(
    entry(4, '', { supportedLDAPVersion: ['2', '3'] }),
    message(2, tlv(0x73, 'ldap://elsewhere/')),
    message(3, tlv(0x79)),
    result(0, 0x78, 0, 'news'),
  ),
);
const CORRECTED = entry(4, '', { supportedLDAPVersion: ['3'] }).toString('hex');
const bad = fc.oneof(
  fc.constantFrom(
    done(9),
    result(2, 0x61, 0),
    entry(0, 'cn=a'),
    Buffer.from('308002010142', 'hex'),
    tlv(0x04),
  ),
  fc
    .uint8Array({ minLength: 20, maxLength: 40 })
    .filter((b) => b[0] !== 0x30)
    .map((b) => Buffer.from(b)),
);

function split(bytes: Buffer, at: readonly number[]): Buffer[] {
  const cuts = [0, ...at.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((to, n) => Buffer.from(bytes.subarray(cuts[n], to)));
}

test('whole messages pass as they came, in any pieces', () => {
  fc.assert(
    fc.property(
      fc.array(good, { maxLength: 20 }),
      fc.array(fc.nat()),
      fc.boolean(),
      (messages, cuts, octets) => {
        const bytes = Buffer.concat(messages);
        const { push, received, goodbyes, made } = relay();
        const pieces = octets ? Array.from(bytes, (octet) => Buffer.of(octet)) : split(bytes, cuts);
        for (const piece of pieces) push(piece);
        expect(received()).toBe(
          messages
            .map((each) => each.toString('hex'))
            .map((hex) => (hex.startsWith(ROOT_DSE) ? CORRECTED : hex))
            .join(''),
        );
        expect(goodbyes).toEqual([]);
        expect(made.isMidMessage).toBe(false);
      },
    ),
  );
});
const ROOT_DSE = entry(4, '', { supportedLDAPVersion: ['2', '3'] }).toString('hex');

test('what nobody asked for ends it: what came before has passed, nothing after it does', () => {
  fc.assert(
    fc.property(fc.array(good, { maxLength: 8 }), bad, fc.array(fc.nat()), (messages, wrong, cuts) => {
      const { push, received, goodbyes, made } = relay();
      for (const piece of split(Buffer.concat([...messages, wrong, done(2)]), cuts)) push(piece);
      const passed = messages.map((each) => each.toString('hex'));
      expect(received()).toBe(passed.map((hex) => (hex === ROOT_DSE ? CORRECTED : hex)).join(''));
      expect(goodbyes).toEqual(['upstreamFault']);
      push(done(2));
      expect(received().endsWith(done(2).toString('hex'))).toBe(false);
      expect(made.isAnswering).toBe(true);
    }),
  );
});

test('an answer that ends an operation makes its id free; a second one is unasked', () => {
  const { push, goodbyes, made } = relay();
  push(done(2));
  expect(made.isOutstanding(2)).toBe(false);
  expect(made.isOutstanding(3)).toBe(true);
  push(done(2));
  expect(goodbyes).toEqual(['upstreamFault']);
});

test('answers to the last 256 operations that were abandoned may come', () => {
  const { push, goodbyes, made } = relay();
  for (let id = 100; id < 400; id++) {
    made.request(id, Buffer.alloc(0), 'answer');
    expect(made.abandon(id)).toBe(true);
    expect(made.abandon(id)).toBe(false);
  }
  push(Buffer.concat([entry(399, 'cn=a'), done(399), entry(144, 'cn=a')]));
  expect(goodbyes).toEqual([]);
  push(entry(143, 'cn=a'));
  expect(goodbyes).toEqual(['upstreamFault']);
});

test('no bytes make it throw', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(good, fc.uint8Array({ maxLength: 30 })), { maxLength: 10 }), (parts) => {
      const { push, goodbyes, made } = relay();
      for (const part of parts) push(Buffer.from(part));
      expect(goodbyes.length).toBeLessThanOrEqual(1);
      expect(typeof made.isMidMessage).toBe('boolean');
    }),
    { numRuns: 1000 },
  );
});
