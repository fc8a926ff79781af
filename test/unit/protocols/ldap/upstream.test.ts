// Binding to a directory that is well, is wrong, lies, stalls or goes; and asking one whose a name is.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../../src/lib/clock.ts';
import { parseDnTemplate } from '../../../../src/lib/distinguished-name.ts';
import { parseFilter } from '../../../../src/lib/search-filter.ts';
import { Secret } from '../../../../src/lib/secret.ts';
import { parseUser } from '../../../../src/lib/user.ts';
import { Framer } from '../../../../src/protocols/ldap/framer.ts';
import { NameDirectory, type NameRules } from '../../../../src/protocols/ldap/names.ts';
import { readSearch } from '../../../../src/protocols/ldap/requests.ts';
import {
  encodeEntry,
  encodeResult,
  noticeOfDisconnection,
} from '../../../../src/protocols/ldap/responses.ts';
import { type LdapUpstream, openDirectory } from '../../../../src/protocols/ldap/upstream.ts';
import {
  type Envelope,
  encodeMessage,
  OP,
  RESULT,
  readEnvelope,
} from '../../../../src/protocols/ldap/wire.ts';
import { ledger } from '../../../support/secrets-ledger.ts';

const PASSWORD = ledger('vX4-of-the-service-account');
const success = (id: number, op: number) => encodeResult(id, op, 0);
const entry = (id: number, dn: string, mail: readonly string[] = []) =>
  encodeMessage(
    id,
    encodeEntry({ dn, attributes: [{ type: 'Mail', values: mail.map((one) => Buffer.from(one)) }] }),
  );

/** Answers a request of the client; null: the connection is closed. */
type Answer = (request: Envelope, socket: Socket) => Buffer | null | undefined;

const started: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of started.splice(0)) await one[Symbol.asyncDispose]();
});

