// What strangers may make Postern hold before they log in: bytes, time, connections.

import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type Setting, startSetting } from './postern-before-script.ts';

describe('bytes', () => {
  test('1 MB without a line end: BYE, before TLS and on it', async () => {
    await using postern = await startSetting();
    for (const client of [await postern.plain(), await postern.client()]) {
      await using _ = client;
      void client.send('x'.repeat(1_000_000));
      await client.expectUntil('* BYE Line too long');
      await client.closed();
    }
  });

  test('a line of 8,192 octets is read, one more is too long', async () => {
    await using postern = await startSetting();
    await using client = await postern.client();
    await client.send(`a ${'x'.repeat(8190)}\r\n`);
    await client.expect('a BAD …');
    await client.send(`a ${'x'.repeat(8191)}\r\n`);
    await client.expect('* BYE Line too long');
    await client.closed();
  });

  test.each(['9223372036854775808', '9223372036854775807', '4294967296', '16385'])(
    'an announced literal of %s octets is refused, and the connection stays',
    async (size) => {
      await using postern = await startSetting();
      await using client = await postern.client();
      await client.send(`a LOGIN {${size}}\r\n`);
      await client.expect('a NO [TOOBIG] Literal too large');
      await client.send('b LOGIN alice {9999999999}\r\n');
      await client.expect('b NO [TOOBIG] …');
      await client.send(`c LOGIN alice ${postern.password}\r\n`);
      await client.expect('c OK …');
    },
  );

  test.each(['9223372036854775808', '18446744073709551616', '4294967301', '16385', '9'.repeat(60)])(
    'a literal of %s octets that comes unasked ends the connection: its bytes would be taken for commands',
    async (size) => {
      await using postern = await startSetting();
      for (const command of ['LOGIN', 'XYZZY', 'ID (']) {
        await using client = await postern.client();
        await client.send(`a ${command} {${size}+}\r\nb LOGIN alice ${postern.password}\r\n`);
        await client.expect('* BYE Literal too large');
        await client.closed();
      }
      expect(postern.events('login')).toEqual([]);
    },
  );

  test('many literals within their bound, together over the command\u2019s', async () => {
    await using postern = await startSetting();
    await using client = await postern.client();
    await client.send(`a LOGIN ${`{16000+}\r\n${'x'.repeat(16_000)} `.repeat(10)}\r\n`);
    await client.expect('* BYE Literal too large');
    await client.closed();
  });

  test('a client that pipelines without end while its login is refused has to wait, and is not held in memory', async () => {
    await using postern = await startSetting({ config: 'throttle: { failureDelay: 1s }' });
    await using client = await postern.plain();
    await client.expect('* OK …');
    await client.send('a STARTTLS\r\n');
    await client.expect('a OK …');
    await client.startTls();
    await client.send('a LOGIN alice wrong\r\n');
    const flood = Buffer.alloc(65_536, 'b NOOP\r\n');
    let taken = 0;
    const pump = () => {
      do taken += flood.length;
      while (client.socket.write(flood) && taken < 200_000_000);
    };
    client.socket.on('drain', pump).once('data', () => client.socket.off('drain', pump));
    pump();
    await client.expect('a NO [AUTHENTICATIONFAILED] …');
    // What the kernel's buffers of both ends take, and not the 200 MB.
    expect(taken).toBeLessThan(30_000_000);
  });

  test('a client that reads nothing', async () => {
    await using postern = await startSetting({ config: 'limits: { loginDeadline: 3s }' });
    await using client = await postern.plain();
    client.socket.pause();
    client.socket.write('a CAPABILITY\r\n'.repeat(100_000));
    await postern.metricIs(1, 'postern_connections', { listener: 'imap' });
    await postern.metricIs(0, 'postern_connections', { listener: 'imap' });
  });
});

describe('time', () => {
  // Long enough for a TLS handshake and a login on a busy machine.
  const config = 'limits: { loginDeadline: 2s }';

  test('a client that says nothing hears BYE at the deadline', async () => {
    await using postern = await startSetting({ config });
    for (const client of [await postern.plain(), await postern.client()]) {
      await using _ = client;
      await client.expectUntil('* BYE Login took too long');
      await client.closed();
    }
  });

  test('so does one that says a little all the time, in a line, between lines, in a literal, in AUTHENTICATE', async () => {
    await using postern = await startSetting({ config });
    const beginnings = [
      'a LOGIN ',
      '',
      'a LOGIN {1000+}\r\n',
      'a AUTHENTICATE PLAIN\r\n',
      'a AUTHENTICATE LOGIN\r\n',
    ];
    await Promise.all(
      beginnings.map(async (beginning) => {
        await using client = await postern.client();
        await client.send(beginning);
        const trickle = setInterval(() => client.socket.write(beginning === '' ? 'a NOOP\r\n' : 'x'), 20);
        await client.expectUntil('* BYE Login took too long');
        clearInterval(trickle);
      }),
    );
  });

  test('and one that waits for its refusal hears that first', async () => {
    await using postern = await startSetting({ config: `${config}\nthrottle: { failureDelay: 2500ms }` });
    await using client = await postern.client();
    await client.send('a LOGIN alice wrong\r\n');
    await client.expect('a NO [AUTHENTICATIONFAILED] …');
    await client.expect('* BYE Login took too long');
    await client.closed();
  });

  test('a session has no such deadline', async () => {
    await using postern = await startSetting({ config });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK …');
    await client.quiet(2500);
    await client.send('b NOOP\r\n');
    await client.expect('b OK done');
  });
});

