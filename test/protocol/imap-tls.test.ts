// TLS towards IMAP clients: STARTTLS with commands injected before the handshake (CVE-2021-33515, CVE-2014-3556), and
// clients that speak the wrong thing on a port.

import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pki, plainMessage, type Setting, startSetting } from './postern-before-script.ts';

let postern: Setting;
beforeAll(async () => {
  postern = await startSetting();
});
afterAll(() => postern[Symbol.asyncDispose]());

describe('STARTTLS', () => {
  test('what comes in the same segment behind it is never answered, before TLS or after', async () => {
    for (const injected of [
      'b LOGOUT\r\n',
      'b NOOP\r\n',
      `b LOGIN alice ${postern.password}\r\n`,
      `b AUTHENTICATE PLAIN ${plainMessage('alice', postern.password)}\r\n`,
      'b LOGIN {5}\r\n',
      'b ID ("name" "injected")\r\n',
      'half a command',
    ]) {
      await using client = await postern.plain();
      await client.expect('* OK …');
      await client.send(`a STARTTLS\r\n${injected}`);
      await client.expect('a OK Begin TLS negotiation now');
      await client.quiet(20);
      await client.startTls();
      await client.send('c CAPABILITY\r\n');
      await client.expect('* CAPABILITY … AUTH=PLAIN AUTH=LOGIN');
      await client.expect('c OK Done');
    }
    expect(postern.upstream.connections.total).toBe(0);
  });

  test('more than a dialogue buffers, behind it: thrown away, or the handshake fails; never obeyed', async () => {
    await using client = await postern.plain();
    await client.expect('* OK …');
    await client.send(`a STARTTLS\r\n${'b LOGOUT\r\n'.repeat(20_000)}`);
    await client.expect('a OK Begin TLS negotiation now');
    await expectEndWithout(client, 'b ');
  });

  test('a command in a later segment, before the handshake, ends the connection', async () => {
    await using client = await postern.plain();
    await client.expect('* OK …');
    await client.send('a STARTTLS\r\n');
    await client.expect('a OK Begin TLS negotiation now');
    await client.send('b LOGOUT\r\n');
    await expectEndWithout(client, 'b ');
    await postern.logged('tls_failed');
  });

  test('nothing that was said in clear is used on TLS: the ID is forgotten', async () => {
    await using client = await postern.plain();
    await client.expect('* OK …');
    await client.send('a ID ("name" "said in clear")\r\n');
    await client.expect('* ID …');
    await client.expect('a OK Done');
    await client.send('b STARTTLS\r\n');
    await client.expect('b OK …');
    await client.startTls();
    const logins = postern.events('login').length;
    await client.send(`c LOGIN alice ${postern.password}\r\n`);
    await client.expect('c OK …');
    expect(postern.events('login')[logins]).toMatchObject({ verdict: 'admitted', software: null });
    expect(postern.upstream.lines.join('\n')).not.toContain('said in clear');
  });

  test('an attempt on TLS names its version in the log', async () => {
    const logins = postern.events('login').length;
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK …');
    expect(postern.events('login')[logins]).toMatchObject({ tls: 'TLSv1.3' });
  });

  test('a client that asks for TLS and then says nothing is closed at the deadline', async () => {
    await using impatient = await startSetting({ config: 'limits: { loginDeadline: 2s }' });
    await using client = await impatient.plain();
    await client.expect('* OK …');
    await client.send('a STARTTLS\r\n');
    await client.expect('a OK …');
    await client.closed();
  });

  test('and so is one that ends its side then, or in the middle of the handshake', async () => {
    await Promise.all(
      [[], [0x16, 0x03, 0x01, 0x02, 0x00]].map(async (bytes) => {
        await using client = await postern.plain();
        await client.expect('* OK …');
        await client.send('a STARTTLS\r\n');
        await client.expect('a OK …');
        await client.send(Uint8Array.from(bytes));
        client.end();
        await client.closed();
      }),
    );
  });
});

