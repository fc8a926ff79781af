import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import type { UpstreamAddress } from '../../../src/upstream/address.ts';
import { type ConnectionFacts, connectUpstream, type DialOptions } from '../../../src/upstream/dial.ts';
import {
  PlaintextBeforeTlsError,
  UpstreamCertificateError,
  UpstreamDeadlineError,
  UpstreamUnreachableError,
} from '../../../src/upstream/errors.ts';
import type { UpstreamTarget } from '../../../src/upstream/target.ts';
import { startTls } from '../../../src/upstream/tls.ts';
import { type Issued, issue, makeCa } from './certificates.ts';

let ca: Issued;
let otherCa: Issued;
let right: Issued;
const closing: (() => void)[] = [];

beforeAll(async () => {
  ca = await makeCa('the CA');
  otherCa = await makeCa('another CA');
  right = await issue(ca, { dns: 'localhost', ip: '127.0.0.1' });
});

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A server that does `serve` with each connection. */
async function listening(server: Server): Promise<UpstreamAddress> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port };
}

const plainServer = (serve: (socket: Socket) => void) => listening(createServer(serve));

const tlsServer = (issued: Issued, options = {}) =>
  listening(
    createTlsServer({ key: issued.key, cert: issued.cert, ...options }, (socket) => {
      socket.on('error', () => {});
      socket.write('* OK hello\r\n');
    }).on('tlsClientError', () => {}),
  );

/** A port on which nothing listens. */
async function refusedPort(): Promise<UpstreamAddress> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return { host: '127.0.0.1', port };
}

function target(addresses: UpstreamAddress[], more: Partial<UpstreamTarget> = {}): UpstreamTarget {
  return {
    name: 'dovecot',
    addresses,
    tls: 'implicit',
    ca: ca.cert,
    serverName: null,
    fingerprint: null,
    connectDeadline: 60_000,
    ...more,
  };
}

const seen: { socket?: Socket } = {};

async function greeting(socket: Socket): Promise<{ socket: Socket; line: string }> {
  seen.socket = socket;
  const [chunk] = await once(socket, 'data');
  return { socket, line: String(chunk) };
}

async function dial(upstream: UpstreamTarget, options: Partial<DialOptions> = {}) {
  const opened = await connectUpstream(upstream, greeting, { clock: systemClock, ...options });
  closing.push(() => opened.socket.destroy());
  return opened;
}

/** What the first address failed with. */
async function failure(upstream: UpstreamTarget): Promise<Error> {
  const thrown = await dial(upstream).then(
    () => new Error('it connected'),
    (error) => error,
  );
  expect(thrown).toBeInstanceOf(UpstreamUnreachableError);
  return (thrown as UpstreamUnreachableError).failures[0]?.error as Error;
}

test('implicit TLS: the certificate is verified against the private CA and the address’s host', async () => {
  const address = await tlsServer(right);
  for (const host of ['127.0.0.1', 'localhost']) {
    const facts: ConnectionFacts[] = [];
    const opened = await connectUpstream(
      target([{ ...address, host }]),
      async (socket, f) => {
        facts.push(f);
        return greeting(socket);
      },
      { clock: systemClock },
    );
    closing.push(() => opened.socket.destroy());
    expect(opened.line).toBe('* OK hello\r\n');
    expect((opened.socket as TLSSocket).authorized).toBe(true);
    expect(opened.socket.allowHalfOpen).toBe(true);
    expect(facts).toEqual([{ address: { ...address, host }, encrypted: true, remoteAddress: '127.0.0.1' }]);
  }
});

test('a server name stands in for the host, and is sent as SNI', async () => {
  const named = await issue(ca, { dns: 'imap.internal' });
  const names: (string | false | null)[] = [];
  const server = createTlsServer({ key: named.key, cert: named.cert }, (socket) => {
    names.push(socket.servername);
    socket.on('error', () => {});
    socket.write('hello');
  });
  const address = await listening(server);
  expect((await dial(target([address], { serverName: 'imap.internal' }))).line).toBe('hello');
  expect(names).toEqual(['imap.internal']);
});

test.each<[string, string, () => Promise<Issued>, RegExp]>([
  ['expired', 'expired', () => issue(ca, { ip: '127.0.0.1', days: [-10, -1] }), /expired/],
  ['not yet valid', 'not_yet_valid', () => issue(ca, { ip: '127.0.0.1', days: [1, 10] }), /not valid yet/],
  [
    'for another name',
    'wrong_name',
    () => issue(ca, { dns: 'elsewhere.example' }),
    /another name than 127\.0\.0\.1: DNS:elsewhere\.example/,
  ],
  ['of an unknown CA', 'unknown_ca', () => issue(otherCa, { ip: '127.0.0.1' }), /unknown CA/],
  ['self-signed', 'unknown_ca', () => issue(null, { ip: '127.0.0.1' }), /self-signed/],
])('a certificate that is %s is refused, and the operator is told so', async (_, fault, make, words) => {
  const error = await failure(target([await tlsServer(await make())]));
  expect(error).toBeInstanceOf(UpstreamCertificateError);
  expect((error as UpstreamCertificateError).fault).toBe(fault);
  expect(error.message).toMatch(words);
});