/** A directory that binds everybody, and answers everything else by `answer`. */
async function directory(
  answer: Answer,
): Promise<{ target: LdapUpstream; failures: string[]; connections: () => number }> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    const framer = new Framer();
    socket.on('data', (chunk) => {
      framer.push(chunk);
      for (let message = framer.next(); message instanceof Buffer; message = framer.next()) {
        const request = readEnvelope(message)!;
        const said = answer(request, socket);
        if (said === null) socket.destroy();
        else if (said !== undefined) socket.write(said);
        else if (request.op.tag === OP.bindRequest) socket.write(success(request.messageId, OP.bindResponse));
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  started.push({
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  const failures: string[] = [];
  const target: LdapUpstream = {
    name: 'scripted',
    addresses: [{ host: '127.0.0.1', port: (server.address() as AddressInfo).port }],
    tls: 'none',
    ca: null,
    serverName: null,
    fingerprint: null,
    connectDeadline: 60_000,
    loginDeadline: 60_000,
    login: { method: 'bind', dn: 'cn=postern,dc=x', password: new Secret(PASSWORD) },
    sessionTracking: false,
    sendClientAddress: 'secure',
    userEntry: { template: parseDnTemplate('uid={local},dc=x')! },
    onConnected: () => {},
    onFailed: (_, error) => failures.push(error.message),
  };
  return { target, failures, connections: () => connections };
}

const open = (target: LdapUpstream, signal = new AbortController().signal) =>
  openDirectory(target, {
    user: parseUser('alice@example.com')!,
    client: { address: '192.0.2.7', port: 1234 },
    destination: { address: '192.0.2.1', port: 636 },
    sessionId: 'test',
    signal,
    clock: systemClock,
  });

const searches =
  (answer: Answer): Answer =>
  (request, socket) =>
    request.op.tag === OP.searchRequest ? answer(request, socket) : undefined;

test('it binds, finds the user’s entry, and gives what came behind the answers', async () => {
  const asked: string[] = [];
  const { target } = await directory(
    searches((request) => {
      const { base, scope, attributes } = readSearch(request)!;
      asked.push(`${base} ${scope} ${attributes}`);
      const done = success(request.messageId, OP.searchResultDone);
      return Buffer.concat([entry(request.messageId, 'uid=Alice,dc=X'), done, Buffer.from('behind')]);
    }),
  );
  const opened = await open(target);
  expect(asked).toEqual(['uid=alice,dc=x 0 1.1']);
  expect(opened.userDn).toBe('uid=Alice,dc=X');
  expect(opened.rest.toString()).toBe('behind');
  expect(opened.socket.isPaused()).toBe(true);
  expect(opened.socket.listenerCount('data')).toBe(0);
  opened.socket.destroy();
});

test('without a rule nobody’s entry is looked for', async () => {
  const { target } = await directory(() => undefined);
  const opened = await open({ ...target, userEntry: null });
  expect(opened.userDn).toBeNull();
  opened.socket.destroy();
});

describe('is no wrong password of the client', () => {
  const done = (id: number, code = 0) => encodeResult(id, OP.searchResultDone, code);
  const bindResult =
    (code: number, diagnostic = ''): Answer =>
    (request) =>
      request.op.tag === OP.bindRequest
        ? encodeResult(request.messageId, OP.bindResponse, code, { diagnostic })
        : undefined;

  test.each<[what: string, answer: Answer, reason: string, message: RegExp]>([
    ['a refused Bind', bindResult(49), 'upstream_refused_postern', /^Bind: result 49 invalidCredentials$/],
    [
      'one that Active Directory explains',
      bindResult(49, `80090308: LdapErr: DSID-0C090447, comment: ${PASSWORD}, data 775, v4563`),
      'upstream_refused_postern',
      /^Bind: result 49 invalidCredentials, data 775$/,
    ],
    ['a Bind that wants TLS', bindResult(13), 'upstream_refused_postern', /confidentialityRequired/],
    ['a busy directory', bindResult(51), 'upstream_unreachable', /busy/],
    [
      'one that closes',
      () => null,
      'upstream_closed',
      /^it ended the connection once it had the credentials; /,
    ],
    [
      'one that says goodbye',
      () => noticeOfDisconnection(52, 'away'),
      'upstream_closed',
      /credentials: "Notice of Disconnection, result 52 unavailable: away"; /,
    ],
    ['one that is silent', () => Buffer.alloc(0), 'upstream_unreachable', /no end of the login/],
    ['no LDAP', () => Buffer.from('220 mail.example.com\r\n'), 'upstream_protocol', /not LDAP/],
    ['a length of 4 GB', () => Buffer.from('3084ffffffff020101', 'hex'), 'upstream_protocol', /too long/],
    ['an indefinite length', () => Buffer.from('3080020101', 'hex'), 'upstream_protocol', /not LDAP/],
    ['an answer that nobody asked for', () => success(77, OP.bindResponse), 'upstream_protocol', /not asked/],
    [
      'an answer to something else',
      ({ messageId }) => success(messageId, OP.compareResponse),
      'upstream_protocol',
      /another operation/,
    ],
    ['no entry', searches(({ messageId }) => done(messageId)), 'upstream_no_entry', /no entry/],
    ['no such object', searches(({ messageId }) => done(messageId, 32)), 'upstream_no_entry', /no entry/],
    [
      'an entry without a name',
      searches(({ messageId }) => Buffer.concat([entry(messageId, ''), done(messageId)])),
      'upstream_no_entry',
      /no entry/,
    ],
    [
      'two entries',
      searches(({ messageId: id }) => Buffer.concat([entry(id, 'cn=a'), entry(id, 'cn=b'), done(id, 4)])),
      'upstream_no_entry',
      /more than one/,
    ],
    [
      'a failed search',
      searches(({ messageId }) => done(messageId, 1)),
      'upstream_protocol',
      /operationsError/,
    ],
    [
      'entries without end',
      searches(({ messageId }) => Buffer.concat(Array.from({ length: 200 }, () => entry(messageId, 'cn=a')))),
      'upstream_protocol',
      /more than 100 answers/,
    ],
  ])('%s', async (_, answer, reason, message) => {
    const { target, failures } = await directory(answer);
    const isSilent = message.source.includes('no end of the login');
    const asked = open(isSilent ? { ...target, loginDeadline: 300 } : target);
    const error = await asked.catch((thrown) => thrown);
    expect(error).toMatchObject({
      name: 'UpstreamLoginError',
      reason,
      message: expect.stringMatching(message),
    });
    expect(error.message).not.toContain(PASSWORD);
    // Its health hears of what went away, and of nothing else.
    expect(failures.length).toBe(reason === 'upstream_unreachable' ? 1 : 0);
  });

  test('nothing that listens there', async () => {
    const { target } = await directory(() => undefined);
    const nowhere = { ...target, addresses: [{ host: '127.0.0.1', port: 1 }] };
    await expect(open(nowhere)).rejects.toMatchObject({ reason: 'upstream_unreachable' });
  });

  test('a client that goes in the middle', async () => {
    const abort = new AbortController();
    const { target } = await directory(
      searches(() => {
        abort.abort();
        return Buffer.alloc(0);
      }),
    );
    await expect(open(target, abort.signal)).rejects.toMatchObject({ reason: 'session_ended' });
  });

  test('StartTLS that is refused, and plaintext behind its answer', async () => {
    const refusing = await directory(({ messageId }) => encodeResult(messageId, OP.extendedResponse, 2));
    await expect(open({ ...refusing.target, tls: 'starttls' })).rejects.toMatchObject({
      reason: 'upstream_unreachable',
      message: expect.stringContaining('StartTLS: result 2 protocolError'),
    });
    const talking = await directory(({ messageId }) =>
      Buffer.concat([success(messageId, OP.extendedResponse), success(2, OP.bindResponse)]),
    );
    await expect(open({ ...talking.target, tls: 'starttls' })).rejects.toMatchObject({
      reason: 'upstream_unreachable',
      message: expect.stringContaining('plaintext after its answer to STARTTLS'),
    });
  });
});

describe('whose a name is', () => {
  const RULES: NameRules = {
    base: 'ou=people,dc=x',
    filter: { filter: parseFilter('(|(uid={login})(mail={login}))')! },
    attribute: 'mail',
    timeout: 60_000,
    remember: 60_000,
  };

  async function names(answer: Answer, rules: Partial<NameRules> = {}) {
    const asked: string[] = [];
    const made = await directory(
      searches((request, socket) => {
        const { base, scope, filter } = readSearch(request)!;
        asked.push(`${base} ${scope} ${filter.toString('latin1').replace(/[^ -~]/g, '')}`);
        return answer(request, socket);
      }),
    );
    const refused: string[] = [];
    const clock = { ...systemClock, monotonic: () => now };
    let now = 0;
    const events = { upstreamRefusedPostern: (...all: string[]) => refused.push(all.join(' ')) };
    const directoryOfNames = new NameDirectory({
      target: made.target,
      rules: { ...RULES, ...rules },
      clock,
      events,
    });
    return {
      ...made,
      asked,
      refused,
      lookUp: (login: string, network = '192.0.2.7') => directoryOfNames.lookUp(login, network),
      wait: (milliseconds: number) => {
        now += milliseconds;
      },
    };
  }

  const found =
    (...mail: string[]): Answer =>
    ({ messageId }) =>
      Buffer.concat([
        entry(messageId, 'uid=a,ou=people,dc=x', mail),
        success(messageId, OP.searchResultDone),
      ]);

  test('one entry with one value is it; no entry, two entries, no value and two values are nobody', async () => {
    const answers: Answer[] = [
      found('alice@example.com'),
      ({ messageId }) => success(messageId, OP.searchResultDone),
      ({ messageId: id }) =>
        Buffer.concat([
          entry(id, 'cn=a', ['a@x']),
          entry(id, 'cn=b', ['b@x']),
          success(id, OP.searchResultDone),
        ]),
      found(),
      found('a@example.com', 'b@example.com'),
    ];
    const { lookUp, connections } = await names((...request) => answers.shift()!(...request));
    expect(await lookUp('one')).toEqual({ name: 'alice@example.com' });
    for (const login of ['two', 'three', 'four', 'five']) expect(await lookUp(login)).toEqual({ name: null });
    expect(connections()).toBe(1);
  });

  test('a name is only ever a value; a distinguished name is read as it is, below the base alone', async () => {
    const { lookUp, asked } = await names(found('alice@example.com'));
    await lookUp('*)(uid=*');
    await lookUp('CN=Smith\\2C Alice , OU=People,dc=x');
    expect(asked[0]).toMatch(/^ou=people,dc=x 2 .*uid.*\*\)\(uid=\*.*mail.*\*\)\(uid=\*$/);
    expect(asked[1]).toMatch(/^cn=Smith\\, Alice,ou=People,dc=x 0 objectClass$/);
    for (const login of ['cn=a,ou=other,dc=x', 'dc=x', '', 'a\0b', 'a\ufffdb', 'x'.repeat(1001)]) {
      expect(await lookUp(login), JSON.stringify(login)).toEqual({ name: null });
    }
    expect(asked).toHaveLength(2);
  });

  test('is remembered for a while, for nobody too, and asked once by many at a time', async () => {
    const { lookUp, asked, wait } = await names(({ messageId }) => success(messageId, OP.searchResultDone));
    await Promise.all([lookUp('x'), lookUp('x'), lookUp('x')]);
    await lookUp('x');
    expect(asked).toHaveLength(1);
    wait(60_001);
    await lookUp('x');
    expect(asked).toHaveLength(2);
  });

  test('a directory that is silent is waited for so long, then asked anew on another connection', async () => {
    const { lookUp, connections, failures } = await names(
      (request, socket) =>
        connections() === 1 ? Buffer.alloc(0) : found('alice@example.com')(request, socket),
      { timeout: 1000 },
    );
    expect(await lookUp('x')).toBe('unavailable');
    await expect.poll(() => failures).toEqual(['no answer about a name in time']);
    expect(await lookUp('x')).toEqual({ name: 'alice@example.com' });
    expect(connections()).toBe(2);
  });

  test('one that closes is asked anew; one that refuses Postern is told of', async () => {
    let isFirst = true;
    const closing = await names((request, socket) => {
      if (!isFirst) return found('alice@example.com')(request, socket);
      isFirst = false;
      return null;
    });
    expect(await closing.lookUp('x')).toBe('unavailable');
    expect(await closing.lookUp('x')).toEqual({ name: 'alice@example.com' });
    const failing = await names(({ messageId }) => encodeResult(messageId, OP.searchResultDone, 50));
    expect(await failing.lookUp('x')).toBe('unavailable');
    expect(failing.refused).toEqual([
      'scripted upstream_protocol Search: result 50 insufficientAccessRights',
    ]);
  });

  test('what a directory calls no name, or keeps elsewhere, is nobody, and tells on nobody', async () => {
    // 50: an entry that Postern's account may not read, but is told of (slapd's `disclose`), is not told from none.
    for (const code of [10, 32, 33, 34, 36, 50]) {
      const { lookUp, refused } = await names(({ messageId }) =>
        encodeResult(messageId, OP.searchResultDone, code),
      );
      expect(await lookUp('shoe=44,ou=people,dc=x')).toEqual({ name: null });
      expect(refused).toEqual([]);
      if (code === RESULT.noSuchObject) continue;
      // Of the base itself that is the operator's mistake.
      expect(await lookUp('alice')).toBe('unavailable');
      expect(refused).toHaveLength(1);
    }
  });

  /** Answers each question after a while, as a slow directory does. */
  const slow =
    (milliseconds: number, answer: Answer): Answer =>
    (request, socket) => {
      setTimeout(() => {
        const said = answer(request, socket);
        if (said instanceof Buffer && !socket.destroyed) socket.write(said);
      }, milliseconds);
      return undefined;
    };
  const nobody: Answer = ({ messageId }) => success(messageId, OP.searchResultDone);

  test.each([
    ['ten addresses', (n: number) => `203.0.${n % 10}.1/32`],
    ['the addresses of a /24', (n: number) => `203.0.113.${n % 200}/32`],
    ['the lines of a /48', (n: number) => `2001:db8:66:${(n + 1).toString(16)}::/64`],
  ])(
    'while the directory is slow, strangers from %s who ask for 400 names wait, and others get in',
    async (_, from) => {
      let alice = 0;
      const { lookUp, asked } = await names(slow(20, nobody), { timeout: 60_000 });
      const order: string[] = [];
      const strangers = Array.from({ length: 400 }, (_, n) =>
        lookUp(`guess ${n}`, from(n)).then((answer) => {
          order.push('stranger');
          return answer;
        }),
      );
      await expect.poll(() => asked.length).toBeGreaterThan(0);
      for (let n = 0; n < 14; n++) {
        const before = order.length;
        expect(await lookUp(`alice ${n}`, '192.0.2.7/32')).toEqual({ name: null });
        // It waits for those who are being answered, and for one turn.
        if (order.length - before <= 3 * 64) alice++;
      }
      expect(alice).toBe(14);
      expect(new Set((await Promise.all(strangers)).map((answer) => JSON.stringify(answer)))).toEqual(
        new Set(['{"name":null}']),
      );
    },
  );

  test('who asks for a name for which a stranger waits already, does not wait for the stranger’s turn', async () => {
    const { lookUp, asked } = await names(slow(20, nobody), { timeout: 60_000 });
    const order: number[] = [];
    const strangers = Array.from({ length: 108 }, (_, n) =>
      lookUp(`name ${n}`, '203.0.113.66/32').then(() => order.push(n)),
    );
    await expect.poll(() => asked.length).toBeGreaterThanOrEqual(8);
    await lookUp('name 107', '192.0.2.7/32');
    expect(order.length).toBeLessThan(90);
    await Promise.all(strangers);
    // It is asked once all the same.
    expect(asked.filter((question) => question.includes('name 107'))).toHaveLength(1);
  });

  test('so many wait for a network and no more, and no longer than an answer may take', async () => {
    const { lookUp } = await names(() => Buffer.alloc(0), { timeout: 1000 });
    const startedAt = performance.now();
    const many = Array.from({ length: 500 }, (_, index) => lookUp(`guess ${index}`, '198.51.100.1/32'));
    let early = 0;
    for (const one of many) void one.then(() => early++);
    await new Promise((resolve) => setImmediate(resolve));
    expect(early).toBe(500 - 8 - 100);
    expect(new Set(await Promise.all(many))).toEqual(new Set(['unavailable']));
    // A second in the line, and as many for the answer of those whose turn came.
    expect(performance.now() - startedAt).toBeGreaterThan(990);
  });

  test('one network may ask for so many at a time, and that keeps no other out', async () => {
    const { lookUp, asked } = await names(() => Buffer.alloc(0), { timeout: 1000 });
    const many = Array.from({ length: 20 }, (_, index) => lookUp(`guess ${index}`, '198.51.100.1/32'));
    const other = lookUp('alice', '192.0.2.7/32');
    await expect.poll(() => asked.length).toBe(9);
    expect(asked.filter((question) => question.includes('alice'))).toHaveLength(1);
    expect(new Set(await Promise.all([...many, other]))).toEqual(new Set(['unavailable']));
  });
});