describe('a client that speaks plaintext on the TLS port', () => {
  test('is told which setting is wrong, and the log names the mistake', async () => {
    await using client = await postern.plainToTlsPort();
    await client.send('a CAPABILITY\r\n');
    await client.expect('* BYE This port speaks TLS from the first byte: …');
    await client.closed();
    expect(postern.events('client_mistake').at(-1)).toMatchObject({
      listener: 'imaps',
      kind: 'plaintext_on_tls_port',
    });
    await postern.metricIs(1, 'postern_tls_failures_total', { kind: 'plaintext_on_tls_port' });
  });

  test('gets no answer if it is HTTP', async () => {
    await using client = await postern.plainToTlsPort();
    await client.send('GET / HTTP/1.1\r\nHost: mail.example.com\r\n\r\n');
    await client.closed();
  });

  test('is closed at the deadline if it says nothing', async () => {
    await using impatient = await startSetting({ config: 'limits: { loginDeadline: 1s }' });
    await using client = await impatient.plainToTlsPort();
    await client.closed();
  });

  test('is closed if it ends before it says anything, or in the middle of a handshake', async () => {
    await Promise.all(
      [[], [0x16], [0x16, 0x03, 0x01, 0x02, 0x00, 0x01]].map(async (bytes) => {
        await using client = await postern.plainToTlsPort();
        await client.send(Uint8Array.from(bytes));
        client.end();
        await client.closed();
      }),
    );
  });

  test('is closed if what looks like a handshake is none', async () => {
    await using client = await postern.plainToTlsPort();
    await client.send(Uint8Array.from([0x16, 0x03, ...Array(600).fill(0xff)]));
    await expectEndWithout(client, '* ');
  });
});

describe('a client that speaks TLS on the STARTTLS port', () => {
  test.each([
    ['a TLS record', [0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00]],
    ['its first byte alone', [0x16]],
    ['an SSLv2 hello', [0x80, 0x2e, 0x01, 0x00, 0x02]],
  ])('is closed, and the log names the mistake: %s', async (_, bytes) => {
    const before = postern.events('client_mistake').length;
    await using client = await postern.plain();
    await client.expect('* OK …');
    await client.send(Uint8Array.from(bytes));
    await client.closed();
    expect(postern.events('client_mistake').slice(before)).toMatchObject([
      { listener: 'imap', kind: 'tls_on_starttls_port' },
    ]);
  });

  test('and is a real one', async () => {
    const mistakes = [
      'postern_tls_failures_total',
      { listener: 'imap', kind: 'tls_on_starttls_port' },
    ] as const;
    const before = (await postern.metrics()).value(...mistakes);
    const { socket } = await postern.plain();
    await new Promise((resolve) => connectTls({ socket }).on('error', resolve));
    await postern.metricIs(before + 1, ...mistakes);
  });
});

describe('TLS itself', () => {
  test('1.2 is served, 1.1 is not', async () => {
    const { ca } = await pki();
    const port = (await postern.plainToTlsPort()).socket.remotePort!;
    const versions = await Promise.all(
      (['TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const).map(
        (version) =>
          new Promise<string>((resolve) => {
            const socket = connectTls({
              port,
              ca: ca.cert,
              servername: 'localhost',
              minVersion: version,
              maxVersion: version,
              ciphers: 'DEFAULT@SECLEVEL=0',
            });
            socket.once('secureConnect', () => {
              resolve(socket.getProtocol()!);
              socket.destroy();
            });
            socket.once('error', () => resolve('refused'));
          }),
      ),
    );
    expect(versions).toEqual(['refused', 'TLSv1.2', 'TLSv1.3']);
  });

  test.each([['imap'], ['h2'], ['nonsense']])('ALPN %s ends no client', async (protocol) => {
    const { ca } = await pki();
    const port = (await postern.plainToTlsPort()).socket.remotePort!;
    const greeting = await new Promise<string>((resolve, reject) => {
      const socket = connectTls({ port, ca: ca.cert, servername: 'localhost', ALPNProtocols: [protocol] });
      socket.once('data', (bytes) => {
        resolve(bytes.toString());
        socket.destroy();
      });
      socket.once('error', reject);
    });
    expect(greeting).toMatch(/^\* OK /);
  });
});

/** The connection ends, and nothing that begins like this was said: a TLS alert may be. */
async function expectEndWithout(
  client: Awaited<ReturnType<Setting['plain']>>,
  answer: string,
): Promise<void> {
  let heard = '';
  client.socket.on('data', (bytes: Buffer) => {
    heard += bytes.toString('latin1');
  });
  await new Promise((resolve) => client.socket.once('close', resolve).end());
  expect(heard).not.toContain(answer);
}
