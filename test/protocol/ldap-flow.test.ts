// What passes between a client and its directory, in whatever pieces and amounts; and how it is ended.

import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  bind,
  compare,
  done,
  elementLength,
  entry,
  extended,
  type Message,
  OIDS,
  readMessage,
  rootDse,
  search,
} from '../support/ldap-bytes.ts';
import { comesToRest } from '../support/patience.ts';
import type { DirectoryScript } from '../support/scripted-ldap-upstream.ts';
import { ALICE, type DirectorySetting, startDirectorySetting } from './postern-before-directory.ts';

let postern: DirectorySetting;
beforeAll(async () => {
  postern = await startDirectorySetting();
});
afterAll(() => postern[Symbol.asyncDispose]());
afterEach(async () => {
  postern.upstream.setScript(() => false);
  await postern.until(() => postern.upstream.connections.open === 0);
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Answers searches with these bytes, in pieces of that size. */
const inPieces =
  (size: number, answer: (id: number) => Buffer): DirectoryScript =>
  async ({ op, id }, { socket }) => {
    if (op !== 'search') return false;
    const bytes = answer(id);
    for (let at = 0; at < bytes.length; at += size) {
      if (!socket.write(bytes.subarray(at, at + size))) await new Promise((go) => socket.once('drain', go));
      else if (size < 100) await new Promise((go) => setImmediate(go));
    }
    return true;
  };

const photos = (id: number) =>
  Buffer.concat([
    entry(id, 'cn=small', { cn: ['a'] }),
    entry(id, 'cn=photo', { photo: [PHOTO, PHOTO.subarray(0, 1000)] }),
    ...Array.from({ length: 500 }, (_, n) => entry(id, `cn=${n}`, { cn: ['x'.repeat(n)] })),
    done(id),
  ]);
const PHOTO = randomBytes(300_000);

describe('answers', () => {
  test.each([[1 << 20], [65_536], [5000], [1000]])(
    'in pieces of %i octets are the same octets',
    async (size) => {
      postern.upstream.setScript(inPieces(size, photos));
      await using client = await postern.bound();
      await client.send(search(2, 'a=1'));
      const expected = photos(2);
      expect((await client.bytes(expected.length)).equals(expected)).toBe(true);
      await client.quiet(20);
    },
  );

  test('octet by octet, too, with a root DSE among them', async () => {
    const answer = (id: number) =>
      Buffer.concat([entry(id, id === 3 ? '' : 'cn=a', { supportedLDAPVersion: ['2', '3'] }), done(id)]);
    postern.upstream.setScript(inPieces(1, answer));
    await using client = await postern.bound();
    await client.send(Buffer.concat([search(2, 'a=1'), rootDse(3), search(4, 'a=1')]));
    const expected = Buffer.concat([
      answer(2),
      entry(3, '', { supportedLDAPVersion: ['3'] }),
      done(3),
      answer(4),
    ]);
    expect((await client.bytes(expected.length)).equals(expected)).toBe(true);
  });

  test('100 MB to a client that does not read wait in the directory; then it gets them all', async () => {
    const chunk = Buffer.concat(
      Array.from({ length: 20 }, (_, n) => entry(2, `cn=${n}`, { photo: [PHOTO.subarray(0, 50_000)] })),
    );
    const rounds = 100;
    let written = 0;
    postern.upstream.setScript(async ({ op }, { socket }) => {
      if (op !== 'search') return false;
      for (let n = 0; n < rounds; n++) {
        const isTaken = socket.write(chunk);
        written += chunk.length;
        if (!isTaken) await new Promise((go) => socket.once('drain', go));
      }
      socket.write(done(2));
      return true;
    });
    await using client = await postern.bound();
    client.socket.pause();
    await client.send(search(2, 'a=1'));
    // Until the kernel's buffers are full and nothing moves any more.
    await comesToRest(() => written);
    expect(written).toBeLessThan(30_000_000);
    let received = 0;
    let last: Buffer = Buffer.alloc(0);
    client.socket.removeAllListeners('data');
    client.socket.on('data', (bytes: Buffer) => {
      received += bytes.length;
      last = bytes;
    });
    client.socket.resume();
    const all = rounds * chunk.length + done(2).length;
    await postern.until(() => received >= all);
    await client.quiet(50);
    expect(received).toBe(all);
    expect(last.subarray(-done(2).length).equals(done(2))).toBe(true);
  });
});

describe('requests', () => {
  test('900 at once, in any pieces, are all passed on and answered', async () => {
    for (const size of [1 << 20, 777]) {
      await using client = await postern.bound();
      const from = postern.upstream.requests.length;
      const ids = Array.from({ length: 900 }, (_, n) => n + 2);
      const bytes = Buffer.concat(ids.map((id) => compare(id, `cn=${'y'.repeat(id % 300)}`)));
      for (let at = 0; at < bytes.length; at += size) await client.send(bytes.subarray(at, at + size));
      for (const id of ids) expect(await client.message()).toMatchObject({ id, code: 0 });
      const passed = Buffer.concat(postern.upstream.requests.slice(from).map((request) => request.bytes));
      expect(passed.equals(bytes)).toBe(true);
    }
  });

  test('to a directory that does not read wait in the client', async () => {
    postern.upstream.setScript(({ op }, { socket }) => {
      if (op === 'compare') socket.pause();
      return false;
    });
    await using client = await postern.bound();
    const request = (id: number) => compare(id, `cn=${'x'.repeat(200_000)}`);
    let sent = 0;
    let isTaken = false;
    for (let id = 2; id < 150; id++) {
      isTaken = client.socket.write(request(id), () => {
        sent += 200_000;
      });
    }
    expect(isTaken).toBe(false);
    await comesToRest(() => sent);
    expect(sent).toBeLessThan(20_000_000);
    const [socket] = [...postern.upstream.sockets].slice(-1);
    postern.upstream.setScript(() => false);
    socket!.resume();
    for (let id = 2; id < 150; id++) expect(await client.message()).toMatchObject({ id, code: 0 });
  });

  test('Who am I without end, to a client that does not read: its requests wait', async () => {
    await using client = await postern.bound();
    client.socket.pause();
    const batch = Buffer.concat(Array.from({ length: 2000 }, () => extended(2, OIDS.whoAmI)));
    let sent = 0;
    for (let n = 0; n < 400; n++) client.socket.write(batch, () => (sent += batch.length));
    await comesToRest(() => sent);
    expect(sent).toBeLessThan(400 * batch.length);
  });
});

describe('our own words never come within a message', () => {
  /** Sends half of a large entry, and the rest when it is told to. */
  function halves() {
    let go = () => {};
    const whole = (id: number) => Buffer.concat([entry(id, 'cn=photo', { photo: [PHOTO] }), done(id)]);
    const script: DirectoryScript = async ({ op, id, dn }, { socket }) => {
      if (op !== 'search' || dn !== 'half=1') return false;
      socket.write(whole(id).subarray(0, 150_000));
      void new Promise<void>((resolve) => {
        go = resolve;
      }).then(() => socket.write(whole(id).subarray(150_000)));
      return true;
    };
    return { script, whole, go: () => go() };
  }

  test('an answer of ours waits for its end', async () => {
    const { script, whole, go } = halves();
    postern.upstream.setScript(script);
    await using client = await postern.bound();
    await client.send(search(2, 'half=1'));
    const first = await client.bytes(150_000);
    await client.send(Buffer.concat([extended(3, OIDS.whoAmI), extended(4, '1.2.3')]));
    await client.quiet(50);
    go();
    const expected = whole(2);
    const rest = await client.bytes(expected.length - 150_000 - done(2).length);
    expect(Buffer.concat([first, rest]).equals(expected.subarray(0, -done(2).length))).toBe(true);
    const seen: Message[] = [];
    for (let n = 0; n < 3; n++) seen.push(await client.message());
    expect(seen.map(({ id }) => id).sort()).toEqual([2, 3, 4]);
  });

  test('a bind waits for it, and then abandons what is under way', async () => {
    const { script, whole, go } = halves();
    postern.upstream.setScript(script);
    await using client = await postern.bound();
    await client.send(search(2, 'half=1'));
    await client.bytes(150_000);
    await client.send(bind(3, ALICE, postern.password));
    await client.quiet(50);
    go();
    await client.bytes(elementLength(whole(2))! - 150_000);
    let answer = await client.message();
    // The search's end may have come with its entry.
    if (answer.id === 2) answer = await client.message();
    expect(answer).toMatchObject({ id: 3, op: 'bindResponse', code: 0 });
    expect(await client.ask(compare(4, ALICE))).toMatchObject({ id: 4, code: 0 });
  });

  test('a session that is ended within one is closed without a word', async () => {
    const { script } = halves();
    postern.upstream.setScript(script);
    const bob = await postern.createPassword('bob@example.com');
    await using client = await postern.client();
    await client.ask(bind(1, 'bob', bob.password));
    await client.send(search(2, 'half=1'));
    await client.bytes(150_000);
    await postern.revoke(bob.id);
    await client.closed();
  });
});

test('a bind that waits for the rest of an answer that does not come keeps no connection for ever', async () => {
  await using impatient = await startDirectorySetting({ config: 'limits: { idle: 2s }' });
  impatient.upstream.setScript(({ op, id, dn }, { socket }) => {
    if (op !== 'search' || dn !== 'half=1') return false;
    return socket.write(entry(id, 'cn=photo', { photo: [PHOTO] }).subarray(0, 5000)) || true;
  });
  await using client = await impatient.bound();
  await client.send(search(2, 'half=1'));
  await client.bytes(5000);
  await client.send(bind(3, ALICE, impatient.password));
  await client.closed();
  await impatient.until(() => impatient.upstream.connections.open === 0);
});

test('a drain takes leave of those who were bound and are not any more', async () => {
  await using draining = await startDirectorySetting();
  await using client = await draining.bound();
  expect(await client.ask(bind(2, ALICE, ''))).toMatchObject({ code: 53 });
  const drained = draining.drain();
  expect(await client.message()).toMatchObject({ id: 0, code: 52, diagnostic: 'Shutting down' });
  await client.closed();
  await drained;
});

describe('the end of a session', () => {
  test('by revocation: a Notice of Disconnection, and nothing more of the directory', async () => {
    const bob = await postern.createPassword('bob@example.com');
    await using client = await postern.client();
    await client.ask(bind(1, 'bob', bob.password));
    await postern.revoke(bob.id);
    expect(await client.message()).toEqual({
      id: 0,
      op: 'extendedResponse',
      code: 8,
      diagnostic: 'The password that this session began with is no longer valid',
      oid: OIDS.notice,
    });
    await client.closed();
    await postern.until(() => postern.upstream.connections.open === 0);
    expect(postern.events('session').at(-1)).toMatchObject({ user: 'bob@example.com', reason: 'revoked' });
  });

  test('a bind that came before is not ended by its revocation', async () => {
    const bob = await postern.createPassword('bob@example.com');
    await using client = await postern.client();
    await client.ask(bind(1, 'bob', bob.password));
    await client.ask(bind(2, ALICE, postern.password));
    await postern.revoke(bob.id);
    await pause(100);
    expect(await client.ask(compare(3, ALICE))).toMatchObject({ id: 3, code: 0 });
  });

  test('by idleness: whether bound, or anonymous after that', async () => {
    await using impatient = await startDirectorySetting({ config: 'limits: { idle: 2s }' });
    await using bound = await impatient.bound();
    await using anonymous = await impatient.bound();
    await anonymous.ask(bind(2, '', ''));
    for (const client of [bound, anonymous]) {
      expect(await client.message()).toMatchObject({ id: 0, code: 52, diagnostic: 'Idle for too long' });
      await client.closed();
    }
    await impatient.until(() => impatient.upstream.connections.open === 0);
  });

  test('by the client’s reset', async () => {
    await using client = await postern.bound();
    client.reset();
    await postern.until(() => postern.upstream.connections.open === 0);
    expect(postern.events('session').at(-1)?.reason).toMatch(/^client_(error|closed)$/);
  });

  test('by the client’s end, soon, also if an answer never comes', async () => {
    postern.upstream.setScript(({ op }) => op === 'search');
    await using client = await postern.bound();
    await client.send(search(2, 'persistent=1'));
    client.end();
    await client.closed();
    expect(postern.events('session').at(-1)).toMatchObject({ reason: 'client_closed' });
  });

  test('what it carried is counted', async () => {
    const answer = photos(2);
    postern.upstream.setScript(inPieces(65_536, photos));
    await using client = await postern.bound();
    await client.send(search(2, 'a=1'));
    await client.bytes(answer.length);
    const sessions = postern.events('session').length;
    client.end();
    await client.closed();
    await postern.until(() => postern.events('session').length > sessions);
    expect(postern.events('session').at(-1)).toMatchObject({
      protocol: 'ldap',
      bytesToUpstream: search(2, 'a=1').length,
      bytesToClient: answer.length,
    });
  });
});

test('a message of the tests is what it says', () => {
  expect(readMessage(search(300, 'a=1'))).toMatchObject({ id: 300, op: 'search', dn: 'a=1' });
});
