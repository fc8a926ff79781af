import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { type Splice, type SpliceResult, splice } from '../../../src/upstream/splice.ts';
import { SpliceSweep, sweepOf } from '../../../src/upstream/splice-sweep.ts';
import { comesToRest } from '../../support/patience.ts';
import { type Issued, issue, makeCa } from './certificates.ts';

const HOUR = 3_600_000;
let issued: Issued;
const sockets: Socket[] = [];

beforeAll(async () => {
  issued = await issue(await makeCa('the CA'), { ip: '127.0.0.1' });
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

type Kind = 'plain' | 'tls';

interface Connection {
  /** The end that the test speaks through. */
  far: Socket;
  /** The end that is spliced. */
  near: Socket;
  /** Resets the connection from the far end. */
  reset: () => void;
}

async function connection(kind: Kind): Promise<Connection> {
  const options = { allowHalfOpen: true, noDelay: true };
  const server =
    kind === 'plain'
      ? createServer(options)
      : createTlsServer({ ...options, key: issued.key, cert: issued.cert });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const to = { host: '127.0.0.1', port: (server.address() as { port: number }).port, allowHalfOpen: true };
  const raw = connect(to);
  const far = kind === 'plain' ? raw : tlsConnect({ socket: raw, rejectUnauthorized: false });
  const [near] = await once(server, kind === 'plain' ? 'connection' : 'secureConnection');
  server.close();
  sockets.push(far, near);
  far.on('error', () => {});
  return { far, near, reset: () => raw.resetAndDestroy() };
}

interface Joined {
  /** Far ends. */
  client: Socket;
  upstream: Socket;
  /** The ends that are spliced. */
  near: { client: Socket; upstream: Socket };
  reset: { client: () => void; upstream: () => void };
  splice: Splice<'revoked'>;
  ended: Promise<SpliceResult<'revoked'>>;
  ends: SpliceResult<'revoked'>[];
  sweep: SpliceSweep;
  time: { at: number };
}

async function joined(
  client: Kind = 'plain',
  upstream: Kind = 'plain',
  before?: (ends: { client: Socket; upstream: Socket; near: Joined['near'] }) => Promise<void> | void,
): Promise<Joined> {
  const [c, u] = await Promise.all([connection(client), connection(upstream)]);
  const near = { client: c.near, upstream: u.near };
  await before?.({ client: c.far, upstream: u.far, near });
  const time = { at: 1000 };
  const clock = { now: () => time.at, monotonic: () => time.at };
  const sweep = new SpliceSweep(clock);
  const { promise: ended, resolve } = Promise.withResolvers<SpliceResult<'revoked'>>();
  const ends: SpliceResult<'revoked'>[] = [];
  const made = splice<'revoked'>(c.near, u.near, {
    idle: HOUR,
    clock,
    sweep,
    onEnd: (result) => {
      ends.push(result);
      resolve(result);
    },
  });
  return {
    client: c.far,
    upstream: u.far,
    near,
    reset: { client: c.reset, upstream: u.reset },
    splice: made,
    ended,
    ends,
    sweep,
    time,
  };
}

/** All that arrives until the other end has said its last. */
async function all(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function line(socket: Socket): Promise<string> {
  const [chunk] = await once(socket, 'data');
  return String(chunk);
}

const closed = (socket: Socket) =>
  socket.closed ? undefined : new Promise<void>((resolve) => socket.once('close', () => resolve()));

const pairs: [Kind, Kind][] = [
  ['plain', 'plain'],
  ['tls', 'plain'],
  ['tls', 'tls'],
];

describe.each(pairs)('%s client, %s upstream', (client, upstream) => {
  test('20 MB each way, at once, arrive as they were sent, and are counted', async () => {
    const s = await joined(client, upstream);
    const up = randomBytes(20_000_000);
    const down = randomBytes(20_000_123);
    s.client.end(up);
    s.upstream.end(down);
    const [atUpstream, atClient] = await Promise.all([all(s.upstream), all(s.client)]);
    expect(atUpstream.equals(up)).toBe(true);
    expect(atClient.equals(down)).toBe(true);
    const result = await s.ended;
    expect(result).toMatchObject({ bytesToUpstream: up.length, bytesToClient: down.length });
    expect(result.reason).toMatch(/_closed$/);
  });

  test('a client that closes its side still gets the rest of the answer', async () => {
    const s = await joined(client, upstream);
    s.client.end('LOGOUT');
    expect(String(await all(s.upstream))).toBe('LOGOUT');
    const answer = randomBytes(3_000_000);
    s.upstream.end(answer);
    expect((await all(s.client)).equals(answer)).toBe(true);
    expect(await s.ended).toEqual({
      reason: 'client_closed',
      bytesToUpstream: 6,
      bytesToClient: answer.length,
    });
    await Promise.all([closed(s.near.client), closed(s.near.upstream)]);
  });

  test('an upstream that says goodbye and closes: the goodbye arrives, then the end', async () => {
    const s = await joined(client, upstream);
    s.upstream.end('* BYE');
    expect(String(await all(s.client))).toBe('* BYE');
    expect(s.ends).toEqual([]);
    s.client.end();
    expect(await s.ended).toEqual({ reason: 'upstream_closed', bytesToUpstream: 0, bytesToClient: 5 });
  });

  test('an upstream that closes while the client still has 10 MB to read: all of it arrives', async () => {
    const s = await joined(client, upstream);
    const literal = randomBytes(10_000_000);
    s.upstream.end(literal);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await all(s.client)).equals(literal)).toBe(true);
  });

  test.each(['client', 'upstream'] as const)('a reset of the %s destroys the other side', async (side) => {
    const s = await joined(client, upstream);
    s.client.write('a');
    await line(s.upstream);
    const other = side === 'client' ? s.upstream : s.client;
    other.resume();
    s.reset[side]();
    await new Promise<void>((over) => other.once('end', () => over()).once('close', () => over()));
    expect((await s.ended).reason).toBe(`${side}_error`);
    expect([s.near.client.destroyed, s.near.upstream.destroyed]).toEqual([true, true]);
    expect(s.ends).toHaveLength(1);
  });

  test('a client that does not read stops the upstream: 200 MB wait there and not in memory', async () => {
    const s = await joined(client, upstream);
    const chunk = Buffer.alloc(65_536, 'x');
    let left = 3200;
    let most = 0;
    s.client.pause();
    const watching = setInterval(() => {
      const { client: c, upstream: u } = s.near;
      most = Math.max(most, c.writableLength + c.readableLength + u.writableLength + u.readableLength);
    }, 1);
    // Only as much as this process must hold to send it.
    const write = () => {
      let more = true;
      for (; left > 0 && more; left--) more = s.upstream.write(chunk);
    };
    s.upstream.on('drain', write);
    const rss = process.memoryUsage.rss();
    write();
    await comesToRest(() => s.splice.bytesToClient);
    expect(left).toBeGreaterThan(2500);
    expect(most).toBeLessThan(400_000);
    expect(process.memoryUsage.rss() - rss).toBeLessThan(60_000_000);
    // And when it reads again, all the rest comes.
    let got = 0;
    s.client.on('data', (data) => {
      got += data.length;
    });
    s.client.resume();
    while (got < 3200 * 65_536) await once(s.client, 'data');
    clearInterval(watching);
    expect(got).toBe(3200 * 65_536);
    expect(most).toBeLessThan(400_000);
  });

  test('what was read too far before the splice goes first, in order', async () => {
    const s = await joined(client, upstream, async (ends) => {
      const { near } = ends;
      // The protocol read through 'data', paused, and gives back what was behind the login.
      ends.client.write('LOGIN pipelined 1 ');
      await line(near.client);
      near.client.pause();
      near.client.unshift(Buffer.from('pipelined 1 '));
      ends.client.write('pipelined 2 ');
      // The upstream's dialogue read through 'readable'.
      ends.upstream.write('OK more 1 ');
      await once(near.upstream, 'readable');
      const read: Buffer = near.upstream.read();
      near.upstream.unshift(read.subarray(3));
      ends.upstream.write('more 2 ');
      await new Promise((resolve) => setTimeout(resolve, 30));
    });
    s.client.end('the end');
    s.upstream.end('the end');
    const [atUpstream, atClient] = await Promise.all([all(s.upstream), all(s.client)]);
    expect(String(atUpstream)).toBe('pipelined 1 pipelined 2 the end');
    expect(String(atClient)).toBe('more 1 more 2 the end');
    expect(await s.ended).toMatchObject({ bytesToUpstream: 31, bytesToClient: 21 });
  });
});

test('any split of the bytes, written in any rhythm, arrives the same', async () => {
  const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 100_000, size: 'max' }), {
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(chunks, chunks, fc.boolean(), async (up, down, tls) => {
      const s = await joined(tls ? 'tls' : 'plain', 'plain');
      const send = async (to: Socket, what: Uint8Array[]) => {
        for (const [n, chunk] of what.entries()) {
          to.write(chunk);
          if (n % 3 === 0) await new Promise(setImmediate);
        }
        to.end();
      };
      const hash = (parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest('hex');
      const [atUpstream, atClient] = await Promise.all([
        all(s.upstream),
        all(s.client),
        send(s.client, up),
        send(s.upstream, down),
      ]);
      expect(hash([atUpstream])).toBe(hash(up));
      expect(hash([atClient])).toBe(hash(down));
      await s.ended;
      for (const socket of sockets.splice(0)) socket.destroy();
    }),
    { numRuns: 25 },
  );
});

