// The real program at its limits: file descriptors, sessions of one user, and clients that are slow, silent or do not listen.
//
// The worst that could come in: so many connections that logins, the store or the log find no file descriptor; one that
// lasts for ever by a byte now and then; one that asks and asks and never reads an answer.

import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../support/child-process.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { type Postern, type PosternOptions, startPostern } from '../support/postern.ts';
import { type ScriptedImapUpstream, startScriptedImapUpstream } from '../support/scripted-imap-upstream.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { type ConnectOptions, connect, type Transcript } from '../support/transcript.ts';

const GREETING = '* OK [CAPABILITY …] Postern ready';

let pki: Pki;
beforeAll(async () => {
  pki = await createPki();
});
afterAll(() => pki?.[Symbol.dispose]());

interface Chain extends AsyncDisposable {
  readonly postern: Postern;
  readonly upstream: ScriptedImapUpstream;
  /** A greeted client on the TLS port. */
  client(options?: Partial<ConnectOptions>): Promise<Transcript>;
}

async function startChain(options: Partial<PosternOptions> & { sections?: string }): Promise<Chain> {
  await using started = new AsyncDisposableStack();
  const upstream = started.use(await startScriptedImapUpstream());
  const postern = started.use(
    await startPostern({
      certificate: await pki.issue(),
      files: { master: ledger('mEs8 master for limits') },
      config: `
upstreams:
  script:
    protocol: imap
    address: 127.0.0.1:${upstream.port}
    tls: none
    login: { method: plain, user: postern, passwordFile: ./master }
    capabilities: [] # it is not asked what it can do
routes:
  - { users: "*@example.com", imap: script }
${options.sections ?? ''}
`,
      ...options,
    }),
  );
  const whole = started.move();
  return {
    postern,
    upstream,
    async client(more = {}) {
      const client = await connect({ port: postern.ports.imaps, tls: true, ca: pki.ca.cert, ...more });
      await client.expect(GREETING);
      return client;
    },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** CPU time that a process has taken so far, in milliseconds (proc(5); a tick is 10 ms). */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

const openFilesOf = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;

/** Connects so many times, whoever has to be closed for it; gives the clients that are still connected once `open` are. */
async function crowd(count: number, open: number, make: () => Promise<Transcript>): Promise<Transcript[]> {
  // A connection that is closed at once may be reset while it is being made.
  const made = await Promise.all(Array.from({ length: count }, () => make().catch(() => undefined)));
  const left = () => made.filter((client) => client !== undefined && !client.socket.destroyed);
  await expect.poll(() => left().length).toBe(open);
  return left() as Transcript[];
}

describe('file descriptors', () => {
  /** (200 - 64) / 2 */
  const ROOM = 68;

  test('are kept for the sessions that there are: more connections than that are closed, and accepted again later', async () => {
    await using chain = await startChain({ openFiles: 200 });
    const { postern } = chain;
    await postern.logged(/"event":"few_file_descriptors","connections":68,"configured":10000/);
    const { password } = await postern.createPassword('alice@example.com');

    const bare = password.replaceAll(' ', '');
    const logIn = async (client: Transcript) => {
      await client.send(`a LOGIN alice ${bare}\r\n`);
      await client.expect('a OK …');
      return client;
    };
    const sessions = await Promise.all(Array.from({ length: 60 }, async () => logIn(await chain.client())));
    const others = await crowd(30, ROOM - 60, () => chain.client());
    expect(
      (await postern.metrics()).value('postern_connections_rejected_total', { limit: 'fileDescriptors' }),
    ).toBe(30 - others.length);

    // Full as it is, everyone who is in can log in, which takes a second file descriptor each.
    await Promise.all(others.map(logIn));
    expect(chain.upstream.connections.open).toBe(ROOM);
    expect(openFilesOf(postern.pid)).toBeLessThan(200);
    expect(await postern.status('/readyz')).toBe(200);
    await postern.createPassword('bob@example.com');

    for (const client of sessions.slice(0, 10)) client.reset();
    await expect.poll(async () => (await postern.metrics()).value('postern_connections')).toBe(58);
    await using _again = await logIn(await chain.client());
    // And those that were in did not notice.
    await sessions[30]!.send('b NOOP\r\n');
    await sessions[30]!.expect('b OK done');
    for (const client of [...sessions, ...others]) client.reset();
  });

  test('that run out all the same cost connections, and no spinning', async () => {
    await using chain = await startChain({});
    const { postern } = chain;
    const { password } = await postern.createPassword('alice@example.com');
    await using before = await chain.client();
    await before.send(`a LOGIN alice ${password.replaceAll(' ', '')}\r\n`);
    await before.expect('a OK …');
    const setLimit = async (limit: number) => {
      const outcome = await run('/usr/bin/prlimit', ['--pid', String(postern.pid), `--nofile=${limit}:`]);
      expect(outcome).toMatchObject({ code: 0, stderr: '' });
    };
    const unlimited = Number(
      /open files\s+(\d+)/.exec(readFileSync(`/proc/${postern.pid}/limits`, 'utf8'))?.[1],
    );
    const inUse = openFilesOf(postern.pid);
    await setLimit(inUse + 5);

    const others = await Promise.all(Array.from({ length: 40 }, () => connect({ port: postern.ports.imap })));
    await expect.poll(() => others.filter(({ socket }) => socket.destroyed).length).toBeGreaterThan(30);
    const cpu = cpuOf(postern.pid);
    await pause(1000);
    expect(cpuOf(postern.pid) - cpu).toBeLessThan(400);
    await before.send('b NOOP\r\n');
    await before.expect('b OK done');

    for (const client of others) client.reset();
    await setLimit(unlimited);
    await using after = await chain.client();
    await after.send(`a LOGIN alice ${password.replaceAll(' ', '')}\r\n`);
    await after.expect('a OK …');
  });
});

describe('sessions of one user', () => {
  test('are bounded: one more is told to try again, on the same connection too, and others are not concerned', async () => {
    await using chain = await startChain({ sections: 'limits: { perUser: 3 }' });
    const { postern } = chain;
    const alice = (await postern.createPassword('alice@example.com')).password.replaceAll(' ', '');
    const bob = (await postern.createPassword('bob@example.com')).password.replaceAll(' ', '');
    const clients = await Promise.all(Array.from({ length: 4 }, () => chain.client()));
    const [first, second, third, fourth] = clients;
    for (const client of [first, second, third]) {
      await client!.send(`a LOGIN alice ${alice}\r\n`);
      await client!.expect('a OK …');
    }
    await fourth!.send(`a LOGIN alice ${alice}\r\n`);
    await fourth!.expect('a NO [LIMIT] Too many sessions, close some or try again later');
    await postern.logged(/"verdict":"throttled","reason":"user_sessions","user":"alice@example\.com"/);
    await using bobs = await chain.client();
    await bobs.send(`a LOGIN bob ${bob}\r\n`);
    await bobs.expect('a OK …');

    first!.reset();
    await expect
      .poll(async () => (await postern.metrics()).value('postern_sessions', { protocol: 'imap' }))
      .toBe(3);
    await fourth!.send(`b LOGIN alice ${alice}\r\n`);
    await fourth!.expect('b OK …');
    expect(chain.upstream.connections.total).toBe(5);
    for (const client of clients) client.reset();
  });

  test('are bounded when they come all at once, and a failed upstream login gives its place back', async () => {
    await using chain = await startChain({ sections: 'limits: { perUser: 3, attemptsPerConnection: 2 }' });
    const { postern, upstream } = chain;
    const alice = (await postern.createPassword('alice@example.com')).password.replaceAll(' ', '');
    upstream.setScript({ on: [[/^(\S+) AUTHENTICATE/, '$1 NO not now\r\n']] });
    for (let i = 0; i < 5; i++) {
      await using client = await chain.client();
      await client.send(`a LOGIN alice ${alice}\r\n`);
      await client.expect('a NO [UNAVAILABLE] …');
    }
    upstream.setScript({});
    const clients = await Promise.all(Array.from({ length: 10 }, () => chain.client()));
    const heard = await Promise.all(
      clients.map(async (client) => {
        await client.send(`a LOGIN alice ${alice}\r\n`);
        return (await client.expect(/^a (OK|NO) \[(\w+)/)).slice(1).join(' ');
      }),
    );
    expect(heard.filter((answer) => answer === 'OK CAPABILITY')).toHaveLength(3);
    expect(heard.filter((answer) => answer === 'NO LIMIT')).toHaveLength(7);
    for (const client of clients) client.reset();
  });
});

describe('the deadline before login', () => {
  let chain: Chain;
  beforeAll(async () => {
    chain = await startChain({ sections: 'limits: { loginDeadline: 3s }' });
  });
  afterAll(() => chain?.[Symbol.asyncDispose]());

  /** What the client sends, in pieces, one every 100 ms; gives after how many milliseconds it was cut off. */
  async function cutOff(client: Transcript, text: string): Promise<number> {
    const startedAt = performance.now();
    let sent = 0;
    const trickle = setInterval(() => client.socket.write(text.charAt(sent++), 'latin1'), 100);
    await new Promise((resolve) => client.socket.once('close', resolve));
    clearInterval(trickle);
    return performance.now() - startedAt;
  }

  /** The first octets of a ClientHello that says that it is long. */
  const HELLO = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.padEnd(200, 'x');

  test.concurrent.each([
    ['silence on the STARTTLS port', 'imap', false, ''],
    ['silence on the TLS port', 'imaps', false, ''],
    ['silence within TLS', 'imaps', true, ''],
    ['a command, octet by octet', 'imap', false, `a ${'x'.repeat(200)}`],
    ['a command within TLS, octet by octet', 'imaps', true, `a LOGIN ${'x'.repeat(200)}`],
    ['commands without end, within TLS', 'imaps', true, 'a\r\n'.repeat(60)],
    ['a ClientHello, octet by octet', 'imaps', false, HELLO],
  ] as const)('ends %s', async (_, listener, tls, text) => {
    const { ports } = chain.postern;
    const client = tls ? await chain.client() : await connect({ port: ports[listener] });
    // Never would be the other way; and a busy machine may begin to look at the clock late, never early.
    expect(await cutOff(client, text)).toBeGreaterThan(2000);
  });

  test.concurrent('says goodbye where there is a dialogue', async () => {
    const client = await chain.client();
    await client.expect('* BYE Login took too long');
    await client.closed();
  });

  test.concurrent('does not end a session', async () => {
    const { password } = await chain.postern.createPassword('alice@example.com');
    await using client = await chain.client();
    await client.send(`a LOGIN alice ${password.replaceAll(' ', '')}\r\n`);
    await client.expect('a OK …');
    await client.quiet(3500);
    await client.send('b NOOP\r\n');
    await client.expect('b OK done');
  });

  test('leaves nothing behind', async () => {
    await expect.poll(async () => (await chain.postern.metrics()).value('postern_connections')).toBe(0);
  });
});

describe('a client that never reads', () => {
  test.each(['imap', 'imaps'] as const)('is closed after its commands are used up: %s', async (listener) => {
    await using chain = await startChain({});
    const { postern } = chain;
    const client = listener === 'imaps' ? await chain.client() : await connect({ port: postern.ports.imap });
    client.socket.pause();
    client.socket.write('a CAPABILITY\r\n'.repeat(50_000));
    await expect
      .poll(async () => (await postern.metrics()).value('postern_connections'), {
        interval: 100,
      })
      .toBe(0);
    client.reset();
  });
});