test('the system’s CAs do not vouch for a private one', async () => {
  const error = await failure(target([await tlsServer(right)], { ca: null }));
  expect((error as UpstreamCertificateError).fault).toBe('unknown_ca');
});

test('a pinned fingerprint accepts that certificate, whoever signed it, and no other', async () => {
  const expired = await issue(otherCa, { dns: 'x.example', days: [-10, -1] });
  const address = await tlsServer(expired);
  const { fingerprint256 } = new X509Certificate(expired.cert);
  for (const fingerprint of [fingerprint256, fingerprint256.toLowerCase().replaceAll(':', '')]) {
    expect((await dial(target([address], { fingerprint, ca: null }))).line).toBe('* OK hello\r\n');
  }
  const fingerprint = new X509Certificate(right.cert).fingerprint256;
  const error = await failure(target([address], { fingerprint, ca: null }));
  expect((error as UpstreamCertificateError).fault).toBe('wrong_fingerprint');
  // A good certificate of the right CA does not help where another one is pinned.
  const other = await failure(target([await tlsServer(right)], { fingerprint: fingerprint256 }));
  expect((other as UpstreamCertificateError).fault).toBe('wrong_fingerprint');
});

test('TLS 1.1 is refused', async () => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
  const error = await failure(target([await tlsServer(right, old)]));
  expect((error as NodeJS.ErrnoException).code).toMatch(/PROTOCOL/);
});

test('a silent server is given up at the deadline', async () => {
  const upstream = target([await plainServer(() => {})], { tls: 'none', connectDeadline: 100 });
  const error = await failure(upstream);
  expect(error).toBeInstanceOf(UpstreamDeadlineError);
  expect(error.message).toBe('no greeting within 0.1 s');
  expect(seen.socket?.destroyed).toBe(true);
});

test('a TLS handshake that stalls is given up at the deadline', async () => {
  const closed: Promise<unknown>[] = [];
  const address = await plainServer((socket) => {
    socket.resume();
    closed.push(once(socket, 'close'));
  });
  const error = await failure(target([address], { connectDeadline: 100 }));
  expect(error.message).toBe('no TLS handshake within 0.1 s');
  await Promise.all(closed);
  expect(closed).toHaveLength(1);
});

test('a server without TLS on the TLS port is a failure in words', async () => {
  const address = await plainServer((socket) => socket.write('* OK plain IMAP here\r\n'));
  await expect(dial(target([address]))).rejects.toThrow(/: no TLS is spoken there/);
});

test.each(['none', 'implicit'] as const)('a server that resets at once, tls: %s', async (tls) => {
  const address = await plainServer((socket) => socket.resetAndDestroy());
  const error = await failure(target([address], { tls }));
  expect((error as NodeJS.ErrnoException).code).toBe('ECONNRESET');
});

test('a server that resets during the greeting is noticed though `open` watches for nothing', async () => {
  const server = createTlsServer({ key: right.key, cert: right.cert });
  const raw: Socket[] = [];
  server.on('connection', (socket) => raw.push(socket));
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {});
    setTimeout(() => raw[0]?.resetAndDestroy(), 20);
  });
  const upstream = target([await listening(server)]);
  const never = connectUpstream(upstream, () => new Promise<never>(() => {}), { clock: systemClock });
  await expect(never).rejects.toThrow(/connection (reset|closed)/);
});

test('addresses are tried in turn, and each outcome is reported', async () => {
  const refused = await refusedPort();
  const good = await tlsServer(right);
  const events: string[] = [];
  const opened = await dial(target([refused, good, refused]), {
    onFailed: (address, error) => events.push(`${address.port} ${(error as NodeJS.ErrnoException).code}`),
    onConnected: (address, seconds) => events.push(`${address.port} ${seconds >= 0 && seconds < 60}`),
  });
  expect(opened.line).toBe('* OK hello\r\n');
  expect(events).toEqual([`${refused.port} ECONNREFUSED`, `${good.port} true`]);
});

test('when none can be used, the error says what was wrong with each', async () => {
  const refused = await refusedPort();
  const expired = await tlsServer(await issue(ca, { ip: '127.0.0.1', days: [-10, -1] }));
  await expect(dial(target([refused, expired]))).rejects.toThrow(
    `upstream dovecot cannot be reached: 127.0.0.1:${refused.port}: connection refused; ` +
      `127.0.0.1:${expired.port}: its certificate, or one that it depends on, has expired`,
  );
});

test('a greeting that `open` rejects makes the next address be tried, and its socket is destroyed', async () => {
  const bye = await plainServer((socket) => socket.write('* BYE busy\r\n'));
  const good = await plainServer((socket) => socket.write('* OK\r\n'));
  const sockets: Socket[] = [];
  const line = await connectUpstream(
    target([bye, good], { tls: 'none' }),
    async (socket) => {
      sockets.push(socket);
      const { line } = await greeting(socket);
      if (!line.startsWith('* OK')) throw new Error('it said BYE');
      return line;
    },
    { clock: systemClock },
  );
  closing.push(() => sockets[1]?.destroy());
  expect(line).toBe('* OK\r\n');
  expect(sockets.map((s) => s.destroyed)).toEqual([true, false]);
});