test('an end from outside destroys both sides before it returns, and tells its reason once', async () => {
  const s = await joined('tls', 'plain');
  s.client.write('abc');
  await line(s.upstream);
  s.splice.end('revoked');
  expect(s.ends).toEqual([{ reason: 'revoked', bytesToUpstream: 3, bytesToClient: 0 }]);
  expect([s.near.client.destroyed, s.near.upstream.destroyed]).toEqual([true, true]);
  s.splice.end('revoked');
  s.client.resume();
  s.upstream.resume();
  await Promise.all([closed(s.near.client), closed(s.near.upstream), once(s.client, 'end')]);
  expect(s.ends).toHaveLength(1);
  expect(s.sweep.size).toBe(0);
});

test('a session without a byte for `idle` is ended, one with a byte is not', async () => {
  const s = await joined();
  s.time.at += HOUR - 1;
  s.sweep.look();
  expect(s.ends).toEqual([]);
  s.upstream.write('* 1 EXISTS');
  await line(s.client);
  s.time.at += 1000;
  s.sweep.look();
  s.time.at += HOUR - 1;
  s.sweep.look();
  expect(s.ends).toEqual([]);
  s.time.at += 1;
  s.sweep.look();
  expect(s.ends).toEqual([{ reason: 'idle', bytesToUpstream: 0, bytesToClient: 10 }]);
  expect(s.near.client.destroyed && s.near.upstream.destroyed).toBe(true);
});

