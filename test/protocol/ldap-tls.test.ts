// StartTLS (RFC 4511 §4.14), and clients that have chosen the wrong port.

import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  bind,
  control,
  extended,
  message,
  OIDS,
  rootDse,
  saslBind,
  search,
  tlv,
} from '../support/ldap-bytes.ts';
import { ALICE, type DirectorySetting, startDirectorySetting } from './postern-before-directory.ts';

let postern: DirectorySetting;
beforeAll(async () => {
  postern = await startDirectorySetting();
});
afterAll(() => postern[Symbol.asyncDispose]());

describe('StartTLS', () => {
  test('then a bind and a search', async () => {
    await using client = await postern.plain();
    expect(await client.ask(extended(1, OIDS.startTls))).toEqual({
      id: 1,
      op: 'extendedResponse',
      code: 0,
      diagnostic: '',
      oid: OIDS.startTls,
    });
    await client.startTls();
    expect(await client.ask(bind(2, ALICE, postern.password))).toMatchObject({ id: 2, code: 0 });
    expect(await client.ask(search(3, 'a=1'))).toMatchObject({ id: 3, op: 'entry' });
    expect(postern.events('login').at(-1)).toMatchObject({
      verdict: 'admitted',
      tls: 'TLSv1.3',
      protocol: 'ldap',
    });
  });

  test('with a critical control is refused (12); twice, or where TLS is on from the first byte, is an operations error; where there is none, unknown', async () => {
    await using client = await postern.plain();
    const critical = message(1, tlv(0x77, tlv(0x80, OIDS.startTls)), control('1.2.3', true));
    expect(await client.ask(critical)).toMatchObject({ id: 1, op: 'extendedResponse', code: 12 });
    await client.ask(extended(1, OIDS.startTls));
    await client.startTls();
    expect(await client.ask(extended(2, OIDS.startTls))).toMatchObject({ id: 2, code: 1 });
    expect(await client.ask(bind(3, ALICE, postern.password))).toMatchObject({ code: 0 });
    expect(await client.ask(extended(4, OIDS.startTls))).toMatchObject({ id: 4, code: 1 });
    await using implicit = await postern.client();
    expect(await implicit.ask(extended(1, OIDS.startTls))).toMatchObject({ id: 1, code: 1 });
    await using clear = await postern.clear();
    expect(await clear.ask(extended(1, OIDS.startTls))).toMatchObject({ id: 1, code: 2 });
  });

  test('without it no password is taken (13), by either kind of bind, and none reaches the gate', async () => {
    const logins = postern.events('login').length;
    await using client = await postern.plain();
    expect(await client.ask(bind(1, ALICE, postern.password))).toMatchObject({
      op: 'bindResponse',
      code: 13,
    });
    expect(await client.ask(saslBind(2, 'PLAIN', `\0alice\0${postern.password}`))).toMatchObject({
      code: 13,
    });
    expect(await client.ask(bind(3, ALICE, ''))).toMatchObject({ code: 53 });
    expect((await client.ask(rootDse(4))).attributes).not.toHaveProperty('supportedSASLMechanisms');
    expect(postern.events('login').length).toBe(logins);
  });

  test('a search and a bind that are pipelined behind it in clear are thrown away, or the handshake fails', async () => {
    const { total } = postern.upstream.connections;
    await using client = await postern.plain();
    await client.send(
      Buffer.concat([
        extended(1, OIDS.startTls),
        rootDse(2),
        bind(3, ALICE, postern.password),
        search(4, 'a=1'),
      ]),
    );
    expect(await client.message()).toMatchObject({ id: 1, code: 0 });
    await client.startTls();
    expect(await client.ask(extended(5, OIDS.whoAmI))).toMatchObject({ id: 5, value: '' });
    expect(postern.upstream.connections.total).toBe(total);
  });

  test('half a message behind it is no beginning of what comes on TLS', async () => {
    await using client = await postern.plain();
    await client.send(Buffer.concat([extended(1, OIDS.startTls), search(2, 'a=1').subarray(0, 9)]));
    expect(await client.message()).toMatchObject({ id: 1, code: 0 });
    await client.startTls();
    expect(await client.ask(extended(3, OIDS.whoAmI))).toMatchObject({ id: 3, value: '' });
  });

  test('a request in a later segment, before the handshake, ends the connection', async () => {
    await using client = await postern.plain();
    await client.ask(extended(1, OIDS.startTls));
    const failures = postern.events('tls_failed').length;
    await client.send(extended(2, OIDS.whoAmI));
    await postern.until(() => postern.events('tls_failed').length > failures);
    // An alert may come first.
    client.socket.resume();
    await postern.until(() => client.socket.destroyed);
  });

  test('a client that asks for it and says nothing more is closed at the deadline', async () => {
    await using impatient = await startDirectorySetting({ config: 'limits: { loginDeadline: 2s }' });
    await using client = await impatient.plain();
    await client.ask(extended(1, OIDS.startTls));
    await client.closed();
  });
});

describe('the wrong port', () => {
  test('LDAP in clear on the TLS port gets a Notice of Disconnection that says so', async () => {
    await using client = await postern.plainToTlsPort();
    expect(await client.ask(bind(1, ALICE, postern.password))).toMatchObject({
      id: 0,
      oid: OIDS.notice,
      code: 13,
      diagnostic: 'This port speaks TLS from the first byte: use ldaps',
    });
    await client.closed();
    expect(postern.events('client_mistake').at(-1)).toMatchObject({
      listener: 'ldaps',
      kind: 'plaintext_on_tls_port',
    });
  });

  test('HTTP there gets nothing', async () => {
    await using client = await postern.plainToTlsPort();
    await client.send('GET / HTTP/1.1\r\n\r\n');
    await client.closed();
  });

  test('TLS on the StartTLS port is closed, and the log names the mistake', async () => {
    const { socket } = await postern.plain();
    await new Promise((resolve) => connectTls({ socket }).on('error', resolve));
    expect(postern.events('client_mistake').at(-1)).toMatchObject({
      listener: 'ldap',
      kind: 'tls_on_starttls_port',
    });
  });

  test('where there is no TLS at all, passwords are taken in clear', async () => {
    await using client = await postern.clear();
    expect((await client.ask(rootDse(1))).attributes).toMatchObject({ supportedSASLMechanisms: ['PLAIN'] });
    await client.message();
    expect(await client.ask(bind(2, ALICE, postern.password))).toMatchObject({ code: 0 });
  });
});
