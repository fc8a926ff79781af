// A balancer before Postern that says by PROXY headers where its clients are, and peers that should not or do it wrong.
// 127.0.0.2 is the balancer; everybody else is nobody in particular.
//
// The worst that could come in: a header from somebody who is not trusted, by which he would choose whom the limits hit; a
// connection without one from the balancer, whose clients would all be one; a reset in the middle, which has killed other servers.

import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { proxyHeader } from '../../src/upstream/proxy-header.ts';
import { freePort } from '../support/ports.ts';
import { connect, type Transcript } from '../support/transcript.ts';
import { pki, type Setting, startSetting } from './postern-before-script.ts';

const BALANCER = '127.0.0.2';
const LOCAL = proxyHeader(undefined);

interface Ports {
  readonly imap: number;
  readonly imaps: number;
}

async function startBehindBalancer(sections = ''): Promise<Setting & { ports: Ports }> {
  const ports = { imap: await freePort(), imaps: await freePort() };
  const listeners = (['imap', 'imaps'] as const).map(
    (name) =>
      `  - { name: ${name}, protocol: imap, address: "127.0.0.1:${ports[name]}", tls: ${name === 'imap' ? 'starttls' : 'implicit'}, proxyProtocol: [${BALANCER}] }\n`,
  );
  const setting = await startSetting({ config: `listeners:\n${listeners.join('')}${sections}` });
  return Object.assign(setting, { ports });
}

const v1 = (address: string) =>
  Buffer.from(
    `PROXY ${address.includes(':') ? 'TCP6' : 'TCP4'} ${address} ${address.includes(':') ? '::1' : '192.0.2.99'} 51234 993\r\n`,
  );
const v2 = (address: string) =>
  proxyHeader({ source: { address, port: 51_234 }, destination: { address: '192.0.2.99', port: 993 } });

const fromBalancer = (port: number) => connect({ port, localAddress: BALANCER });

/** A client of the TLS port behind the balancer, greeted. */
async function tlsClient(setting: { ports: Ports }, header: Buffer): Promise<Transcript> {
  const { ca } = await pki();
  const client = await connect({ port: setting.ports.imaps, localAddress: BALANCER, ca: ca.cert });
  await client.send(header);
  await client.startTls();
  await client.expect('* OK [CAPABILITY …] Postern ready');
  return client;
}

