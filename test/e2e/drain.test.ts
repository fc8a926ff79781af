// The end within the deadline, whatever the peers do. How a stop goes where they behave is in operator-stopping.test.ts.

import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { startProgram } from '../support/program-before-script.ts';

const ALICE = 'alice@example.com';
test('clients that never read, a hanging upstream, a parked refusal and a locked store do not keep it', async () => {
  const stall = /^(\S+) STALL$/;
  await using program = await startProgram({
    script: {
      on: [
        // More than all the buffers on the way hold.
        [stall, (connection) => connection.write(Buffer.alloc(64 * 1024 * 1024, 'x'))],
        // By its name: the login of bob never ends.
        [/^\S+ AUTHENTICATE PLAIN Ym9i/, null],
      ],
    },
    config: 'limits: { drain: 3s }\nthrottle: { failureDelay: 30s }',
  });
  const { postern, upstream } = program;

  // A session whose client does not read.
  const alice = await program.make(ALICE);
  await using deaf = await program.client();
  await deaf.send(`a LOGIN ${ALICE} ${alice.password}\r\n`);
  await deaf.expectUntil('a OK …');
  deaf.socket.pause();
  await deaf.send('b STALL\r\n');
  await expect.poll(() => upstream.lines.at(-1)).toBe('b STALL');

  // A login whose upstream hangs, within its loginDeadline of 20 s.
  const bob = await program.make('bob@example.com');
  await using waiting = await program.client();
  await waiting.send(`a LOGIN bob@example.com ${bob.password}\r\n`);
  await expect.poll(() => upstream.lines.at(-1)).toContain('AUTHENTICATE PLAIN Ym9i');

  // A refusal that is due in 30 s.
  await using parked = await program.client();
  await parked.send(`a LOGIN ${ALICE} Summer2024!\r\n`);

  // Before login: one that never reads and never closes, one within the TLS handshake, one that has said nothing.
  using stubborn = await rawConnection(postern.ports.imap);
  using half = await rawConnection(postern.ports.imaps);
  half.socket.write(Buffer.from('160301', 'hex'));
  using silent = await rawConnection(postern.ports.imaps);
  await using idle = await program.client();

  await expect.poll(async () => (await postern.metrics()).value('postern_connections')).toBe(7);
  using store = lockStore(join(postern.directory, 'postern.db'));

  const from = performance.now();
  postern.signal('SIGTERM');
  const order: string[] = [];
  const heard = waiting.expect('a NO [UNAVAILABLE] …').then(() => {
    order.push('the deadline');
    return performance.now() - from;
  });
  await idle.expect('* BYE Server is shutting down');
  await idle.closed();
  await Promise.all([half.closed, silent.closed]);
  order.push('idle before login');
  // Those are gone at once, not at the deadline.
  expect(await heard).toBeGreaterThan(2900);
  expect(order).toEqual(['idle before login', 'the deadline']);
  await waiting.expect('* BYE Server is shutting down');
  // Too early for a refusal: the connection is closed instead.
  await parked.closed();

  const { code } = await postern.stop('SIGCONT');
  expect(code).toBe(0);
  // None of what they would have waited for: 20 s for the upstream, 30 s for the refusal.
  expect(performance.now() - from).toBeLessThan(18_000);
  expect(store.isLocked).toBe(true);
  await stubborn.closed;
  expect(postern.events().find(({ event }) => event === 'stopped')).toMatchObject({ sessionsCut: 2 });
});

/** A connection that is never read from, and that stays open on its side when the other closes. */
async function rawConnection(
  port: number,
): Promise<Disposable & { socket: Socket; closed: Promise<unknown> }> {
  const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  const closed = Promise.race([once(socket, 'end'), once(socket, 'close')]);
  return {
    socket,
    get closed() {
      socket.resume();
      return closed;
    },
    [Symbol.dispose]: () => socket.destroy(),
  };
}

function lockStore(file: string): Disposable & { readonly isLocked: boolean } {
  const database = new Database(file);
  database.exec('begin exclusive');
  return {
    get isLocked() {
      return database.inTransaction;
    },
    [Symbol.dispose]: () => void database.close(),
  };
}