test('a half-closed session without progress is ended after 60 s, also if it was idle before', async () => {
  const s = await joined();
  s.time.at += HOUR - 1;
  s.client.end();
  await all(s.upstream);
  s.sweep.look();
  s.time.at += 59_999;
  s.sweep.look();
  expect(s.ends).toEqual([]);
  s.time.at += 1;
  s.sweep.look();
  expect(s.ends[0]?.reason).toBe('client_closed');
  expect(s.near.client.destroyed && s.near.upstream.destroyed).toBe(true);
});

test('a half-closed session that goes on is left alone', async () => {
  const s = await joined();
  s.client.end();
  for (let n = 0; n < 5; n++) {
    s.upstream.write(`part ${n}`);
    expect(await line(s.client)).toBe(`part ${n}`);
    s.time.at += 50_000;
    s.sweep.look();
  }
  expect(s.ends).toEqual([]);
});

test('a half-closed session whose client still takes what was written is left alone', async () => {
  const s = await joined('plain', 'plain', ({ client, near }) => {
    client.pause();
    near.client.write(Buffer.alloc(20_000_000));
    near.client.write(Buffer.alloc(20_000_000));
  });
  s.upstream.end();
  await once(s.near.upstream, 'end');
  s.sweep.look();
  s.time.at += 50_000;
  let got = 0;
  while (got < 25_000_000) {
    const [chunk] = await once(s.client.resume(), 'data');
    s.client.pause();
    got += chunk.length;
  }
  s.sweep.look();
  s.time.at += 50_000;
  s.sweep.look();
  expect(s.ends).toEqual([]);
  s.time.at += 10_000;
  s.sweep.look();
  expect(s.ends[0]?.reason).toBe('upstream_closed');
});