describe('connections', () => {
  /** The greeting, or the end of the connection. */
  const isServed = async (postern: Setting, localAddress: string) => {
    const client = await postern.plain({ localAddress });
    const served = await client.expect('* OK …').then(
      () => true,
      () => false,
    );
    return { served, leave: () => client[Symbol.asyncDispose]() };
  };

  const logIn = async (postern: Setting, localAddress: string) => {
    const client = await postern.client({ localAddress });
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK …');
    return { leave: () => client[Symbol.asyncDispose]() };
  };

  test.each([
    ['perNetwork', '127.0.0.8', true],
    ['connections', '127.0.0.8', false],
  ])(
    '%s: at the bound a connection is closed unanswered; when a session ends, the next is served',
    async (limit, other, otherServed) => {
      await using postern = await startSetting({ config: `limits: { ${limit}: 2 }` });
      const one = await logIn(postern, '127.0.0.7');
      const two = await logIn(postern, '127.0.0.7');
      const three = await isServed(postern, '127.0.0.7');
      expect(three.served).toBe(false);
      const elsewhere = await isServed(postern, other);
      expect(elsewhere.served).toBe(otherServed);
      await postern.metricIs(otherServed ? 1 : 2, 'postern_connections_rejected_total', { limit });
      for (const { leave } of [one, three, elsewhere]) await leave();
      await postern.metricIs(1, 'postern_connections');
      const four = await isServed(postern, '127.0.0.7');
      expect(four.served).toBe(true);
      await four.leave();
      await two.leave();
      await postern.metricIs(0, 'postern_connections');
    },
  );

  test.each(['perNetwork', 'beforeLogin', 'connections'])(
    '%s: at the bound, who has said nothing gives way to who comes',
    async (limit) => {
      await using postern = await startSetting({ config: `limits: { ${limit}: 2 }` });
      await using one = await postern.plain({ localAddress: '127.0.0.7' });
      await one.expect('* OK …');
      await using two = await postern.plain({ localAddress: '127.0.0.7' });
      await two.expect('* OK …');
      await using three = await postern.plain({ localAddress: '127.0.0.7' });
      await three.expect('* OK …');
      await one.closed();
      await postern.metricIs(1, 'postern_connections_rejected_total', { limit });
      await two.send('a NOOP\r\n');
      await two.expect('a OK Done');
      await using four = await postern.plain({ localAddress: '127.0.0.7' });
      await four.expect('* OK …');
      await three.closed();
      await two.send('b NOOP\r\n');
      await two.expect('b OK Done');
    },
  );

  test('who talks does not give way at once: who comes is closed unanswered', async () => {
    await using postern = await startSetting({ config: 'limits: { beforeLogin: 2 }' });
    await using one = await postern.client();
    await using two = await postern.client();
    expect((await isServed(postern, '127.0.0.8')).served).toBe(false);
    for (const client of [one, two]) {
      await client.send(`a LOGIN alice ${postern.password}\r\n`);
      await client.expect('a OK …');
    }
    const three = await isServed(postern, '127.0.0.8');
    expect(three.served).toBe(true);
    await three.leave();
  });

  test('a session gives its place before login back, and keeps those in all and of its network', async () => {
    await using postern = await startSetting({ config: 'limits: { beforeLogin: 1, perNetwork: 2 }' });
    await using one = await postern.client();
    expect((await isServed(postern, '127.0.0.1')).served).toBe(false);
    await one.send(`a LOGIN alice ${postern.password}\r\n`);
    await one.expect('a OK …');
    await using two = await postern.client();
    await two.send(`a LOGIN alice ${postern.password}\r\n`);
    await two.expect('a OK …');
    expect((await isServed(postern, '127.0.0.1')).served).toBe(false);
    expect((await isServed(postern, '127.0.0.2')).served).toBe(true);
  });
});