test('an abort destroys the socket at once, tries no other address and blames no upstream', async () => {
  const silent = await plainServer(() => {});
  const abort = new AbortController();
  const failed: UpstreamAddress[] = [];
  const dialling = dial(target([silent, silent], { tls: 'none' }), {
    signal: abort.signal,
    onFailed: (address) => failed.push(address),
  });
  setTimeout(() => abort.abort(new Error('the client is gone')), 50);
  await expect(dialling).rejects.toThrow('the client is gone');
  expect(seen.socket?.destroyed).toBe(true);
  expect(failed).toEqual([]);
  await expect(dial(target([silent]), { signal: abort.signal })).rejects.toThrow('the client is gone');
});

test.each(['none', 'implicit'] as const)(
  'after success nothing that was needed to connect is held by the socket, tls: %s',
  async (tls) => {
    const upstream = target(
      [
        tls === 'none'
          ? await plainServer((socket) => socket.write('* OK hello\r\n'))
          : await tlsServer(right),
      ],
      { tls },
    );
    const { socket } = await connectUpstream(upstream, greeting, { clock: systemClock });
    // Those that are left do nothing, and are the same function for every socket.
    const { socket: other } = await connectUpstream(upstream, greeting, { clock: systemClock });
    expect(socket.listeners('error').length).toBeGreaterThan(0);
    for (const handler of socket.listeners('error')) expect(other.listeners('error')).toContain(handler);
    socket.destroy();
    other.destroy();
  },
);

test('after success an error on a socket without a handler of its own does not end the process', async () => {
  const { socket } = await dial(target([await tlsServer(right)]));
  socket.destroy(new Error('after the dial'));
  await new Promise((closed) => socket.once('close', closed));
  expect(socket.errored?.message).toBe('after the dial');
});

/** A server that upgrades on `go`, having sent `with` along with its answer. */
const upgrading = (extra: string) =>
  plainServer((socket) => {
    socket.write('* OK\r\n');
    socket.once('data', () => {
      socket.write(`go on\r\n${extra}`);
      const secure = new TLSSocket(socket, { isServer: true, key: right.key, cert: right.cert });
      secure.on('error', () => {});
      secure.write('secure hello');
    });
  });

async function upgrade(socket: Socket, upstream: UpstreamTarget, facts: ConnectionFacts, keepExtra = false) {
  const read = async () => {
    await once(socket, 'readable');
    return String(socket.read(keepExtra ? 7 : undefined));
  };
  await read();
  socket.write('STARTTLS\r\n');
  await read();
  const secure = await startTls(socket, upstream, facts.address);
  const [chunk] = await once(secure, 'data');
  return { socket: secure, line: String(chunk) };
}

test('STARTTLS: the protocol upgrades within `open`', async () => {
  const upstream = target([await upgrading('')], { tls: 'starttls' });
  const opened = await connectUpstream(upstream, (socket, facts) => upgrade(socket, upstream, facts), {
    clock: systemClock,
  });
  closing.push(() => opened.socket.destroy());
  expect(opened.line).toBe('secure hello');
  expect(opened.socket.authorized).toBe(true);
  expect(opened.socket.allowHalfOpen).toBe(true);
});

test('STARTTLS: plaintext left behind the answer stops it', async () => {
  const upstream = target([await upgrading('* CAPABILITY injected\r\n')], { tls: 'starttls' });
  const thrown: UpstreamUnreachableError = await connectUpstream(
    upstream,
    (socket, facts) => upgrade(socket, upstream, facts, true),
    { clock: systemClock },
  ).then(
    () => expect.unreachable(),
    (error) => error,
  );
  expect(thrown.failures[0]?.error).toBeInstanceOf(PlaintextBeforeTlsError);
});

test('STARTTLS: the deadline and an abort reach the TLS socket that `open` has started', async () => {
  for (const how of ['deadline', 'abort'] as const) {
    const upstream = target([await upgrading('')], {
      tls: 'starttls',
      connectDeadline: how === 'abort' ? 60_000 : 2000,
    });
    const abort = new AbortController();
    let secure: TLSSocket | undefined;
    const dialling = connectUpstream(
      upstream,
      async (socket, facts) => {
        secure = (await upgrade(socket, upstream, facts)).socket;
        if (how === 'abort') abort.abort(new Error('gone'));
        return new Promise<never>(() => {});
      },
      { clock: systemClock, signal: abort.signal },
    );
    await expect(dialling).rejects.toThrow(how === 'abort' ? 'gone' : 'no greeting within');
    if (secure === undefined) expect.unreachable();
    else if (!secure.closed) await once(secure, 'close');
    expect(secure?.destroyed).toBe(true);
  }
});