test('a client that vanishes with the upstream’s last bytes unread does not hold the session for ever', async () => {
  const s = await joined('plain', 'plain');
  s.client.pause();
  s.upstream.end(Buffer.alloc(30_000_000));
  await comesToRest(() => s.splice.bytesToClient);
  s.sweep.look();
  s.time.at += HOUR;
  s.sweep.look();
  expect(s.ends).toHaveLength(1);
  expect(s.near.client.destroyed && s.near.upstream.destroyed).toBe(true);
});

test.each(['client', 'upstream'] as const)(
  'a %s that was over before the splice began ends it',
  async (side) => {
    for (const how of ['destroyed', 'reset', 'ended'] as const) {
      const s = await joined('plain', 'plain', async (ends) => {
        const near = ends.near[side];
        near.on('error', () => {});
        near.resume();
        if (how === 'destroyed') near.destroy();
        else if (how === 'reset') ends[side].resetAndDestroy();
        else ends[side].end();
        await new Promise<void>((done) => near.once(how === 'ended' ? 'end' : 'close', () => done()));
      });
      const other = side === 'client' ? s.upstream : s.client;
      other.resume();
      if (how === 'ended') {
        await once(other, 'end');
        other.end();
      }
      expect((await s.ended).reason).toBe(how === 'reset' ? `${side}_error` : `${side}_closed`);
      await closed(s.near.client);
      await closed(s.near.upstream);
    }
  },
);

test('no handler of the splice is left on a socket, and an error that comes late is nobody’s', async () => {
  const events = ['data', 'end', 'drain', 'close', 'error'] as const;
  let before: number[] = [];
  const count = (socket: Socket) => events.map((event) => socket.listenerCount(event));
  const s = await joined('tls', 'plain', ({ near }) => {
    before = count(near.client);
  });
  expect(count(s.near.client)).toEqual(before.map((n) => n + 1));
  s.splice.end('revoked');
  expect(count(s.near.client)).toEqual(before.map((n, i) => (events[i] === 'error' ? n + 1 : n)));
  s.near.client.emit('error', new Error('late'));
});

test('thousands of pauses leave no handlers behind', async () => {
  const s = await joined('tls', 'plain');
  const before = s.near.client.listenerCount('drain');
  s.upstream.end(Buffer.alloc(50_000_000));
  let got = 0;
  for await (const chunk of s.client) got += (chunk as Buffer).length;
  expect(got).toBe(50_000_000);
  expect(s.near.client.listenerCount('drain')).toBeLessThanOrEqual(before);
});

test('sockets that give text are refused', async () => {
  const { near } = await connection('plain');
  const other = await connection('plain');
  near.setEncoding('utf8');
  expect(() => splice(near, other.near, { idle: HOUR, clock: systemClock, onEnd: () => {} })).toThrow(
    TypeError,
  );
});

test('all splices on one clock share a sweep, and its timer is gone with the last of them', async () => {
  expect(sweepOf(systemClock)).toBe(sweepOf(systemClock));
  const [c, u] = await Promise.all([connection('plain'), connection('plain')]);
  const ended = new Promise<SpliceResult>((onEnd) => {
    splice(c.near, u.near, { idle: 1, clock: systemClock, onEnd });
  });
  expect(sweepOf(systemClock).size).toBe(1);
  expect((await ended).reason).toBe('idle');
  expect(sweepOf(systemClock).size).toBe(0);
});