describe('a client that resets its connection leaves nothing behind', () => {
  const STAGES: [string, (postern: Setting) => Promise<Socket>][] = [
    ['at once', async (postern) => (await postern.plain()).socket],
    ['at once on the TLS port', async (postern) => (await postern.plainToTlsPort()).socket],
    [
      'in a TLS handshake',
      async (postern) => {
        const client = await postern.plainToTlsPort();
        await client.send(Uint8Array.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]));
        return client.socket;
      },
    ],
    [
      'after STARTTLS',
      async (postern) => {
        const client = await postern.plain();
        await client.expect('* OK …');
        await client.send('a STARTTLS\r\n');
        await client.expect('a OK …');
        return client.socket;
      },
    ],
    ['in a command', (postern) => secureWith(postern, () => 'a LOGIN ali')],
    ['in a literal', (postern) => secureWith(postern, () => 'a LOGIN {100+}\r\nali')],
    ['before an announced literal', (postern) => secureWith(postern, () => 'a LOGIN {100}\r\n')],
    ['in AUTHENTICATE', (postern) => secureWith(postern, () => 'a AUTHENTICATE LOGIN\r\nYWxpY2U=\r\n')],
    ['while its refusal waits', (postern) => secureWith(postern, () => 'a LOGIN alice wrong\r\n')],
    [
      'while the upstream login runs',
      (postern) => secureWith(postern, (password) => `a LOGIN alice ${password}\r\n`),
    ],
    [
      'behind more than is buffered, while the upstream login runs',
      (postern) => secureWith(postern, (password) => `a LOGIN alice ${password}\r\n${'x'.repeat(500_000)}`),
    ],
  ];

  test.each(STAGES.filter(([stage]) => !stage.includes('while')))(
    '%s, nor one that ends it in order',
    async (_, reach) => {
      await using postern = await startSetting();
      const socket = await reach(postern);
      await postern.metricIs(1, 'postern_connections');
      socket.end();
      await postern.metricIs(0, 'postern_connections');
    },
  );

  test.each(STAGES)('%s', async (stage, reach) => {
    await using postern = await startSetting({
      script: { on: [[/^(\S+) AUTH/, null]] },
      // No deadline is what cleans up, but behind more than is buffered: nothing is read there, not even a reset, before the upstream
      // login is over.
      upstream: stage.startsWith('behind') ? 'loginDeadline: 2s' : 'loginDeadline: 5m',
      config: 'limits: { loginDeadline: 5m }\nthrottle: { failureDelay: 300ms }',
    });
    const socket = await reach(postern);
    if (stage.includes('upstream')) await expect.poll(() => postern.upstream.lines.length).toBe(2);
    await postern.metricIs(1, 'postern_connections');
    socket.resetAndDestroy();
    await postern.metricIs(0, 'postern_connections');
    await postern.metricIs(0, 'postern_sessions');
    await expect.poll(() => postern.upstream.connections.open).toBe(0);
    await using client = await postern.plain();
    await client.expect('* OK …');
    expect(postern.events('internal_error')).toEqual([]);
  });

  test('in a session', async () => {
    await using postern = await startSetting();
    const socket = await secureWith(postern, (password) => `a LOGIN alice ${password}\r\nb NOOP\r\n`);
    await postern.metricIs(1, 'postern_sessions');
    socket.resetAndDestroy();
    await postern.metricIs(0, 'postern_sessions');
    await postern.metricIs(0, 'postern_connections');
    await expect.poll(() => postern.upstream.connections.open).toBe(0);
  });

  /** A TCP socket over which a TLS client has said this: Node cannot reset a TLS socket itself. */
  async function secureWith(postern: Setting, words: (password: string) => string): Promise<Socket> {
    const plain = await postern.plain();
    const { socket } = plain;
    await plain.expect('* OK …');
    await plain.send('s STARTTLS\r\n');
    await plain.expect('s OK …');
    await plain.startTls();
    plain.socket.write(words(postern.password));
    await new Promise((resolve) => setTimeout(resolve, 50));
    return socket;
  }
});

test('150 connections that come and go at once leave nothing', async () => {
  await using postern = await startSetting();
  await using first = await postern.plain();
  const { remotePort: port } = first.socket;
  await Promise.all(
    Array.from({ length: 150 }, async (_, n) => {
      const socket = connectTcp({ port: port!, host: '127.0.0.1' }).on('error', () => {});
      await once(socket, 'connect');
      if (n % 3 === 0) socket.write('a STARTTLS\r\n');
      if (n % 3 === 1) socket.end('a LOGOUT\r\n');
      else socket.resetAndDestroy();
    }),
  );
  await postern.metricIs(1, 'postern_connections');
});