describe('behind a balancer', () => {
  let setting: Setting & { ports: Ports };
  beforeAll(async () => {
    setting = await startBehindBalancer();
  });
  afterAll(() => setting?.[Symbol.asyncDispose]());

  const lastLogin = () => setting.events('login').at(-1);
  const refusedHeaders = (kind: string) =>
    setting.events('proxy_header_refused').filter((line) => line.kind === kind);

  describe.each([
    ['version 1', v1],
    ['version 2', v2],
  ])('%s', (_, header) => {
    test.each([
      ['192.0.2.7', '192.0.2.7'],
      ['2001:db8::7', '2001:db8::7'],
      ['::ffff:192.0.2.8', '192.0.2.8'],
    ])('the client is %s, in the log and for the upstream', async (address, canonical) => {
      await using client = await tlsClient(setting, header(address));
      await client.send(`a LOGIN alice ${setting.password}\r\n`);
      await client.expect('a OK …');
      expect(lastLogin()).toMatchObject({
        verdict: 'admitted',
        client: canonical,
        clientPort: 51_234,
        balancer: BALANCER,
      });
      expect(setting.upstream.lines.filter((line) => / ID /.test(line)).at(-1)).toContain(
        `"x-originating-ip" "${canonical}" "x-originating-port" "51234"`,
      );
    });

    test('STARTTLS, with a command in the same segment as the header', async () => {
      await using client = await fromBalancer(setting.ports.imap);
      await client.send(Buffer.concat([header('192.0.2.7'), Buffer.from('a NOOP\r\n')]));
      await client.expect('* OK [CAPABILITY … STARTTLS LOGINDISABLED] Postern ready');
      await client.expect('a OK Done');
    });

    test.each(['together', 'octet by octet'] as const)('header and ClientHello %s', async (how) => {
      await using balancer = await startBalancer(setting.ports.imaps, header('192.0.2.9'), how);
      const { ca } = await pki();
      await using client = await connect({ port: balancer.port, tls: true, ca: ca.cert });
      await client.expect('* OK [CAPABILITY …] Postern ready');
      await client.send(`a LOGIN alice ${setting.password}\r\n`);
      await client.expect('a OK …');
      expect(lastLogin()).toMatchObject({ client: '192.0.2.9' });
    });
  });

  describe('a health check', () => {
    test.each([
      ['LOCAL', LOCAL],
      ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n')],
    ])('by %s is greeted, and cannot log in with the right secret', async (_, header) => {
      const reached = setting.upstream.connections.total;
      await using client = await tlsClient(setting, header);
      for (const tag of ['a', 'b', 'c', 'd']) {
        await client.send(`${tag} LOGIN alice ${setting.password}\r\n`);
        await client.expect(`${tag} NO [UNAVAILABLE] Temporarily unavailable, try again later`);
      }
      await client.send('e LOGOUT\r\n');
      await client.expect('* BYE Logging out');
      await client.expect('e OK Done');
      await client.closed();
      expect(lastLogin()).toMatchObject({
        verdict: 'unavailable',
        reason: 'health_check',
        client: BALANCER,
        user: null,
      });
      expect(setting.upstream.connections.total).toBe(reached);
    });

    test('that closes without a word is counted, and nothing to warn of', async () => {
      const client = await fromBalancer(setting.ports.imaps);
      client.end();
      await client.closed();
      await setting.metricIs(1, 'postern_proxy_headers_refused_total', {
        listener: 'imaps',
        kind: 'closed_silently',
      });
      expect(refusedHeaders('closed_silently')[0]).toMatchObject({ level: 'debug' });
    });
  });

  describe('refused', () => {
    const MARK = 'content that belongs in no log';
    test.each([
      ['missing', 'imap', `a LOGIN alice "${MARK}"\r\n`],
      ['missing', 'imaps', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
      ['malformed', 'imap', `PROXY TCP4 ${MARK}\r\n`],
      ['malformed', 'imaps', `PROXY TCP5 192.0.2.7 ${'x'.repeat(100)}`],
      ['malformed', 'imaps', `${LOCAL.toString('latin1', 0, 12)}\x23\x00\x00\x00`],
      [
        'checksum',
        'imaps',
        `${v2('192.0.2.7').toString('latin1').replace('\x00\x0c', '\x00\x13')}\x03\x00\x04abcd`,
      ],
      ['second', 'imap', `${v1('192.0.2.7')}${v1('192.0.2.8')}`],
      ['second', 'imaps', `${v2('192.0.2.7').toString('latin1')}${v2('192.0.2.8').toString('latin1')}`],
    ] as const)('from the balancer, %s on %s: %j', async (kind, listener, text) => {
      const before = refusedHeaders(kind).length;
      const client = await fromBalancer(setting.ports[listener]);
      await client.send(Buffer.from(text, 'latin1'));
      if (kind === 'second' && listener === 'imap') await client.expect('* OK [CAPABILITY …] Postern ready');
      await client.closed();
      expect(refusedHeaders(kind)).toHaveLength(before + 1);
      const line = refusedHeaders(kind).at(-1)!;
      expect(line).toMatchObject({
        level: 'warn',
        listener,
        client: kind === 'second' ? '192.0.2.7' : BALANCER,
      });
      expect(JSON.stringify(line)).not.toContain(MARK.slice(0, 10));
    });

    test.each([
      ['imap', v1('192.0.2.7')],
      ['imap', v2('192.0.2.7')],
      ['imap', LOCAL],
      ['imaps', v1('192.0.2.7')],
      ['imaps', v2('192.0.2.7')],
      ['imaps', LOCAL],
    ] as const)('from anybody else, on %s', async (listener, header) => {
      const before = refusedHeaders('untrusted').length;
      const client = await connect({ port: setting.ports[listener], localAddress: '127.0.0.3' });
      await client.send(header);
      if (listener === 'imap') await client.expect('* OK [CAPABILITY …] Postern ready');
      await client.closed();
      expect(refusedHeaders('untrusted')).toHaveLength(before + 1);
      expect(refusedHeaders('untrusted').at(-1)).toMatchObject({ client: '127.0.0.3' });
    });

    test.each([v1('192.0.2.7'), v2('192.0.2.7')])('from anybody else, octet by octet, %#', async (header) => {
      const before = refusedHeaders('untrusted').length;
      const client = await connect({ port: setting.ports.imap, localAddress: '127.0.0.3' });
      await client.expect('* OK [CAPABILITY …] Postern ready');
      for (const octet of header.subarray(0, 12)) {
        if (client.socket.destroyed) break;
        client.socket.write(Buffer.from([octet]));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      // The empty lines of version 2's signature are commands as long as nobody knows better.
      await expect.poll(() => client.socket.destroyed).toBe(true);
      expect(refusedHeaders('untrusted')).toHaveLength(before + 1);
    });

    test.each(['P', '\r\n', 'PROX'])('not a command that begins with %j', async (start) => {
      const before = refusedHeaders('untrusted').length;
      const client = await connect({ port: setting.ports.imap, localAddress: '127.0.0.3' });
      await client.expect('* OK [CAPABILITY …] Postern ready');
      await client.send(start);
      await new Promise((resolve) => setTimeout(resolve, 20));
      await client.send(`${start === '\r\n' ? 'a' : '1'} NOOP\r\n`);
      await client.expectUntil(/^(a|P1|PROX1) OK Done$/);
      expect(refusedHeaders('untrusted')).toHaveLength(before);
      client.reset();
    });

    test('and what is refused is counted', async () => {
      await setting.metricIs(3, 'postern_proxy_headers_refused_total', {
        listener: 'imaps',
        kind: 'untrusted',
      });
    });
  });

  test('a client that is no balancer logs in without a header', async () => {
    const { ca } = await pki();
    await using client = await connect({ port: setting.ports.imaps, tls: true, ca: ca.cert });
    await client.expect('* OK [CAPABILITY …] Postern ready');
    await client.send(`a LOGIN alice ${setting.password}\r\n`);
    await client.expect('a OK …');
    expect(lastLogin()).toMatchObject({ client: '127.0.0.1' });
    expect(lastLogin()).not.toHaveProperty('balancer');
  });

  test('a balancer that is silent, or slow, is cut off after 5 s', async () => {
    const startedAt = performance.now();
    const silent = await connect({ port: setting.ports.imap, localAddress: BALANCER });
    const slow = await connect({ port: setting.ports.imaps, localAddress: BALANCER });
    const trickle = setInterval(() => slow.socket.write('PROXY UNKNOWN '.charAt(sent++)), 500);
    let sent = 0;
    await Promise.all([silent.closed(), slow.closed()]);
    clearInterval(trickle);
    expect(performance.now() - startedAt).toBeGreaterThan(4900);
    expect(refusedHeaders('late')).toHaveLength(2);
  });

  test('resets in the middle of the header, at every octet of it, change nothing for others', async () => {
    const headers = [v1('192.0.2.7'), v2('192.0.2.7')];
    for (const header of headers) {
      for (let octets = 0; octets <= header.length; octets++) {
        const client = await fromBalancer(setting.ports[octets % 2 === 0 ? 'imap' : 'imaps']);
        await client.send(header.subarray(0, octets));
        client.reset();
      }
    }
    await setting.metricIs(0, 'postern_connections', {});
    await using client = await tlsClient(setting, v2('192.0.2.7'));
    await client.send(`a LOGIN alice ${setting.password}\r\n`);
    await client.expect('a OK …');
  });
});

describe('limits fall on the client, not on the balancer', () => {
  test('connections per network', async () => {
    await using setting = await startBehindBalancer('limits: { perNetwork: 2 }');
    await using stack = new AsyncDisposableStack();
    const logIn = async (address: string) => {
      const client = stack.use(await tlsClient(setting, v2(address)));
      await client.send(`a LOGIN alice ${setting.password}\r\n`);
      await client.expect('a OK …');
      return client;
    };
    const first = await logIn('192.0.2.1');
    await logIn('192.0.2.1');
    await logIn('192.0.2.2');
    await logIn('192.0.2.2');
    for (const header of [LOCAL, LOCAL, LOCAL]) stack.use(await tlsClient(setting, header));

    const third = await fromBalancer(setting.ports.imaps);
    await third.send(v2('192.0.2.1'));
    await third.closed();
    expect(setting.events('connection_rejected')).toMatchObject([
      { client: '192.0.2.1', limit: 'perNetwork' },
    ]);

    first.socket.destroy();
    await setting.metricIs(6, 'postern_connections', {});
    await logIn('192.0.2.1');
  });

  test('connections before login, also while headers are awaited', async () => {
    await using setting = await startBehindBalancer('limits: { beforeLogin: 2 }');
    const clients: Transcript[] = [];
    for (let i = 0; i < 3; i++) clients.push(await fromBalancer(setting.ports.imaps));
    const open = () => clients.filter(({ socket }) => !socket.destroyed);
    await expect.poll(() => open().length).toBe(2);
    expect(setting.events('connection_rejected')).toMatchObject([{ client: BALANCER, limit: 'beforeLogin' }]);
    for (const client of clients) client.reset();
    await setting.metricIs(0, 'postern_connections', {});
    await using _client = await tlsClient(setting, v2('192.0.2.1'));
  });

  test('blocks for guessing', async () => {
    await using setting = await startBehindBalancer(
      'throttle: { failureDelay: 10ms, network: { distinct: 2, window: 1h, block: 1h } }',
    );
    const guess = async (header: Buffer, secret: string) => {
      await using client = await tlsClient(setting, header);
      await client.send(`a LOGIN alice ${secret}\r\n`);
      return (await client.expect(/^a NO \[(\w+)\]/))[1];
    };
    const wrong = (letter: string) => letter.repeat(16);
    // Without a client it counts for nobody.
    for (const letter of 'abcdefg') expect(await guess(LOCAL, wrong(letter))).toBe('UNAVAILABLE');
    expect(await guess(v2(BALANCER), wrong('a'))).toBe('AUTHENTICATIONFAILED');

    const heard = [];
    for (const letter of 'abcd') heard.push(await guess(v2('192.0.2.1'), wrong(letter)));
    expect(heard.at(-1)).toBe('LIMIT');
    expect(await guess(v2('192.0.2.2'), wrong('a'))).toBe('AUTHENTICATIONFAILED');
    expect(await guess(v2(BALANCER), wrong('a'))).toBe('AUTHENTICATIONFAILED');
  });
});

test('a stop does not wait for headers', async () => {
  const setting = await startBehindBalancer();
  const client = await fromBalancer(setting.ports.imap);
  await setting.metricIs(1, 'postern_connections', { listener: 'imap' });
  await setting[Symbol.asyncDispose]();
  await client.closed();
  // It was not the header's deadline.
  expect(setting.events('proxy_header_refused').filter(({ kind }) => kind === 'late')).toEqual([]);
});

/** Passes connections on from BALANCER, each with `header` before it. */
async function startBalancer(
  to: number,
  header: Buffer,
  how: 'together' | 'octet by octet',
): Promise<{ port: number } & AsyncDisposable> {
  const port = await freePort();
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (client) => {
    const postern = connectTcp({ port: to, host: '127.0.0.1', localAddress: BALANCER, noDelay: true });
    for (const socket of [client, postern]) {
      sockets.add(socket);
      socket.on('error', () => {});
    }
    postern.pipe(client);
    client.once('data', (first: Buffer) => {
      client.pause();
      const all = Buffer.concat([header, first]);
      const pieces = how === 'together' ? [all] : [...all].map((octet) => Buffer.from([octet]));
      const next = () => {
        const piece = pieces.shift();
        if (piece !== undefined) postern.write(piece, () => setImmediate(next));
        else client.pipe(postern);
      };
      next();
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
